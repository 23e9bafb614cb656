import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { turn } from './fakes.ts';
import { PoolSurroundings } from './poolFakes.ts';

let at: PoolSurroundings;
beforeEach(() => {
  at = new PoolSurroundings();
});
afterEach(() => at.pooling.stop());

const hour = 3_600_000;
const minute = 60_000;
const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `p${index}`);

describe('a pool closes', () => {
  it('what nobody uses, and says why', async () => {
    await at.start({ minConnections: 0, idleTimeoutMs: minute });
    at.connect('a');
    await at.pass(minute - 1_000);
    expect(at.closed).toEqual([]);
    await at.pass(2_000);
    expect(at.closed).toMatchObject([
      {
        connectionId: 'a-1',
        cause: { code: 'IDLE', message: expect.stringContaining('idleTimeoutMs is 60000') },
      },
    ]);
  });

  it('nothing that has a stream open, nor what had one within the time', async () => {
    await at.start({ minConnections: 0, idleTimeoutMs: minute });
    const connection = at.connect('a');
    connection.isInUse = true;
    await at.pass(5 * minute);
    expect(at.pooling.explain('a', true).protectedBy).toEqual(['inUse']);
    connection.isInUse = false;
    connection.lastUsedAt = at.clock.elapsed();
    at.pooling.wake();
    await at.pass(minute - 1_000);
    expect(at.closed).toEqual([]);
    await at.pass(2_000);
    expect(at.closings).toEqual(['a-1 IDLE']);
  });

  it('nothing that serves requests, nor did within the time', async () => {
    await at.start({ minConnections: 0, idleTimeoutMs: minute });
    at.connect('a');
    at.uses.set('a', { active: 1 });
    await at.pass(2 * minute);
    at.uses.set('a', { active: 0, lastUsedAt: at.clock.elapsed() });
    at.pooling.wake();
    await at.pass(minute - 1_000);
    expect(at.closed).toEqual([]);
    await at.pass(2_000);
    expect(at.closings).toEqual(['a-1 IDLE']);
  });

  it('as many as are beyond a lowered limit, those in use as soon as they are not', async () => {
    await at.start();
    const [first] = ['a', 'b', 'c'].map((peerId) => at.connect(peerId));
    for (const connections of at.open.values()) for (const one of connections) one.isInUse = true;
    at.limits = { ...at.limits, maxConnections: 2 };
    at.pooling.wake();
    await at.pass(3_000);
    expect(at.closed).toEqual([]);
    if (first !== undefined) first.isInUse = false;
    await at.pass(1_000);
    expect(at.closings).toEqual(['a-1 LIMIT']);
  });

  it('at once when it is set, and nothing any more when it is taken away', async () => {
    await at.start();
    at.connect('a');
    await at.pass(10 * minute);
    expect(at.closed).toEqual([]);
    const pool = {
      minConnections: 0,
      maxConnections: 5,
      idleTimeoutMs: minute,
      connectionTtlMs: hour,
      roles: {},
    };
    at.pooling.pool = pool;
    expect(at.closings).toEqual(['a-1 IDLE']);
    at.pooling.pool = undefined;
    expect(at.pooling.pool).toBeUndefined();
    at.connect('b');
    await at.pass(10 * minute);
    expect(at.closed).toHaveLength(1);
  });

  it('one by one all that are wanted no more, though they all ended in one moment', async () => {
    await at.start({ minConnections: 2, idleTimeoutMs: minute });
    for (const peerId of names(5)) at.connect(peerId);
    await at.pass(3 * minute);
    expect(at.open.size).toBe(2);
    expect(at.pooling.explain([...at.open.keys()][0] ?? '', true).protectedBy).toEqual(['minimum']);
  });
});

