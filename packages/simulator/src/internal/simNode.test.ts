import { expect, test } from 'vitest';
import type { LloomBehaviour } from '@lloom/behaviour';
import { resolveOptions } from '../config.ts';
import { SimNode } from './simNode.ts';

test('a node that comes up when its start was given up is not up, and one that is started again is', async () => {
  const parts = {
    name: 'c0',
    index: 0,
    role: 'client',
    region: undefined,
    seed: 1,
    inspect: undefined,
  } as const;
  const node = new SimNode({ ...parts, options: resolveOptions('client') });
  const behaviour = {} as LloomBehaviour;
  let come: (value: LloomBehaviour) => void = () => undefined;
  const late = node.start(
    () => new Promise((resolve) => (come = resolve)),
    () => 5,
  );
  node.giveUp(new Error('the run ended'));
  expect(node.state).toBe('failed');
  const again = node.start(
    async () => behaviour,
    () => 7,
  );
  come({} as LloomBehaviour);
  await Promise.all([late, again]);
  expect([node.state, node.upSinceMs]).toEqual(['up', 7]);
  expect(node.behaviour).toBe(behaviour);
});
