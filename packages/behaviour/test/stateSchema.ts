import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect } from 'vitest';
import schema from '../schemas/node-state.v1.json' with { type: 'json' };
import type { NodeState } from '../src/index.ts';

const validate = new Ajv2020({ allErrors: true }).compile(schema);

/** A state fits the published schema, and is the same once it was written down and read. */
export function expectValid(state: NodeState): void {
  validate(state);
  expect(validate.errors ?? []).toEqual([]);
  expect(JSON.parse(JSON.stringify(state))).toStrictEqual(state);
}
