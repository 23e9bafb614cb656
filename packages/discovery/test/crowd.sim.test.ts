import { test } from '@lloom/simkit/vitest';
import { describe } from 'vitest';
import { churnCrowd, createCrowd, expectCalm, restartCrowd, seventeen } from './crowdChurn.ts';

// Fifty nodes, for ten minutes: crowd.sim.long.test.ts.
describe('seventeen nodes', () => {
  // One network for both: to start it takes longer than either.
  test('of which five are replaced each minute find whom they look for, and know all again after a restart', async ({
    createNetwork,
  }) => {
    const network = await createNetwork({
      nodes: seventeen,
      link: { delayMs: 20 },
      createNode: createCrowd(),
    });
    expectCalm(await churnCrowd(network, 1), network.seed);
    await restartCrowd(network, ['empty']);
    // The machine may be busy.
  }, 120_000);
});
