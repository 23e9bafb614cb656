import { expect, test } from 'vitest';
import { expectHarmless, fuzzAsking, fuzzServing } from './sessionFuzz.ts';

test.for([1, 2, 3])(
  'nothing that clients say in 200,000 conversations harms a service (seed %i)',
  async (seed) => {
    expect(expectHarmless(await fuzzServing(seed, 200_000)).survived).toBeGreaterThan(50_000);
  },
);

test.for([1, 2])(
  'nothing that servers say in 200,000 conversations harms a service (seed %i)',
  async (seed) => {
    expect(expectHarmless(await fuzzAsking(seed, 200_000)).survived).toBeGreaterThan(50_000);
  },
);
