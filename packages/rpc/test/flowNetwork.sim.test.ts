import { test } from '@lloom/simkit/vitest';
import { expect } from 'vitest';
import { networkStory } from './flowNetwork.ts';

for (const [fidelity, seed] of [
  ['fast', 1],
  ['full', 2],
] as const)
  test(`750 requests over ${fidelity} links end exactly once each, with the right answers, and nothing is left`, async ({
    createNetwork,
  }) => {
    const codes = await networkStory(createNetwork, { seed, fidelity, requests: 750 });
    expect(codes.get('answered')).toBeGreaterThan(375);
    for (const code of ['CANCELLED', 'CONNECTION_CLOSED', 'RATE_LIMITED', 'REMOTE', 'TIMEOUT'])
      expect([...codes.keys()]).toContain(code);
  });
