import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { systemClock, systemRandom } from './index.ts';

describe('systemClock', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const day = 86_400_000;

  test.for([1, 30_000, day, 30 * day, 400 * day])('calls once, %i ms from now', (ms) => {
    const fn = vi.fn<() => void>();
    systemClock.setTimeout(fn, ms);
    vi.advanceTimersByTime(Math.max(0, ms - 1));
    expect(fn).toHaveBeenCalledTimes(0);
    vi.advanceTimersByTime(1);
    expect(fn).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(1_000 * day);
    expect(fn).toHaveBeenCalledTimes(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  test.for([10, 30 * day])('does not call what was dropped, of %i ms', (ms) => {
    const fn = vi.fn<() => void>();
    const id = systemClock.setTimeout(fn, ms);
    vi.advanceTimersByTime(ms - 1);
    systemClock.clearTimeout(id);
    vi.advanceTimersByTime(10 * day);
    expect(fn).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });

  test('never calls what waits for ever', () => {
    const fn = vi.fn<() => void>();
    const id = systemClock.setTimeout(fn, Number.POSITIVE_INFINITY);
    vi.advanceTimersByTime(1_000 * day);
    expect(fn).not.toHaveBeenCalled();
    systemClock.clearTimeout(id);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('takes nothing for a timer without harm', () => {
    expect(() => systemClock.clearTimeout(undefined)).not.toThrow();
  });

  test('tells the time of the machine, and one that never goes back', () => {
    vi.setSystemTime(1_717_171_717_171);
    expect(systemClock.now()).toBe(1_717_171_717_171);
    const before = systemClock.elapsed();
    vi.setSystemTime(0);
    expect(systemClock.elapsed()).toBeGreaterThanOrEqual(before);
  });
});

describe('systemRandom', () => {
  test('gives as many bytes as are asked for, different ones each time', () => {
    expect(systemRandom.bytes(0)).toHaveLength(0);
    const [first, second] = [systemRandom.bytes(32), systemRandom.bytes(32)];
    expect(first).toHaveLength(32);
    expect(first).not.toEqual(second);
  });

  test('gives numbers from 0 up to 1', () => {
    const numbers = Array.from({ length: 100 }, () => systemRandom.float());
    expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true);
    expect(new Set(numbers).size).toBeGreaterThan(90);
  });
});
