import { fc } from '@fast-check/vitest';
import { describe, expect, it } from 'vitest';

import { redialDelay } from './redialDelay.ts';

const policy = { redialMinDelayMs: 5_000, redialMaxDelayMs: 300_000 };

describe('redialDelay()', () => {
  it('doubles with each failure after the first, up to the maximum', () => {
    const delays = [0, 1, 2, 3, 4, 5, 6, 7, 8, 1_000].map((failures) => redialDelay(policy, failures, 0.5));
    expect(delays).toEqual([
      5_000, 5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 262_500, 262_500, 262_500,
    ]);
  });

  it('leaves a quarter to chance', () => {
    expect([0, 1].map((chance) => redialDelay(policy, 2, chance))).toEqual([7_500, 12_500]);
    expect([0, 1].map((chance) => redialDelay(policy, 99, chance))).toEqual([225_000, 300_000]);
  });

  it('stays between 1 ms and the maximum', () => {
    const bounds = fc.record({
      redialMinDelayMs: fc.integer({ min: 1 }),
      redialMaxDelayMs: fc.integer({ min: 1 }),
    });
    const chance = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(bounds, fc.nat(), chance, (given, failures, drawn) => {
        const delay = redialDelay(given, failures, drawn);
        expect(delay).toBeGreaterThanOrEqual(1);
        expect(delay).toBeLessThanOrEqual(given.redialMaxDelayMs);
      }),
    );
  });
});
