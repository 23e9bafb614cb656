import { test } from '@lloom/simkit/vitest';
import { networkStory } from './flowNetwork.ts';

test.for(['fast', 'full'] as const)(
  '60,000 requests over %s links end exactly once each, with the right answers, and nothing is left',
  async (fidelity, { createNetwork }) => {
    for (let seed = 101; seed <= 140; seed++)
      await networkStory(createNetwork, { seed, fidelity, requests: 1_500 });
  },
);
