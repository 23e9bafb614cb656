import { test } from '@lloom/simkit/vitest';
import { describe } from 'vitest';
import { churnCrowd, createCrowd, expectCalm, fifty, restartCrowd } from './crowdChurn.ts';

describe('fifty nodes of which a tenth is replaced each minute', () => {
  for (const seed of [1, 2, 3]) {
    test(`find whom they look for, for ten minutes, with seed ${seed}`, async ({ createNetwork }) => {
      const link = { delayMs: 20, lossRatio: 0.01 };
      const network = await createNetwork({ nodes: fifty, link, seed, createNode: createCrowd() });
      expectCalm(await churnCrowd(network, 10), seed);
      await restartCrowd(network);
    });
  }
});