describe('a connection that is too old', () => {
  const pool = { minConnections: 0, connectionTtlMs: minute };

  it('is replaced before it is closed, when it is maintained', async () => {
    at.maintained.add('a');
    await at.start(pool);
    at.connect('a');
    await at.pass(minute);
    expect(at.dials).toMatchObject([{ peerId: 'a', isRenewal: true }]);
    expect(at.closed).toEqual([]);
    await at.dials[0]?.end();
    // A peer that refuses it says so within a round trip.
    await at.pass(1_000);
    expect(at.closed).toEqual([]);
    await at.pass(1_500);
    expect(at.closings).toEqual(['a-1 EXPIRED']);
    expect(at.open.get('a')?.map(({ id }) => id)).toEqual(['a-2']);
  });

  it('is closed within a second after it is not in use any more', async () => {
    await at.start(pool);
    const connection = at.connect('a');
    connection.isInUse = true;
    await at.pass(minute);
    await at.dials[0]?.end();
    await at.pass(10_000);
    expect(at.closed).toEqual([]);
    connection.isInUse = false;
    await at.pass(1_000);
    expect(at.closings).toEqual(['a-1 EXPIRED']);
  });

  it('stays while replacing it fails, which is tried more and more slowly', async () => {
    at.maintained.add('a');
    await at.start(pool);
    at.connect('a');
    const moments: number[] = [];
    for (let second = 0; second < 600; second++) {
      await at.pass(1_000);
      for (const dial of at.dials.slice(moments.length)) {
        moments.push(at.clock.elapsed());
        await dial.fail();
      }
    }
    const pauses = moments.slice(1).map((moment, index) => moment - (moments[index] ?? 0));
    expect(pauses.length).toBeGreaterThan(3);
    expect(pauses).toEqual(pauses.toSorted((a, b) => a - b));
    expect(pauses[0]).toBeGreaterThanOrEqual(10_000);
    expect(at.closed).toEqual([]);
  });

  it('is replaced four at a time', async () => {
    for (const peerId of names(6)) at.maintained.add(peerId);
    await at.start(pool);
    for (const peerId of names(6)) at.connect(peerId);
    await at.pass(minute);
    expect(at.dials).toHaveLength(4);
    for (const dial of [...at.dials]) await dial.end();
    await at.pass(1_000);
    expect(at.dials).toHaveLength(6);
  });

  it('does not become young when the wall clock is set back', async () => {
    at.clock.increment(hour);
    await at.start(pool);
    const connection = at.connect('a');
    await turn();
    at.pooling.explain('a', true);
    Object.assign(connection.info, { openedAt: 2 * hour });
    await at.pass(minute);
    expect(at.closings).toEqual(['a-1 EXPIRED']);
  });
});

