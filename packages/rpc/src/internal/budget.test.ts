import { expect, test } from 'vitest';
import { Refusal } from '../errors.ts';
import { Budget } from './budget.ts';

test('what is beyond a budget is refused as busy, and costs nothing', () => {
  const budget = new Budget(100);
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
