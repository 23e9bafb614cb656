import { fc } from '@fast-check/vitest';
import { describe, expect, test } from 'vitest';

import { CodecError } from '../src/index.ts';
import { formats, kinds } from './support/formats.ts';
import { fuzz, mutated, randomBytes, targets, validBytes } from './support/fuzz.ts';

const seed = 20_240_610;
// fuzz.long.test.ts has 2,000,000.
const count = Math.ceil(20_000 / targets.length);

describe(`nothing but a CodecError comes out of 2 times 20,000 byte strings (seed ${seed})`, () => {
  test.for(targets)(`random ones for $title`, (target) => {
    const { taken, refused } = fuzz(target, randomBytes, { seed, count });
    expect(taken + refused).toBe(count);
  });

  test.for(targets)(`mutated ones of $title`, (target) => {
    const valid = validBytes(target, seed);
    const { taken, refused } = fuzz(target, (random) => mutated(valid, random), { seed, count });
    // Both halves are worth something: neither is everything refused at the door, nor taken as it is.
    expect(Math.min(taken, refused)).toBeGreaterThan(0);
  });
});

describe(`nothing but a CodecError comes out of values that are not of the type (seed ${seed})`, () => {
  test.for(kinds)('$title', ({ name, values }) => {
    const { encode, decode } = formats[name];
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withNullPrototype: true,
    });
    const property = fc.property(values, anything, fc.infiniteStream(fc.nat()), (value, strange, choices) => {
      const spoilt = replacedSomewhere(value, strange, () => choices.next().value as number);
      let bytes: Uint8Array;
      try {
        bytes = encode(spoilt);
      } catch (error) {
        if (!CodecError.is(error)) throw error;
        return;
      }
      decode(bytes);
    });
    expect(fc.check(property, { seed, numRuns: 150 })).toMatchObject({ failed: false });
  });
});

/** A copy of plain data with one member, at any depth, replaced. */
function replacedSomewhere(value: unknown, strange: unknown, choose: () => number): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return strange;
  const keys = Object.keys(value);
  const key = keys[choose() % (keys.length + 1)];
  if (key === undefined) return strange;
  const copy = (Array.isArray(value) ? [...(value as unknown[])] : { ...value }) as Record<string, unknown>;
  const replaced = replacedSomewhere(copy[key], strange, choose);
  Object.defineProperty(copy, key, { value: replaced, enumerable: true });
  return copy;
}