describe('missing peers', () => {
  it('are dialled from those that are known, eight at a time', async () => {
    for (const peerId of names(20)) at.known.add(peerId);
    await at.start({ minConnections: 10 });
    expect(at.dials).toHaveLength(8);
    for (const dial of [...at.dials]) await dial.end();
    expect(at.dials).toHaveLength(10);
  });

  it('are dialled in place of those that did not answer', async () => {
    for (const peerId of names(3)) at.known.add(peerId);
    await at.start({ minConnections: 1 });
    await at.dials[0]?.fail();
    await at.dials[1]?.end();
    expect(new Set(at.dialled).size).toBe(2);
    expect(at.open.size).toBe(1);
    await at.pass(minute);
    expect(at.dials).toHaveLength(2);
  });

  it('are searched for a role of which nobody is known, and dialled where they were found', async () => {
    at.found = [{ peerId: 'e', addresses: ['/memory/e'] }];
    await at.start({ minConnections: 0, roles: { executor: 1 } });
    expect(at.searches).toEqual(['executor']);
    expect(at.dials).toMatchObject([{ peerId: 'e', addresses: ['/memory/e'], isRenewal: false }]);
    await at.dials[0]?.end();
    await at.pass(10_000);
    expect(at.pooling.explain('e', true).protectedBy).toEqual(['role']);
    expect(at.searches).toHaveLength(1);
  });

  it('are not this node, nor connected, nor of bad reputation, whatever a search finds', async () => {
    at.reputations.set('bad', -17);
    at.connect('there');
    at.found = ['m', 'there', 'bad', 'e', 'e'].map((peerId) => ({ peerId, addresses: [] }));
    await at.start({ minConnections: 0, roles: { executor: 2 } });
    expect(at.dialled).toEqual(['e']);
  });

  it('are searched for ten seconds at most', async () => {
    at.searching = new Promise(() => undefined);
    await at.start({ minConnections: 0, roles: { validator: 1 } });
    await at.pass(9_000);
    expect(at.searches).toHaveLength(1);
    await at.pass(4_000);
    expect(at.searches).toHaveLength(2);
  });

  it('are looked for more and more seldom while nobody is found', async () => {
    await at.start({ minConnections: 0, roles: { executor: 1 } });
    await at.pass(10 * minute);
    expect(at.searches.length).toBeGreaterThan(5);
    expect(at.searches.length).toBeLessThan(12);
    const before = at.searches.length;
    for (let second = 0; second < 60; second++) {
      const { id } = at.connect('flapping');
      await at.pass(1_000);
      at.lose('flapping', id);
    }
    expect(at.searches.length - before).toBeLessThanOrEqual(1);
  });

  it('that do not keep what they promise do not lead to ever more dials', async () => {
    at.found = names(100).map((peerId) => ({ peerId, addresses: [] }));
    await at.start({ minConnections: 0, roles: { executor: 2 } });
    for (let second = 0; second < 50; second++) {
      for (const dial of at.dials) if (!at.open.has(dial.peerId)) await dial.end();
      await at.pass(1_000);
    }
    expect(at.dials).toHaveLength(2);
  });

  it('that hang up at once are dialled no more often than one that never answers', async () => {
    at.known.add('a');
    await at.start({ minConnections: 1 });
    let ended = 0;
    for (let second = 0; second < 300; second++) {
      for (const dial of at.dials.slice(ended)) {
        await dial.end();
        at.lose('a', at.open.get('a')?.[0]?.id ?? '');
        ended++;
      }
      await at.pass(1_000);
    }
    expect(ended).toBeGreaterThanOrEqual(4);
    expect(ended).toBeLessThanOrEqual(6);
  });

  it('are dialled anew soon when they were connected for long', async () => {
    at.known.add('a');
    await at.start({ minConnections: 1 });
    await at.dials[0]?.end();
    await at.pass(5 * minute);
    at.lose('a', at.open.get('a')?.[0]?.id ?? '');
    await at.pass(2_000);
    expect(at.dials).toHaveLength(2);
  });

  it('that never answer are given up after half a minute', async () => {
    at.known.add('a');
    await at.start({ minConnections: 1 });
    await at.pass(31_000);
    expect(at.dials[0]?.signal.aborted).toBe(true);
    expect(at.logged).toEqual(['the pool could not dial a peer']);
  });
});

describe('the end', () => {
  it('of draining leaves no dial, and begins none', async () => {
    for (const peerId of names(20)) at.known.add(peerId);
    at.maintained.add('old');
    at.connect('old');
    await at.start({ minConnections: 10, connectionTtlMs: minute });
    at.pooling.drain();
    for (const { signal } of at.dials) expect(signal.aborted).toBe(true);
    const { length } = at.dials;
    await at.pass(5 * minute);
    expect(at.dials).toHaveLength(length);
  });

  it('of draining ends renewals too, and limits are kept all the same', async () => {
    at.maintained.add('a');
    at.connect('a');
    await at.start({ minConnections: 0, connectionTtlMs: minute });
    await at.pass(minute);
    at.pooling.drain();
    expect(at.dials[0]?.signal.aborted).toBe(true);
    at.connect('b');
    at.limits = { ...at.limits, maxConnections: 1 };
    at.pooling.wake();
    await at.pass(1_000);
    expect(at.closings).toEqual(['b-2 LIMIT']);
  });

  it('of the service leaves no timer and no dial', async () => {
    at.known.add('a');
    at.found = [{ peerId: 'e', addresses: [] }];
    await at.start({ minConnections: 1, roles: { executor: 1 } });
    at.pooling.stop();
    for (const { signal } of at.dials) expect(signal.aborted).toBe(true);
    const { length } = at.dials;
    await at.pass(5 * minute);
    at.pooling.wake();
    expect(at.dials).toHaveLength(length);
  });

  it('is followed by a new beginning when it is started again', async () => {
    await at.start({ minConnections: 1 });
    at.pooling.drain();
    at.pooling.stop();
    at.known.add('a');
    await at.start();
    expect(at.dialled).toEqual(['a']);
  });
});
