import { describe, expect, it } from 'vitest';
import { DialBudget } from './dialBudget.ts';

describe('what strangers have sent to one host', () => {
  it('is sixteen dials in half a minute, whoever asks', () => {
    const budget = new DialBudget();
    const taken = Array.from({ length: 20 }, (_, index) => budget.take('10.7.0.1', index));
    expect(taken.filter(Boolean)).toHaveLength(16);
    expect(budget.take('10.7.0.2', 20)).toBe(true);
    expect(budget.take('10.7.0.1', 29_999)).toBe(false);
    expect(budget.take('10.7.0.1', 30_000)).toBe(true);
    expect(budget.take('10.7.0.1', 30_000)).toBe(false);
  });

  it('is counted for all addresses of IPv6 that one subscriber has', () => {
    const budget = new DialBudget();
    const taken = Array.from({ length: 20 }, (_, index) => budget.take(`2001:db8:0:1::${index + 1}`, 0));
    expect(taken.filter(Boolean)).toHaveLength(16);
    expect(budget.take('2001:db8:0:2::1', 0)).toBe(true);
  });

  it('is remembered of so many hosts', () => {
    const budget = new DialBudget();
    for (let host = 0; host < 5_000; host++) budget.take(`10.7.${host >> 8}.${host & 255}`, 0);
    expect(budget.size).toBe(2_048);
  });
});
