import { describe, expect, test } from 'vitest';

import { fuzz, mutated, randomBytes, targets, validBytes } from './support/fuzz.ts';

const million = 1_000_000;
const seeds = [1, 2, 3, 4];
const count = Math.ceil(million / targets.length / seeds.length);
const runs = targets.flatMap((target) => seeds.map((seed) => ({ ...target, seed })));

describe('nothing but a CodecError comes out of 2,000,000 byte strings', () => {
  test.for(runs)('random ones for $title (seed $seed)', (target) => {
    const { taken, refused } = fuzz(target, randomBytes, { seed: target.seed, count });
    expect(taken + refused).toBe(count);
  });

  test.for(runs)('mutated ones of $title (seed $seed)', (target) => {
    const valid = validBytes(target, target.seed);
    const { taken, refused } = fuzz(target, (random) => mutated(valid, random), { seed: target.seed, count });
    expect(Math.min(taken, refused)).toBeGreaterThan(0);
  });
});
