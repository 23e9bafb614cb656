import { describe, expect, test } from 'vitest';
import { RetryBudget } from './retryBudget.ts';

function taken(budget: RetryBudget): number {
  let count = 0;
  while (count < 10_000 && budget.take()) count++;
  return count;
}

describe('a budget for retries', () => {
  test('is full at the start, and then empty', () => {
    const budget = new RetryBudget(0.2, 3);
    expect([budget.take(), budget.take(), budget.take(), budget.take()]).toEqual([true, true, true, false]);
  });

  test.each([
    [0.2, 5],
    [0.1, 10],
    [1 / 3, 3],
    [0.07, 100 / 7],
    [1, 1],
  ])('with a ratio of %d, one is paid for by %d requests', (ratio, requests) => {
    const budget = new RetryBudget(ratio, 100);
    taken(budget);
    for (let request = 1; request < Math.ceil(requests); request++) budget.request();
    expect(budget.take()).toBe(false);
    budget.request();
    expect([budget.take(), budget.take()]).toEqual([true, false]);
  });

  test('pays for several with one request when the ratio says so', () => {
    const budget = new RetryBudget(2.5, 100);
    taken(budget);
    budget.request();
    expect(taken(budget)).toBe(2);
    budget.request();
    expect(taken(budget)).toBe(3);
  });

  test('saves up no more than the burst', () => {
    const budget = new RetryBudget(0.5, 4);
    for (let request = 0; request < 1_000; request++) budget.request();
    expect(taken(budget)).toBe(4);
  });

  test('adds a share of the requests to an overload in which everything fails, not a multiple', () => {
    const budget = new RetryBudget(0.2, 100);
    let retries = 0;
    for (let request = 0; request < 10_000; request++) {
      budget.request();
      while (budget.take()) retries++;
    }
    // The first finds the budget full.
    expect(retries).toBeGreaterThanOrEqual(2_098);
    expect(retries).toBeLessThanOrEqual(2_100);
  });

  test('without a burst there are no retries, and without a ratio only those of the burst', () => {
    const none = new RetryBudget(10, 0);
    none.request();
    expect(none.take()).toBe(false);
    const once = new RetryBudget(0, 1);
    expect(once.take()).toBe(true);
    once.request();
    expect(once.take()).toBe(false);
  });
});
