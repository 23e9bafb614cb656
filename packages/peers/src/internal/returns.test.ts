import { expect, it } from 'vitest';

import { Returns } from './returns.ts';

const withinMs = 1_000;

it('a peer that comes back at once each time is met with twice the patience, up to 16 times', () => {
  const returns = new Returns();
  const patience: number[] = [returns.patienceOf('a')];
  for (let now = 0; now < 6; now++) {
    returns.closed('a', now);
    returns.seen('a', { openedAt: now, withinMs });
    returns.seen('a', { openedAt: now, withinMs });
    patience.push(returns.patienceOf('a'));
  }
  expect(patience).toEqual([1, 2, 4, 8, 16, 16, 16]);
});

it('a peer that stays away for a while is met like any other', () => {
  const returns = new Returns();
  returns.closed('a', 0);
  returns.seen('a', { openedAt: withinMs, withinMs });
  returns.closed('a', 5_000);
  expect(returns.patienceOf('a')).toBe(2);
  returns.seen('a', { openedAt: 6_001, withinMs });
  expect(returns.patienceOf('a')).toBe(1);
});

it('a connection that was there before does not count as coming back', () => {
  const returns = new Returns();
  returns.closed('a', 5_000);
  returns.seen('a', { openedAt: 4_999, withinMs });
  returns.seen('b', { openedAt: 5_000, withinMs });
  expect([returns.patienceOf('a'), returns.patienceOf('b')]).toEqual([1, 1]);
});
