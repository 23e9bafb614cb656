import { fc } from '@fast-check/vitest';
import { describe, expect, it } from 'vitest';
import { peersDefaults } from '../config.ts';
import type { PeerFact } from '../types.ts';
import { factsText, factWeights, Reputation, scaleOf, signed } from './reputation.ts';

const halfLifeMs = peersDefaults.reputationHalfLifeMs;
const scale = scaleOf(peersDefaults);
const all = Object.keys(factWeights) as PeerFact[];

function reported(facts: readonly PeerFact[], nowMs = 0): Reputation {
  const reputation = new Reputation(scale, nowMs);
  for (const fact of facts) reputation.report(fact, nowMs);
  return reputation;
}

const times = (count: number, fact: PeerFact): PeerFact[] => Array.from({ length: count }, () => fact);

describe('a reputation', () => {
  it('is 0 of whom nothing is known, and fades by half in a half-life', () => {
    expect(new Reputation(scale, 0).valueAt(0)).toBe(0);
    const reputation = reported(['INVALID_MESSAGE']);
    expect(reputation.valueAt(0)).toBe(-10);
    expect(reputation.valueAt(halfLifeMs)).toBeCloseTo(-5);
    expect(reputation.valueAt(2 * halfLifeMs)).toBeCloseTo(-2.5);
  });

  it('fades the same however often one looks', () => {
    const reputation = reported(['INVALID_MESSAGE', 'SERVED']);
    for (let atMs = 0; atMs <= halfLifeMs; atMs += halfLifeMs / 64) reputation.fade(atMs);
    expect(reputation.valueAt(halfLifeMs)).toBeCloseTo(-4.5);
  });

  it('never leads failures below -15, and failures do not hide violations', () => {
    expect(reported(times(1_000, 'REQUEST_FAILED')).valueAt(0)).toBe(-15);
    const both = [...times(50, 'REQUEST_FAILED'), ...times(50, 'UNREACHABLE')];
    expect(reported(both).valueAt(0)).toBe(-15);
    expect(reported([...both, 'PROTOCOL_VIOLATION']).valueAt(0)).toBe(-35);
  });

  it('ends where failures would reach a threshold that is higher than -15', () => {
    const careful = new Reputation(scaleOf({ ...peersDefaults, disconnectBelow: -5, banBelow: -9 }), 0);
    for (const fact of times(100, 'UNREACHABLE')) careful.report(fact, 0);
    expect(careful.valueAt(0)).toBe(-5);
  });

  it('is bought by good service up to 30 only', () => {
    const servant = reported(times(10_000, 'SERVED'));
    expect(servant.valueAt(0)).toBe(30);
    for (const fact of times(4, 'PROTOCOL_VIOLATION')) servant.report(fact, 0);
    expect(servant.valueAt(0)).toBe(-50);
  });

  it('is not worse for what went beyond the end of the scale', () => {
    const worst = reported(times(1_000, 'PROTOCOL_VIOLATION'));
    expect(worst.valueAt(0)).toBe(-100);
    expect(worst.valueAt(halfLifeMs)).toBeCloseTo(-50);
    expect(worst.factsAt(0)).toMatchObject([{ count: 1_000 }]);
  });

  it('does not grow when the clock is set back, and fades on from there', () => {
    const reputation = reported(['INVALID_MESSAGE'], 10 * halfLifeMs);
    expect(reputation.valueAt(0)).toBe(-10);
    reputation.fade(0);
    expect(reputation.valueAt(halfLifeMs)).toBeCloseTo(-5);
  });

  it('says what it is made of, the weightiest first', () => {
    const reputation = reported(['FLOOD', 'SERVED', 'INVALID_ANSWER', 'FLOOD']);
    expect(reputation.factsAt(0)).toEqual([
      { fact: 'INVALID_ANSWER', count: 1, points: -20, lastAt: 0 },
      { fact: 'FLOOD', count: 2, points: -10, lastAt: 0 },
      { fact: 'SERVED', count: 1, points: 1, lastAt: 0 },
    ]);
    expect(factsText(reputation.factsAt(0))).toBe('INVALID_ANSWER 1x (-20), FLOOD 2x (-10), SERVED 1x (+1)');
  });

  it('is forgotten when hardly anything is left', () => {
    const reputation = reported(['SERVED', 'REQUEST_FAILED']);
    expect(reputation.isForgottenAt(5 * halfLifeMs)).toBe(false);
    expect(reputation.isForgottenAt(6 * halfLifeMs)).toBe(true);
  });

  it('goes on as it was kept, within its bounds, with the time between', () => {
    const before = reported(['INVALID_ANSWER', 'SERVED', ...times(20, 'UNREACHABLE')]);
    const kept = { at: 0, facts: before.factsAt(0) };
    const after = Reputation.from(kept, scale, halfLifeMs);
    expect(after.valueAt(halfLifeMs)).toBeCloseTo(before.valueAt(halfLifeMs));
    const tampered = [{ fact: 'SERVED' as const, count: 1, points: 1_000, lastAt: 0 }];
    expect(Reputation.from({ at: 0, facts: tampered }, scale, 0).valueAt(0)).toBe(30);
    const upsideDown = [{ fact: 'FLOOD' as const, count: 1, points: 50, lastAt: 0 }];
    expect(Reputation.from({ at: 0, facts: upsideDown }, scale, 0).valueAt(0)).toBe(0);
    const ahead = Reputation.from({ ...kept, at: 99 * halfLifeMs }, scale, 0);
    expect(ahead.valueAt(halfLifeMs)).toBeCloseTo(before.valueAt(halfLifeMs));
  });

  it('stays within its bounds whatever is reported whenever, and is never raised by time alone', () => {
    const step = fc.record({
      fact: fc.constantFrom(...all),
      waitMs: fc.integer({ min: -halfLifeMs, max: halfLifeMs }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const reputation = new Reputation(scale, 0);
        let nowMs = 0;
        for (const { fact, waitMs } of steps) {
          const before = Math.abs(reputation.valueAt(nowMs));
          nowMs += waitMs;
          expect(Math.abs(reputation.valueAt(nowMs))).toBeLessThanOrEqual(before + 1e-9);
          reputation.report(fact, nowMs);
          const value = reputation.valueAt(nowMs);
          expect(value).toBeGreaterThanOrEqual(-100);
          expect(value).toBeLessThanOrEqual(30);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('is told with its sign and one digit', () => {
    expect([-0.04, 0, 0.06, 12.34, -20].map(signed)).toEqual(['0', '0', '+0.1', '+12.3', '-20']);
  });
});
