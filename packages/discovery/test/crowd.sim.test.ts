import { test } from '@lloom/simkit/vitest';
import { describe } from 'vitest';
import { churnCrowd, createFifty, expectCalm, fifty, restartCrowd } from './crowdChurn.ts';

describe('fifty nodes', () => {
  // One network for both: to start it takes longer than either.
  test('of which a tenth is replaced each minute find whom they look for, and know all again after a restart', async ({
    createNetwork,
  }) => {
    const network = await createNetwork({ nodes: fifty, link: { delayMs: 20 }, createNode: createFifty() });
    expectCalm(await churnCrowd(network, 1), network.seed);
    await restartCrowd(network, ['empty']);
    // It computes for half a minute, and the machine may be busy.
  }, 180_000);
});
