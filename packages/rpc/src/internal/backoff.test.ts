import { describe, expect, test } from 'vitest';
import { retryDefaults } from '../config.ts';
import { backoffMs, retryDelayMs } from './backoff.ts';

const almostOne = 1 - 2 ** -53;
const strategyOf = (changes: object) => ({ ...retryDefaults, ...changes });

describe('the wait before a retry', () => {
  test.each([
    [1, 1_000],
    [2, 2_000],
    [3, 4_000],
    [5, 16_000],
    [6, 30_000],
    [100, 30_000],
  ])('number %i lies between half of %i ms and the whole', (retry, capMs) => {
    expect(backoffMs(retryDefaults, retry, 0)).toBe(capMs / 2);
    expect(backoffMs(retryDefaults, retry, 0.5)).toBe((capMs * 3) / 4);
    expect(backoffMs(retryDefaults, retry, almostOne)).toBe(capMs);
  });

  test.each([
    { initialDelayMs: 0, maxDelayMs: 30_000, exponentialBase: 10 },
    { initialDelayMs: 0, maxDelayMs: 0, exponentialBase: 1 },
    { initialDelayMs: 1, maxDelayMs: 86_400_000, exponentialBase: 10 },
    { initialDelayMs: 3, maxDelayMs: 10, exponentialBase: 1.5 },
    { initialDelayMs: 86_400_000, maxDelayMs: 1, exponentialBase: 2 },
    { initialDelayMs: 7, maxDelayMs: 86_400_000, exponentialBase: 1 },
  ])('is a whole number within its bounds for every retry: %o', (changes) => {
    const strategy = strategyOf(changes);
    let last = 0;
    for (const retry of [...Array.from({ length: 100 }, (_, index) => index + 1), 1_000, 1e9]) {
      const [least, some, most] = [0, 0.3, almostOne].map((chance) => backoffMs(strategy, retry, chance));
      for (const ms of [least, some, most]) expect(Number.isSafeInteger(ms)).toBe(true);
      expect(most).toBeLessThanOrEqual(strategy.maxDelayMs);
      expect(least).toBeGreaterThanOrEqual((most as number) / 2);
      expect(most).toBeGreaterThanOrEqual(last);
      last = most as number;
    }
  });

  test('is never more than its whole ms where that has a fraction', () => {
    const strategy = strategyOf({ initialDelayMs: 3, exponentialBase: 1.5 });
    expect([0, almostOne].map((chance) => backoffMs(strategy, 2, chance))).toEqual([2, 4]);
  });

  test('never grows with a base of 1', () => {
    const strategy = strategyOf({ exponentialBase: 1 });
    expect([1, 50, 100].map((retry) => backoffMs(strategy, retry, almostOne))).toEqual([1_000, 1_000, 1_000]);
  });
});

describe('the wait before a retry of the same peer', () => {
  test.each([
    [0, 0, 500],
    [0, 400, 500],
    [0, 5_000, 5_000],
    [0.5, 5_000, 5_625],
    [almostOne, 5_000, 6_250],
    [0.5, 1_001, 1_127],
    [0.5, 1e300, 3_600_000],
    [0.5, Infinity, 3_600_000],
  ])('is, with a chance of %d and a peer that wants %d ms, %i ms', (chance, leastDelayMs, expected) => {
    expect(retryDelayMs(retryDefaults, 1, { chance, leastDelayMs, isElsewhere: false })).toBe(expected);
  });

  test('is an hour at most, also when the strategy says more', () => {
    const strategy = strategyOf({ initialDelayMs: 86_400_000, maxDelayMs: 86_400_000 });
    expect(retryDelayMs(strategy, 9, { chance: 0.9, leastDelayMs: 0, isElsewhere: false })).toBe(3_600_000);
  });

  test('is none when another peer is asked, whatever this one wants', () => {
    expect(retryDelayMs(retryDefaults, 5, { chance: 0.5, leastDelayMs: 9_000, isElsewhere: true })).toBe(0);
  });
});
