import { describe, expect, it } from 'vitest';

import { codeOf, fakeNodes } from './fakeNode.ts';
import { candidateOf, FakeClock, FakeStore, larger, smaller, turn } from './fakes.ts';
import { createUnknownPeerId } from './nodes.ts';

const { createNode, prepareNode } = fakeNodes();
const hourMs = 3_600_000;

/** A clock whose wall time somebody sets. */
class SetClock extends FakeClock {
  ahead = 1_000_000_000_000;
  readonly #time = new FakeClock();

  override now(): number {
    return this.elapsed() + this.ahead;
  }

  override elapsed(): number {
    return this.#time.now();
  }

  override setTimeout(fn: () => void, ms: number): number {
    return this.#time.setTimeout(fn, ms);
  }

  override clearTimeout(id: number): void {
    this.#time.clearTimeout(id);
  }

  override increment(ms: number): void {
    this.#time.increment(ms);
  }
}

/** A store that holds something of everything, and whose reading ends when a test says so. */
function createStore() {
  const store = new FakeStore();
  store.kept.ban.set(larger, { since: 0, until: hourMs, by: 'user' });
  store.kept.maintained.set(smaller, 0);
  const facts = [{ fact: 'PROTOCOL_VIOLATION', count: 2, points: -40, lastAt: 0 }] as const;
  store.kept.reputation.set(larger, { at: 0, facts });
  const reading = Promise.withResolvers<void>();
  const load = store.load.bind(store);
  store.load = async () => {
    const loaded = await load();
    await reading.promise;
    return loaded;
  };
  return { store, endReading: () => reading.resolve() };
}

describe('what is taken back before it is read what was kept', () => {
  it.each(['before the start', 'while it is read'])('stays so: %s', async (when) => {
    const { store, endReading } = createStore();
    const { peers, start, network } = prepareNode({}, { store });
    const isEarly = when === 'before the start';
    let started = isEarly ? undefined : start();
    await turn();
    await Promise.all([peers.unbanPeer(larger), peers.releaseConnection(smaller)]);
    expect([store.kept.ban.size, store.kept.maintained.size, store.kept.reputation.size]).toEqual([0, 0, 0]);
    started ??= start();
    endReading();
    await started;
    expect([peers.bannedPeers(), peers.maintainedPeers(), network.dials]).toEqual([[], [], []]);
    expect(peers.reputationOf(larger)).toBe(0);
  });

  it('stays so when disconnectPeer says it, and when it was said otherwise a moment before', async () => {
    const { store, endReading } = createStore();
    const { peers, start } = prepareNode({}, { store });
    const started = start();
    await turn();
    const banned = peers.banPeer(larger, 1_000);
    await peers.unbanPeer(larger);
    await peers.disconnectPeer(smaller);
    endReading();
    await Promise.all([started, banned]);
    expect([peers.bannedPeers(), peers.maintainedPeers()]).toEqual([[], []]);
  });

  it('stays so when a ban has run out that replaced the one that was kept', async () => {
    const { store, endReading } = createStore();
    const { peers, start, clock } = prepareNode({}, { store });
    const started = start();
    await turn();
    await peers.banPeer(larger, 10);
    clock.increment(10);
    endReading();
    await started;
    expect(peers.bannedPeers()).toEqual([]);
  });
});

describe('unbanPeer()', () => {
  it('resolves when the reputation that led to the ban is gone from the store', async () => {
    const store = new FakeStore();
    const { peers, start, clock } = prepareNode({}, { store });
    await start();
    for (let count = 0; count < 4; count += 1) peers.reportPeer(larger, 'PROTOCOL_VIOLATION');
    clock.increment(10_000);
    await turn();
    expect(store.kept.reputation.has(larger)).toBe(true);
    // Others are being written, and that takes its time.
    peers.reportPeer(smaller, 'SERVED');
    const put = store.put.bind(store);
    const slow = Promise.withResolvers<void>();
    store.put = (kind, ...rest) => slow.promise.then(() => put(kind, ...rest));
    clock.increment(10_000);
    await peers.unbanPeer(larger);
    expect([store.kept.ban.size, store.kept.reputation.size]).toEqual([0, 0]);
    slow.resolve();
    await turn();
    expect([...store.kept.reputation.keys()]).toEqual([smaller]);
  });

  it('says when it cannot be, and what is left of it goes with the next writes', async () => {
    const store = new FakeStore();
    const { peers, start, clock } = prepareNode({}, { store });
    await start();
    for (let count = 0; count < 4; count += 1) peers.reportPeer(larger, 'PROTOCOL_VIOLATION');
    clock.increment(10_000);
    await turn();
    const erase = store.delete.bind(store);
    store.delete = (kind, peerId) =>
      kind === 'reputation' ? Promise.reject(new Error('disk full')) : erase(kind, peerId);
    await expect(codeOf(peers.unbanPeer(larger))).resolves.toBe('STORE_FAILED');
    expect(peers.bannedPeers()).toEqual([]);
    store.delete = erase;
    clock.increment(10_000);
    await turn();
    expect(store.kept.reputation.size).toBe(0);
  });
});

