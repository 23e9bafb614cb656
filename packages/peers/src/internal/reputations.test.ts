import { describe, expect, it } from 'vitest';
import { peersDefaults } from '../config.ts';
import { scaleOf } from './reputation.ts';
import { Reputations } from './reputations.ts';

const { reputationHalfLifeMs: halfLifeMs, disconnectBelow } = peersDefaults;
const reputations = (limit: number): Reputations =>
  new Reputations({ ...scaleOf(peersDefaults), limit, disconnectBelow });
const kept = (points: number) => ({
  at: 0,
  facts: [{ fact: 'INVALID_MESSAGE' as const, count: 1, points, lastAt: 0 }],
});

function reportTimes(known: Reputations, peerId: string, times: number): void {
  for (let time = 0; time < times; time++) known.report(peerId, 'INVALID_MESSAGE', 0);
}

describe('reputations', () => {
  it('tell what a fact changed', () => {
    const known = reputations(2);
    expect(known.report('a', 'FLOOD', 0)).toEqual({ before: 0, after: -5 });
    expect(known.report('a', 'FLOOD', 0)).toEqual({ before: -5, after: -10 });
  });

  it('let the one go that says least when there are too many', () => {
    const known = reputations(3);
    for (const fact of ['INVALID_ANSWER', 'SERVED', 'FLOOD'] as const) known.report(fact, fact, 0);
    expect(known.report('new', 'SERVED', 0).gone).toBe('SERVED');
    expect(known.size).toBe(3);
  });

  it('keep bad names while strangers come in masses', () => {
    const known = reputations(100);
    for (let bad = 0; bad < 50; bad++) reportTimes(known, `bad ${bad}`, 3);
    for (let stranger = 0; stranger < 10_000; stranger++) known.report(`stranger ${stranger}`, 'FLOOD', 0);
    expect(known.size).toBe(100);
    for (let bad = 0; bad < 50; bad++) expect(known.get(`bad ${bad}`)?.valueAt(0)).toBe(-30);
  });

  it('let bad names go when there are no others', () => {
    const known = reputations(3);
    for (const [index, peerId] of ['a', 'b', 'c'].entries()) reportTimes(known, peerId, 3 + index);
    reportTimes(known, 'd', 3);
    expect(['a', 'b', 'c', 'd'].filter((peerId) => known.get(peerId) !== undefined)).toEqual(['b', 'c', 'd']);
  });

  it('protect a bad name only for as long as it is one', () => {
    const known = reputations(2);
    reportTimes(known, 'bad', 3);
    known.report('good', 'SERVED', 0);
    for (let time = 0; time < 29; time++) known.report('good', 'SERVED', 0);
    expect(known.sweep(2 * halfLifeMs)).toEqual([]);
    known.report('good', 'SERVED', 2 * halfLifeMs);
    expect(known.report('new', 'SERVED', 2 * halfLifeMs).gone).toBe('bad');
  });

  it('forget what has faded', () => {
    const known = reputations(10);
    known.report('a', 'SERVED', 0);
    reportTimes(known, 'b', 10);
    expect(known.sweep(5 * halfLifeMs)).toEqual(['a']);
    expect(known.sweep(30 * halfLifeMs)).toEqual(['b']);
    expect(known.size).toBe(0);
  });

  it('take what was kept, in its place among low and others, and never over what is known', () => {
    const known = reputations(2);
    known.report('a', 'SERVED', 0);
    expect(known.take('a', kept(-50), 0)).toBe(true);
    expect(known.get('a')?.valueAt(0)).toBe(1);
    expect(known.take('faded', kept(-0.01), 0)).toBe(false);
    expect(known.take('low', kept(-50), 0)).toBe(true);
    expect(known.take('more', kept(-50), 0)).toBe(false);
    expect(known.report('new', 'SERVED', 0).gone).toBe('a');
    known.delete('low');
    known.delete('new');
    expect(known.size).toBe(0);
  });
});
