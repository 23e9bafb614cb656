import { fc } from '@fast-check/vitest';
import { describe, expect, it } from 'vitest';

import { isSurplus, surplusToClose, type ConnectionRule, type HeldConnection } from './connectionPlan.ts';

const connection = (id: string, more: Partial<HeldConnection> = {}): HeldConnection => ({
  id,
  direction: 'outbound',
  relayed: false,
  openedAt: 0,
  knownSince: 0,
  isInUse: false,
  ...more,
});

/** Node A has the smaller id, so the connection that A dialled stays. */
const ofA = { limit: 1, now: 0, selfPeerId: 'A', remotePeerId: 'B' };
const ofB = { limit: 1, now: 0, selfPeerId: 'B', remotePeerId: 'A' };
/** When what was known from the beginning is not new any more. */
const later = { now: 5_000 };
const isNew = { knownSince: later.now };
const isInUse = { isInUse: true };

/** What is closed at once when another one has come. */
const surplusOf = (held: readonly HeldConnection[], rule: ConnectionRule): string[] =>
  surplusToClose(held, rule, { another: true });

describe('surplusToClose()', () => {
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
    const held = [connection('a'), connection('b', isInUse)];
    expect(surplusOf(held, { ...ofA, limit: 0 })).toEqual(['a', 'b']);
  });

  it('closes one of two that cross also when it is in use, the same on both sides', () => {
    const [byA, byB] = [connection('byA', isInUse), connection('byB', { ...isInUse, direction: 'inbound' })];
    expect(surplusOf([byA, byB], { ...ofA, now: 4_999 })).toEqual(['byB']);
  });

  it('leaves one that was there before, in use or not, and closes what has come', () => {
    for (const use of [isInUse, {}]) {
      const old = connection('old', { ...use, direction: 'inbound' });
      expect(surplusOf([old, connection('new', { ...isNew, ...isInUse })], { ...ofA, ...later })).toEqual([
        'new',
      ]);
    }
  });

  it('closes what is not in use first, and nothing that is', () => {
    const held = [connection('a'), connection('b', { ...isInUse, openedAt: 1 }), connection('c', isInUse)];
    const rule = { ...ofA, ...later };
    expect(surplusToClose(held, rule, { another: false })).toEqual(['a']);
    expect(surplusToClose(held, { ...rule, limit: 2 }, { another: false })).toEqual(['a']);
    expect(surplusToClose(held, { ...rule, limit: 0 }, { another: false })).toHaveLength(3);
    // Those that cross are settled when the second one comes.
    expect(surplusToClose(held, ofA, { another: false })).toEqual([]);
  });

  it('leaves a relayed one that is in use beside the direct one that has come', () => {
    const relayed = connection('relayed', { relayed: true, ...isInUse });
    expect(surplusOf([relayed, connection('direct', isNew)], { ...ofA, ...later })).toEqual([]);
  });

  it('leaves a new relayed one that is in use when a direct one comes in the same moment', () => {
    const relayed = connection('relayed', { relayed: true, ...isInUse });
    expect(surplusOf([relayed, connection('direct')], ofA)).toEqual([]);
    expect(surplusOf([{ ...relayed, isInUse: false }, connection('direct')], ofA)).toEqual(['relayed']);
  });

  const dials = fc.uniqueArray(
    fc.record({
      id: fc.nat().map(String),
      byA: fc.boolean(),
      usedByA: fc.boolean(),
      usedByB: fc.boolean(),
      relayed: fc.boolean(),
      openedAt: fc.nat({ max: 1_000 }),
    }),
    { selector: ({ id }) => id, maxLength: 8 },
  );

  it('closes the same ones on both sides', () => {
    const property = fc.property(dials, fc.integer({ min: 1, max: 4 }), (all, limit) => {
      const seenBy = (isA: boolean): HeldConnection[] =>
        all.map(({ byA, usedByA, usedByB, ...rest }) => ({
          ...rest,
          direction: byA === isA ? 'outbound' : 'inbound',
          // Relayed ones that are in use stay.
          isInUse: !rest.relayed && (isA ? usedByA : usedByB),
          knownSince: 0,
        }));
      const closedByA = surplusOf(seenBy(true), { ...ofA, limit });
      const closedByB = surplusOf(seenBy(false), { ...ofB, limit });
      expect(closedByA.toSorted()).toEqual(closedByB.toSorted());
      expect(closedByA).toHaveLength(Math.max(0, all.length - limit));
    });
    fc.assert(property);
  });

  it('leaves what was there before to both sides, whatever comes and whoever uses what', () => {
    const property = fc.property(dials, fc.integer({ min: 1, max: 4 }), (all, limit) => {
      const before = all.filter(({ relayed }) => !relayed).slice(0, limit);
      for (const isA of [true, false]) {
        const held = all.map(({ byA, usedByA, usedByB, ...one }) =>
          connection(one.id, {
            ...one,
            direction: byA === isA ? 'outbound' : 'inbound',
            isInUse: isA ? usedByA : usedByB,
            knownSince: before.some(({ id }) => id === one.id) ? 0 : later.now,
          }),
        );
        const closed = surplusOf(held, { ...(isA ? ofA : ofB), ...later, limit });
        expect(before.filter(({ id }) => closed.includes(id))).toEqual([]);
      }
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

  it('refuses one beside what was there before, unless that is relayed', () => {
    const rule = { ...ofB, ...later };
    const newcomer = { direction: 'inbound', relayed: false } as const;
    expect(isSurplus(newcomer, [connection('a')], rule)).toBe(true);
    expect(isSurplus(newcomer, [connection('a', { relayed: true, ...isInUse })], rule)).toBe(false);
  });

  it('admits any within the limit and none when none may stay', () => {
    const inbound = { direction: 'inbound', relayed: false } as const;
    expect(isSurplus(inbound, [], ofA)).toBe(false);
    expect(isSurplus(inbound, [], { ...ofA, limit: 0 })).toBe(true);
  });
});
