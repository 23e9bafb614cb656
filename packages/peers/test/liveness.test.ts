import { describe, expect, it } from 'vitest';

import { Room, turn } from './livenessFakes.ts';

const minuteMs = 60_000;

describe('Liveness', () => {
  it('pings every connection once an interval, from within the first one on', async () => {
    const room = new Room();
    const opened = room.open(5);
    room.liveness.start();
    await room.pass(10 * minuteMs);
    for (const { pings } of opened) {
      expect(pings[0]?.at).toBeLessThanOrEqual(17_000);
      const pauses = pings.slice(1).map(({ at }, index) => at - (pings[index]?.at ?? 0));
      expect(Math.max(...pauses)).toBeLessThanOrEqual(16_000);
      expect(Math.min(...pauses)).toBeGreaterThanOrEqual(14_000);
      expect(pings.length).toBeGreaterThanOrEqual(39);
    }
    expect(room.dead).toEqual([]);
  });

  it('spreads the pings of hundreds of connections over the interval', async () => {
    const room = new Room();
    const opened = room.open(300);
    room.liveness.start();
    await room.pass(2 * minuteMs);
    const atOnce = new Map<number, number>();
    for (const { at } of opened.flatMap(({ pings }) => pings)) atOnce.set(at, (atOnce.get(at) ?? 0) + 1);
    expect(Math.max(...atOnce.values())).toBeLessThanOrEqual(32);
    for (const { pings } of opened) expect(pings.length).toBeGreaterThanOrEqual(7);
  });

  it('reaches all of thousands of connections within an interval', async () => {
    const room = new Room();
    const opened = room.open(5_000);
    room.liveness.start();
    await room.stall(20_000);
    await room.pass(16_000);
    expect(opened.filter(({ pings }) => pings.length === 0)).toEqual([]);
  });

  it('finds a peer dead within a minute when it stops answering, whenever that is', async () => {
    for (let offset = 0; offset < 16_000; offset += 1_700) {
      const room = new Room();
      const [silent, alive] = room.open(2);
      room.liveness.start();
      await room.pass(minuteMs + offset);
      const silentAt = room.clock.now();
      silent!.mood = 'waits';
      await room.pass(minuteMs);
      expect(room.dead).toMatchObject([{ id: silent?.id, cause: { code: 'TIMEOUT' } }]);
      expect(room.dead[0]!.at - silentAt).toBeGreaterThan(30_000);
      expect(alive?.isOpen).toBe(true);
    }
  });

  it('tells how long nothing was heard, and what failed', async () => {
    const room = new Room({ maxMissedPings: 2 });
    const [silent] = room.open();
    room.liveness.start();
    await room.pass(minuteMs);
    silent!.mood = 'waits';
    await room.pass(minuteMs);
    expect(room.dead[0]?.cause.message).toMatch(
      /^2 pings in a row failed, nothing was heard for \d{5} ms: no answer within 10000 ms$/,
    );
  });

  it('lets a peer live that is busy for ten seconds, and again after it has answered', async () => {
    const room = new Room();
    const [busy] = room.open();
    room.liveness.start();
    for (let count = 0; count < 20; count += 1) {
      busy!.mood = 'waits';
      await room.pass(10_000);
      busy!.mood = 'answers';
      for (const { answer } of busy!.pings) answer();
      await room.pass(16_000);
    }
    expect(room.dead).toEqual([]);
  });

  it('takes other failures of a ping for misses as well', async () => {
    const room = new Room();
    const [broken] = room.open();
    broken!.mood = 'fails';
    room.liveness.start();
    await room.pass(minuteMs);
    expect(room.dead).toHaveLength(1);
    expect(room.dead[0]?.cause.message).toContain('it cannot be');
    expect(broken?.pings.length).toBe(3);
  });

  it('says nothing of a connection that has ended, and forgets it', async () => {
    const room = new Room({ maxMissedPings: 1 });
    const [closes, goes] = room.open(2);
    closes!.mood = 'waits';
    goes!.mood = 'waits';
    room.liveness.start();
    await room.pass(12_000);
    expect([closes!.underWay, goes!.underWay]).toEqual([1, 1]);
    closes!.isOpen = false;
    closes!.pings[0]!.fail(new Error('closed'));
    room.connections.pop();
    await room.pass(minuteMs);
    expect(room.dead).toEqual([]);
    expect(goes!.underWay).toBe(0);
  });

  it('counts no miss against a peer while this program itself was stuck', async () => {
    const room = new Room({ maxMissedPings: 1 });
    const [peer] = room.open();
    peer!.mood = 'waits';
    room.liveness.start();
    while (peer!.underWay === 0) await room.pass(100);
    await room.stall(30_000);
    const [first] = peer!.pings;
    expect(first?.signal.aborted).toBe(false);
    await room.pass(12_000);
    expect(first?.signal.aborted).toBe(true);
    expect(room.dead).toEqual([]);
  });

  it('reads an answer that has waited meanwhile', async () => {
    const room = new Room({ maxMissedPings: 2 });
    const [peer] = room.open();
    peer!.mood = 'waits';
    room.liveness.start();
    await room.pass(16_000 + 10_000);
    expect(peer!.pings.length).toBe(2);
    await room.stall(30_000);
    peer!.pings[1]!.answer();
    await room.pass(24_000);
    expect(room.dead).toEqual([]);
  });

  it('counts the misses after that', async () => {
    const room = new Room({ maxMissedPings: 1 });
    const [peer] = room.open();
    peer!.mood = 'waits';
    room.liveness.start();
    await room.stall(30_000);
    await room.pass(minuteMs);
    expect(room.dead).toHaveLength(1);
  });

  it('has one ping under way on a connection at most, even when answers may take longer than the interval', async () => {
    const room = new Room({ pingIntervalMs: 1_000, pingTimeoutMs: 5_000 });
    const [slow] = room.open();
    slow!.mood = 'waits';
    room.liveness.start();
    for (let count = 0; count < 40; count += 1) {
      await room.pass(100);
      expect(slow!.underWay).toBeLessThanOrEqual(1);
    }
  });

  it('goes on when a ping does not even end when it is told to', async () => {
    const room = new Room();
    const [stuck] = room.open();
    stuck!.mood = 'ignores';
    room.liveness.start();
    await room.pass(minuteMs + 16_000);
    expect(room.dead).toHaveLength(1);
  });

  it('tells again of a connection that could not be closed', async () => {
    const room = new Room();
    room.onDead = () => {
      throw new Error('not now');
    };
    const [stuck] = room.open();
    stuck!.mood = 'waits';
    room.liveness.start();
    await room.pass(3 * minuteMs);
    expect(room.dead.length).toBeGreaterThanOrEqual(2);
    expect(room.logged.length).toBe(room.dead.length);
  });

  it('leaves nothing behind when it stops, and can start again', async () => {
    const room = new Room();
    const [peer] = room.open();
    peer!.mood = 'waits';
    room.liveness.start();
    room.liveness.start();
    expect(room.timers.size).toBe(1);
    await room.pass(16_000);
    expect(peer!.underWay).toBe(1);
    room.liveness.stop();
    expect(room.timers.size).toBe(0);
    expect(peer!.underWay).toBe(0);
    await turn();
    const before = peer!.pings.length;
    await room.pass(minuteMs);
    expect(peer!.pings.length).toBe(before);
    room.liveness.start();
    await room.pass(minuteMs + 16_000);
    expect(room.dead).toHaveLength(1);
    room.liveness.stop();
    expect(room.timers.size).toBe(0);
  });

  it('does nothing when it is switched off', async () => {
    const room = new Room({ pingIntervalMs: 0 });
    const [peer] = room.open();
    room.liveness.start();
    await room.pass(minuteMs);
    expect(peer!.pings).toEqual([]);
    expect(room.timers.size).toBe(0);
  });
});
