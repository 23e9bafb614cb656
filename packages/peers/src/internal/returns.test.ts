import { beforeEach, expect, it } from 'vitest';

import { Returns } from './returns.ts';

const idleTimeoutMs = 400_000;
const idle = { peerId: 'a', connectionId: 'a-1', cause: { code: 'IDLE', message: '' } } as const;
let returns: Returns;
beforeEach(() => {
  returns = new Returns();
});
const close = (
  now: number,
  connected: readonly string[] = [],
  cause: { code: 'IDLE' | 'LIMIT' | 'EXPIRED' } = idle.cause,
): void =>
  returns.closed([{ ...idle, cause: { message: '', ...cause } }], {
    now,
    connected: () => connected.map((peerId) => ({ peerId })),
  });

it('a peer that comes back at once each time is met with twice the patience, up to 64 times', () => {
  const patience: number[] = [returns.patienceOf('a')];
  for (let now = 0; now < 7; now++) {
    close(now, [], { code: now % 2 === 0 ? 'IDLE' : 'LIMIT' });
    returns.seen('a', { openedAt: now, idleTimeoutMs });
    returns.seen('a', { openedAt: now, idleTimeoutMs });
    patience.push(returns.patienceOf('a'));
  }
  expect(patience).toEqual([1, 2, 4, 8, 16, 32, 64, 64]);
});

it('a peer that stays away for a while is met like any other', () => {
  close(0);
  returns.seen('a', { openedAt: idleTimeoutMs, idleTimeoutMs });
  close(500_000);
  expect(returns.patienceOf('a')).toBe(2);
  returns.seen('a', { openedAt: 900_001, idleTimeoutMs });
  expect(returns.patienceOf('a')).toBe(1);
});

it('within six minutes a peer is back at once, however short the idle time is', () => {
  close(0);
  returns.seen('a', { openedAt: 360_000, idleTimeoutMs: 1 });
  expect(returns.patienceOf('a')).toBe(2);
});

it('nobody has come back who had another connection, was there before, or was closed for another reason', () => {
  close(5_000, ['a']);
  returns.seen('a', { openedAt: 5_000, idleTimeoutMs });
  close(5_000, [], { code: 'EXPIRED' });
  returns.seen('a', { openedAt: 5_000, idleTimeoutMs });
  close(5_000);
  returns.seen('a', { openedAt: 4_999, idleTimeoutMs });
  returns.seen('b', { openedAt: 5_000, idleTimeoutMs });
  expect([returns.patienceOf('a'), returns.patienceOf('b')]).toEqual([1, 1]);
});
