import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { draw, retryDelay, spread } from './retryDelay.ts';

const policy = { retryDelayMs: 1_000, maxRetryDelayMs: 30_000 };
const chance = fc.double({ min: 0, max: 1, noNaN: true });

describe('retryDelay', () => {
  it('doubles up to the maximum', () => {
    const delays = [1, 2, 3, 4, 5, 6, 100, 10_000].map((attempt) => retryDelay(policy, attempt, 0.5));
    expect(delays).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  });

  it('stays within a tenth and the maximum', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), chance, (attempt, drawn) => {
        const nominal = Math.min(30_000, 1_000 * 2 ** (attempt - 1));
        const delay = retryDelay(policy, attempt, drawn);
        expect(delay).toBeGreaterThanOrEqual(nominal * 0.9 - 1);
        expect(delay).toBeLessThanOrEqual(Math.min(30_000, nominal * 1.1 + 1));
      }),
    );
  });
});

describe('spread', () => {
  it('is a whole number of at least 1, within a tenth', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 86_400_000 }), chance, (delay, drawn) => {
        const result = spread(delay, drawn);
        expect(Number.isSafeInteger(result)).toBe(true);
        expect(result).toBeGreaterThanOrEqual(1);
        expect(Math.abs(result - delay)).toBeLessThanOrEqual(delay * 0.1 + 1);
      }),
    );
  });
});

describe('draw', () => {
  it('gives the same series for the same seed', () => {
    const series = (first: number): number[] => {
      const chances: number[] = [];
      for (let next = draw(first); chances.length < 5; next = draw(next.seed)) chances.push(next.chance);
      return chances;
    };
    expect(series(1)).toEqual(series(1));
    expect(series(1)).not.toEqual(series(2));
    expect(new Set(series(1)).size).toBe(5);
  });

  it('stays from 0 up to 1', () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 31), max: 2 ** 32 - 1 }), (seed) => {
        const drawn = draw(seed).chance;
        expect(drawn >= 0 && drawn < 1).toBe(true);
      }),
    );
  });
});
