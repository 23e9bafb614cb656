import { test } from '@lloom/simkit/vitest';
import { expect } from 'vitest';
import { checkShares, underLoad } from './overload.ts';

test('a peer that asks a hundred times its share is served its share, and nobody else waits longer', async ({
  createNetwork,
}) => {
  await checkShares(createNetwork, { honest: 20, loadMs: 10_000 });
});

for (const carrier of ['sessions', 'streams'] as const)
  test(`the same load by ${carrier} gives the same run`, async ({ createNetwork }) => {
    const load = { seed: 5, carrier, loadMs: 1_000, honest: 20, isGreedy: true };
    expect(await underLoad(createNetwork, load)).toEqual(await underLoad(createNetwork, load));
  });