describe('the end of a ban', () => {
  it.each(['time', 'user'])(
    'has a beginning, also when connections are still being closed: %s',
    async (by) => {
      const { network, peers, clock, told } = createNode();
      network.open(larger);
      const closing = Promise.withResolvers<void>();
      network.releasing = closing.promise;
      const banned = peers.banPeer(larger, 500);
      await turn();
      if (by === 'time') clock.increment(500);
      else await peers.unbanPeer(larger);
      closing.resolve();
      await banned;
      const bans = told.filter(([type]) => type.startsWith('peer:'));
      expect(bans.map(([type]) => type)).toEqual(['peer:banned', 'peer:unbanned']);
      expect(bans[1]?.[1]).toEqual({ peerId: larger, by });
    },
  );

  it('comes in its time when the wall clock is set back, also over a restart', async () => {
    const [clock, store] = [new SetClock(), new FakeStore()];
    const first = prepareNode({}, { clock, store });
    await first.start();
    await first.peers.banPeer(larger, hourMs);
    await first.peers.banPeer(smaller, 3 * hourMs);
    clock.ahead -= 1_000 * hourMs;
    clock.increment(hourMs);
    expect(first.toldOf('peer:unbanned')).toEqual([{ peerId: larger, by: 'time' }]);
    await first.peers.stop();
    const { peers, start } = prepareNode({}, { clock, store });
    await start();
    expect(peers.bannedPeers()).toHaveLength(1);
    clock.increment(3 * hourMs);
    expect(peers.bannedPeers()).toEqual([]);
  });

  it('does not come because the wall clock goes ahead', async () => {
    const clock = new SetClock();
    const { network, peers, start, toldOf } = prepareNode({}, { clock });
    await start();
    await peers.banPeer(larger, hourMs);
    const until = clock.now() + hourMs;
    clock.ahead += 2 * hourMs;
    clock.increment(1_000);
    expect(network.gate.refusesConnection(candidateOf(larger))).toMatch(/banned/);
    expect(peers.bannedPeers()).toMatchObject([{ until }]);
    expect(toldOf('peer:unbanned')).toEqual([]);
  });
});

describe('a peer that is to be banned for its reputation', () => {
  it('is sent away at each violation when the user has taken all bans', async () => {
    const { network, peers, clock, toldOf } = createNode({ maxBans: 1 });
    await peers.banPeer(smaller, hourMs);
    const violate = (): void => {
      for (let count = 0; count < 4; count += 1) peers.reportPeer(larger, 'PROTOCOL_VIOLATION');
    };
    violate();
    for (let time = 0; time < 3; time += 1) {
      clock.increment(10_000);
      network.open(larger, { direction: 'inbound' });
      expect(peers.isConnected(larger)).toBe(true);
      violate();
      expect(peers.isConnected(larger)).toBe(false);
      expect(network.gate.refusesConnection(candidateOf(larger))).toMatch(/disconnected/);
      await turn();
    }
    expect(toldOf('connection:closed').map(({ cause }) => cause?.code)).toEqual(Array(3).fill('REPUTATION'));
    expect(peers.bannedPeers().map(({ peerId }) => peerId)).toEqual([smaller]);
  });

  it('is only disconnected when a quarter of all peers are banned already, and this node is told of', async () => {
    const { network, peers, clock } = createNode();
    const all = await Promise.all(Array.from({ length: 20 }, () => createUnknownPeerId()));
    const violate = async (): Promise<void> => {
      for (let count = 0; count < 6; count += 1) {
        for (const peerId of all) peers.reportPeer(peerId, 'INVALID_MESSAGE');
        clock.increment(1_000);
      }
      await turn();
    };
    for (const peerId of all) network.open(peerId);
    await violate();
    expect(peers.bannedPeers()).toHaveLength(5);
    clock.increment(10_000);
    for (const peerId of all) {
      if (network.gate.refusesConnection(candidateOf(peerId)) === undefined) network.open(peerId);
    }
    expect(peers.connectedPeers()).toHaveLength(15);
    await violate();
    expect([peers.bannedPeers().length, peers.connectedPeers().length]).toEqual([5, 0]);
    expect(network.warned).toEqual(['LLOOM_PEERS_MANY_BANS']);
    clock.increment(600_000);
    await violate();
    expect(peers.bannedPeers().length).toBeGreaterThan(5);
  });
});
