import { expect, test } from 'vitest';
import { Refusal } from '../errors.ts';
import { Budget } from './budget.ts';

test('what is beyond a budget is refused as busy, and costs nothing', () => {
  const budget = new Budget(100);
  expect(budget.tryTake(101)).toBe(false);
  budget.take(60);
  budget.take(40);
  let refused: unknown;
  try {
    budget.take(1);
  } catch (error) {
    refused = error;
  }
  expect(refused).toBeInstanceOf(Refusal);
  expect(refused).toMatchObject({ code: 'BUSY', retryAfterMs: 1_000 });
  budget.take(0);
  budget.give(10);
  budget.take(10);
  expect(() => budget.take(1)).toThrow('too many large requests');
});

test('what others can spare is taken from them before anything is refused', () => {
  const spared = [30, 30];
  const budget: Budget = new Budget(100, {
    refusal: 'full',
    reclaim: () => {
      const bytes = spared.shift();
      if (bytes !== undefined) budget.give(bytes);
      return bytes !== undefined;
    },
  });
  budget.take(90);
  expect(budget.tryTake(35)).toBe(true);
  expect([budget.used, spared]).toEqual([95, [30]]);
  // It would not suffice if everybody gave all they have.
  expect(budget.tryTake(101)).toBe(false);
  expect(spared).toEqual([30]);
  expect(() => budget.take(70)).toThrow('full');
  expect([budget.used, spared]).toEqual([65, []]);
});
