import { describe, expect, it } from 'vitest';

import type { CircuitConnection } from './circuitNetwork.ts';
import { limitsLeft, payloadLeft, payloadOf } from './relayBudget.ts';

const openedAt = 1_000_000;
const connection = (limits: CircuitConnection['limits']): CircuitConnection => ({
  ...{
    id: '1',
    isRelayed: true,
    isOpen: true,
    isIdle: true,
    remoteAddress: '/p2p-circuit',
    openedAt,
    limits,
  },
  close: async () => undefined,
});

describe('what a relay still lets through', () => {
  it.each([
    ['seconds', { seconds: 120, ageMs: 0, ms: 120_000 }],
    ['seconds, later', { seconds: 100, ageMs: 20_000, ms: 100_000 }],
    ['seconds, the most', { seconds: 9_999, ageMs: 0, ms: 9_999_000 }],
    ['milliseconds', { seconds: 10_000, ageMs: 0, ms: 10_000 }],
    ['milliseconds, later', { seconds: 119_980, ageMs: 20_000, ms: 100_000 }],
    ['milliseconds, at their end', { seconds: 119_880, ageMs: 120_000, ms: 0 }],
  ])('is read as %s', (_, { seconds, ageMs, ms }) => {
    expect(limitsLeft(connection({ seconds }), openedAt + ageMs)).toEqual({ ms });
  });

  it('is all where it has said nothing, and where it has limited time alone', () => {
    expect(limitsLeft(connection(undefined), openedAt)).toBeUndefined();
    expect(limitsLeft(connection({}), openedAt)).toBeUndefined();
    expect(payloadLeft(connection({ seconds: 120 }), openedAt)).toBeUndefined();
  });

  it('is never less than nothing', () => {
    expect(payloadOf(0)).toBe(0);
    expect(limitsLeft(connection({ seconds: -5 }), openedAt)).toEqual({ ms: 0 });
  });
});
