import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { churn, churning } from './churn.ts';
import { advertiseAll, findAll, planet, star } from './simNodes.ts';

const link = { delayMs: 50 };
const few = ['hub', 'e1', 'e2', 'c1'];

describe('time', () => {
  test('makes nobody forget a provider that is there: newcomers find it after hours', async ({
    createNetwork,
  }) => {
    const network = await createNetwork({ nodes: few, link, createNode: star() });
    await advertiseAll(network, ['e1', 'e2']);
    network.crash('c1');
    await network.runFor(3 * 3_600_000);
    await network.restart('c1', { datastore: 'empty' });
    await network.runFor(5_000);
    expect(await findAll(network, 'c1')).toEqual(['e1', 'e2']);
  });
});

describe('executors that come and go', () => {
  for (let seed = 3; seed < 13; seed += 1) {
    const fidelity = seed % 2 === 0 ? 'full' : 'fast';
    test(`are found while they live and not a moment longer, over ${fidelity}, with seed ${seed}`, async ({
      createNetwork,
    }) => {
      const network = await createNetwork({
        nodes: churning,
        link: planet,
        seed,
        fidelity,
        createNode: star(),
      });
      await churn(network, 10);
    });
  }
});
