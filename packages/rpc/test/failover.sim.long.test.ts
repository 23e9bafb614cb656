import { test } from '@lloom/simkit/vitest';
import { killAtEveryToken } from './failoverStory.ts';

const seeds = 200;

test(`over ${seeds} seeds, an executor that is killed at any token is followed by another: each token is shown once and paid for once`, async ({
  createNetwork,
}) => {
  for (let seed = 1; seed <= seeds; seed++) await killAtEveryToken(createNetwork, 1_000 + seed);
});
