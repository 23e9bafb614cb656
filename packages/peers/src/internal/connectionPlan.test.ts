import { fc } from '@fast-check/vitest';
import { describe, expect, it } from 'vitest';

import { isSurplus, surplusOf, type HeldConnection } from './connectionPlan.ts';

const connection = (id: string, more: Partial<HeldConnection> = {}): HeldConnection => ({
  id,
  direction: 'outbound',
  relayed: false,
  openedAt: 0,
  ...more,
});

/** Node A has the smaller id, so the connection that A dialled stays. */
const ofA = { limit: 1, selfPeerId: 'A', remotePeerId: 'B' };
const ofB = { limit: 1, selfPeerId: 'B', remotePeerId: 'A' };

describe('surplusOf()', () => {
  it('leaves connections within the limit alone', () => {
    expect(surplusOf([connection('a'), connection('b')], { ...ofA, limit: 2 })).toEqual([]);
  });

  it('keeps the one that the smaller id dialled, on both sides', () => {
    const dialledByA = { openedAt: 2 };
    const dialledByB = { openedAt: 1 };
    expect(
      surplusOf([connection('1', dialledByA), connection('2', { ...dialledByB, direction: 'inbound' })], ofA),
    ).toEqual(['2']);
    expect(
      surplusOf([connection('1', { ...dialledByA, direction: 'inbound' }), connection('2', dialledByB)], ofB),
    ).toEqual(['2']);
  });

  it('keeps a direct one before a relayed one', () => {
    const relayed = connection('relayed', { relayed: true });
    const direct = connection('direct', { direction: 'inbound', openedAt: 9 });
    expect(surplusOf([relayed, direct], ofA)).toEqual(['relayed']);
  });

  it('keeps the older of two that are alike', () => {
    expect(surplusOf([connection('new', { openedAt: 2 }), connection('old', { openedAt: 1 })], ofA)).toEqual([
      'new',
    ]);
  });

  it('closes all when none may stay', () => {
    expect(surplusOf([connection('a'), connection('b')], { ...ofA, limit: 0 })).toEqual(['a', 'b']);
  });

  const dials = fc.uniqueArray(
    fc.record({
      id: fc.nat().map(String),
      byA: fc.boolean(),
      relayed: fc.boolean(),
      openedAt: fc.nat({ max: 1_000 }),
    }),
    { selector: ({ id }) => id, maxLength: 8 },
  );

  it('closes the same ones on both sides', () => {
    const property = fc.property(dials, fc.integer({ min: 1, max: 4 }), (all, limit) => {
      const seenBy = (isA: boolean): HeldConnection[] =>
        all.map(({ byA, ...rest }) => ({ ...rest, direction: byA === isA ? 'outbound' : 'inbound' }));
      const closedByA = surplusOf(seenBy(true), { ...ofA, limit });
      const closedByB = surplusOf(seenBy(false), { ...ofB, limit });
      expect(closedByA.toSorted()).toEqual(closedByB.toSorted());
      expect(closedByA).toHaveLength(Math.max(0, all.length - limit));
    });
    fc.assert(property);
  });
});

describe('isSurplus()', () => {
  it('refuses the one that would be closed at once', () => {
    expect(isSurplus({ direction: 'outbound', relayed: false }, [connection('a')], ofA)).toBe(true);
    expect(isSurplus({ direction: 'inbound', relayed: false }, [connection('a')], ofA)).toBe(true);
  });

  it('admits the one that takes the place of another', () => {
    expect(isSurplus({ direction: 'inbound', relayed: false }, [connection('a')], ofB)).toBe(false);
    expect(
      isSurplus({ direction: 'inbound', relayed: false }, [connection('a', { relayed: true })], ofA),
    ).toBe(false);
  });

  it('admits any within the limit and none when none may stay', () => {
    const inbound = { direction: 'inbound', relayed: false } as const;
    expect(isSurplus(inbound, [], ofA)).toBe(false);
    expect(isSurplus(inbound, [], { ...ofA, limit: 0 })).toBe(true);
  });
});
