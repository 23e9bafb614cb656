import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { fakeNodes } from './fakeNode.ts';
import { larger, smaller, turn } from './fakes.ts';
import { PoolSurroundings } from './poolFakes.ts';

const { createNode } = fakeNodes();

describe('a pool', () => {
  let at: PoolSurroundings;
  beforeEach(() => {
    at = new PoolSurroundings();
  });
  afterEach(() => at.pooling.stop());
  const minute = 60_000;

  it('closes a peer that comes back whenever it was idle less and less often', async () => {
    await at.start({ minConnections: 0, idleTimeoutMs: minute });
    const closedAt: number[] = [];
    for (let passed = 0; passed < 32; passed++) {
      if (!at.open.has('a')) at.connect('a');
      const before = at.closed.length;
      await at.pass(minute + 1_000);
      if (at.closed.length > before) closedAt.push(passed);
    }
    expect(closedAt).toEqual([0, 2, 6, 14, 30]);
  });

  it('lets whoever is dialled beyond its maximum do what it was dialled for, each time for longer', async () => {
    await at.start({ minConnections: 0, maxConnections: 1, idleTimeoutMs: 60 * minute });
    at.values.set('b', 1);
    at.connect('b');
    const lasted: number[] = [];
    for (let times = 0; times < 8; times++) {
      const { id } = at.connect('a');
      let seconds = 0;
      for (; at.open.has('a'); seconds++) await at.pass(1_000);
      expect(at.closings.at(-1)).toBe(`${id} LIMIT`);
      lasted.push(seconds);
    }
    expect(lasted).toEqual([15, 30, 60, 120, 240, 480, 960, 960]);
    expect(at.open.has('b')).toBe(true);
  });

  it('that is full keeps an old connection when its successor is refused a second later', async () => {
    at.maintained.add('a');
    await at.start({ minConnections: 0, maxConnections: 1, connectionTtlMs: minute });
    const old = at.connect('a');
    await at.pass(minute);
    await at.dials[0]?.end();
    await at.pass(1_000);
    expect(at.closed).toEqual([]);
    at.lose('a', 'a-2');
    await at.pass(5_000);
    expect([at.closed, at.open.get('a')]).toEqual([[], [old]]);
  });

  it('keeps whom a service needs, until it does not', async () => {
    at.needed.add('a');
    await at.start({ minConnections: 0, idleTimeoutMs: minute });
    at.connect('a');
    await at.pass(5 * minute);
    expect([at.closed, at.pooling.explain('a', true)]).toEqual([[], { protectedBy: ['needed'], pool: {} }]);
    at.needed.delete('a');
    await at.pass(minute);
    expect(at.closings).toEqual(['a-1 IDLE']);
    expect(at.pooling.explain('a', false)).toEqual({ protectedBy: [], pool: { dial: 'enough' } });
  });

  it('closes first of whom other services hold least', async () => {
    await at.start({ minConnections: 0 });
    for (const [peerId, value] of Object.entries({ a: 1, b: 0, c: 100 })) {
      at.values.set(peerId, value);
      at.connect(peerId);
    }
    at.limits = { ...at.limits, maxConnections: 1 };
    at.pooling.wake();
    await at.pass(1_000);
    expect(at.closings).toEqual(['b-2 LIMIT', 'a-1 LIMIT']);
  });
});

describe('the service', () => {
  it('tells what the pool makes of a peer', () => {
    const { peers } = createNode();
    expect(peers.explainPeer(larger)).not.toHaveProperty('pool');
    peers.setConnectionPool({ minConnections: 1 });
    expect(peers.explainPeer(larger)).toMatchObject({ pool: { dial: 'wanted' } });
    expect(peers.explainPeer(larger).text).toContain('the pool may dial it, for want of peers');
  });

  it('remembers what other services hold of a peer while it says who it is', async () => {
    const { clock, network, peers, toldOf } = createNode();
    network.record({ peerId: larger, addresses: [], protocols: [], value: 100 });
    network.record({ peerId: smaller, addresses: [], protocols: [], value: 50 });
    network.record({ peerId: larger, addresses: [], protocols: ['/a'] });
    for (const peerId of [smaller, larger]) network.open(peerId);
    peers.setConnectionLimits({ maxConnections: 1 });
    clock.increment(100);
    await turn();
    expect(toldOf('connection:closed')).toMatchObject([{ peerId: smaller, cause: { code: 'LIMIT' } }]);
  });
});
