import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { churn, churning } from './churn.ts';
import { planet, star } from './simNodes.ts';

describe('executors that come and go', () => {
  test('are found while they live and not a moment longer, for five minutes', async ({ createNetwork }) => {
    const network = await createNetwork({
      nodes: churning,
      link: planet,
      createNode: star(),
    });
    await churn(network, 5);
  });

  test('are so the same way every time', async ({ createNetwork }) => {
    const run = async (seed: number): Promise<string> => {
      const network = await createNetwork({
        nodes: churning,
        link: planet,
        seed,
        createNode: star(),
      });
      await churn(network, 1);
      await network.stop();
      return network.trace.hash();
    };
    expect(await run(2)).toBe(await run(2));
  });
});
