import { describe, expect, it } from 'vitest';
import { resolvePeersConfig, type PeersConfig } from '../src/config.ts';
import { PeersMeter } from '../src/internal/peersMeter.ts';
import { noPeers } from '../src/internal/peersStore.ts';
import type { StoreToRead } from '../src/internal/unreadStore.ts';
import type { StoredReputation } from '../src/ports.ts';
import { Standing } from '../src/standing.ts';
import type { PeerFact } from '../src/types.ts';
import { FakeClock, turn } from './fakes.ts';

/** Keeps reputations, and fails or hangs when a test wants it. */
class FakeStore implements StoreToRead {
  readonly kept = new Map<string, StoredReputation>();
  readonly writes: string[] = [];
  isRead = true;
  failure: Error | undefined;
  held: Promise<void> = Promise.resolve();

  load() {
    return Promise.resolve({ ...noPeers(), reputation: new Map(this.kept) });
  }

  put(kind: string, peerId: string, value: unknown): Promise<void> {
    return this.#write(`put ${kind} ${peerId}`, () => this.kept.set(peerId, value as StoredReputation));
  }

  delete(kind: string, peerId: string): Promise<void> {
    return this.#write(`delete ${kind} ${peerId}`, () => this.kept.delete(peerId));
  }

  settled(): Promise<void> {
    return Promise.resolve();
  }

  async #write(what: string, act: () => unknown): Promise<void> {
    this.writes.push(what);
    await this.held;
    if (this.failure !== undefined) throw this.failure;
    act();
  }
}

class World {
  readonly clock = new FakeClock();
  readonly store = new FakeStore();
  readonly calls: string[] = [];
  readonly logged: string[] = [];
  readonly userBans = new Set<string>();
  standing: Standing;

  constructor(config: PeersConfig = {}) {
    this.standing = this.create(config);
    this.standing.start();
  }

  create(config: PeersConfig = {}): Standing {
    return new Standing({
      clock: this.clock,
      config: resolvePeersConfig(config),
      store: this.store,
      isJudged: (peerId) => !this.userBans.has(peerId),
      onDisconnect: (peerId, why) => this.calls.push(`disconnect ${peerId}: ${why}`),
      onBan: (peerId, why) => this.calls.push(`ban ${peerId}: ${why}`),
      meter: new PeersMeter(undefined),
      log: (message) => this.logged.push(message),
    });
  }

  report(peerId: string, fact: PeerFact, times = 1): void {
    for (let time = 0; time < times; time++) this.standing.report(peerId, fact);
  }

  /** What was asked for, without the reasons. */
  get acts(): string[] {
    return this.calls.map((call) => call.split(':')[0]!);
  }

  async pass(ms: number): Promise<void> {
    this.clock.increment(ms);
    await turn();
  }
}

describe('the standing of a peer', () => {
  it('leads to a disconnect when it falls below the threshold, and to a ban below the next', () => {
    const world = new World();
    world.report('peer', 'PROTOCOL_VIOLATION');
    expect(world.calls).toEqual([]);
    world.report('peer', 'PROTOCOL_VIOLATION');
    expect(world.calls).toEqual([
      'disconnect peer: reputation -40 is below -20: PROTOCOL_VIOLATION 2x (-40)',
    ]);
    world.report('peer', 'PROTOCOL_VIOLATION');
    expect(world.calls.slice(1)).toEqual([
      'ban peer: reputation -60 is below -50: PROTOCOL_VIOLATION 3x (-60)',
    ]);
  });

  it('disconnects once for each fall, and for each violation of who comes back too early', async () => {
    const world = new World();
    world.report('peer', 'INVALID_MESSAGE', 3);
    world.report('peer', 'REQUEST_FAILED');
    world.report('peer', 'SERVED');
    expect(world.acts).toEqual(['disconnect peer']);
    world.report('peer', 'FLOOD');
    expect(world.acts).toEqual(['disconnect peer', 'disconnect peer']);
    await world.pass(1_200_000);
    world.report('peer', 'PROTOCOL_VIOLATION');
    expect(world.acts).toHaveLength(3);
  });

  it('never lets failures alone disconnect, under any thresholds', () => {
    for (const config of [{}, { disconnectBelow: -3, banBelow: -4 }, { disconnectBelow: 0, banBelow: 0 }]) {
      const world = new World(config);
      world.report('peer', 'REQUEST_FAILED', 500);
      world.report('peer', 'UNREACHABLE', 500);
      expect(world.calls).toEqual([]);
    }
  });

  it('is left alone while the user has banned the peer', () => {
    const world = new World();
    world.userBans.add('peer');
    world.report('peer', 'PROTOCOL_VIOLATION', 10);
    expect(world.standing.reputationOf('peer')).toBe(0);
    expect(world.calls).toEqual([]);
  });

  it('is 0 of strangers, fades, and can be explained', async () => {
    const world = new World();
    expect(world.standing.reputationOf('stranger')).toBe(0);
    expect(world.standing.factsOf('stranger')).toEqual([]);
    world.report('peer', 'INVALID_MESSAGE');
    await world.pass(600_000);
    expect(world.standing.reputationOf('peer')).toBeCloseTo(-5);
    expect(world.standing.factsOf('peer')).toMatchObject([{ fact: 'INVALID_MESSAGE', count: 1, lastAt: 0 }]);
  });

  it('takes any text for an id, but not a long one, and no fact that is none', () => {
    const world = new World();
    world.report('/../ \ud800 not an id', 'SERVED');
    world.report('x'.repeat(257), 'SERVED');
    world.report('', 'SERVED');
    world.report('peer', 'toString' as PeerFact);
    expect(world.standing.reputationOf('/../ \ud800 not an id')).toBe(1);
    expect(world.standing.reputationOf('x'.repeat(257))).toBe(0);
    expect(world.standing.reputationOf('')).toBe(0);
    expect(world.standing.reputationOf('peer')).toBe(0);
  });
});

describe('what is kept of it', () => {
  it('is written at most every ten seconds, together, and goes on after a restart', async () => {
    const world = new World();
    world.report('a', 'INVALID_MESSAGE', 2);
    world.report('b', 'SERVED');
    await world.pass(9_999);
    expect(world.store.writes).toEqual([]);
    await world.pass(1);
    expect(world.store.writes).toEqual(['put reputation a', 'put reputation b']);
    await world.pass(60_000);
    expect(world.store.writes).toHaveLength(2);
    await world.pass(530_000);
    const after = world.create();
    after.load((await world.store.load()).reputation);
    expect(after.reputationOf('a')).toBeCloseTo(-10, 0);
    expect(after.factsOf('a')).toMatchObject([{ fact: 'INVALID_MESSAGE', count: 2 }]);
  });

  it('is written when the node stops, which ends the timer', async () => {
    const world = new World();
    world.report('a', 'SERVED');
    await world.standing.stop();
    expect(world.store.kept.has('a')).toBe(true);
    world.report('a', 'SERVED');
    await world.pass(60_000);
    expect(world.store.writes).toHaveLength(1);
    world.standing.start();
    await world.pass(10_000);
    expect(world.store.writes).toHaveLength(2);
  });

  it('is taken away when it has faded, at run time and at a start', async () => {
    const world = new World();
    world.report('a', 'SERVED');
    await world.pass(10_000);
    await world.pass(3_600_000);
    await world.pass(10_000);
    expect(world.store.writes).toEqual(['put reputation a', 'delete reputation a']);
    const after = world.create();
    after.load(new Map([['b', { at: 0, facts: [] }]]));
    after.start();
    await world.pass(10_000);
    expect(world.store.writes.at(-1)).toBe('delete reputation b');
  });

  it('is taken away at once when it is to be forgotten', async () => {
    const world = new World();
    world.report('a', 'PROTOCOL_VIOLATION', 3);
    await world.pass(10_000);
    await world.standing.forget('a');
    await world.standing.forget('never heard of');
    expect(world.standing.reputationOf('a')).toBe(0);
    expect(world.store.kept.size).toBe(0);
    expect(world.store.writes).toHaveLength(2);
  });

  it('is written another time when it could not be', async () => {
    const world = new World();
    world.store.failure = new Error('the disk is full');
    world.report('a', 'SERVED');
    world.report('b', 'SERVED');
    await world.pass(10_000);
    expect(world.logged).toEqual(['could not write reputations']);
    world.store.failure = undefined;
    await world.pass(10_000);
    expect([...world.store.kept.keys()]).toEqual(['a', 'b']);
  });

  it('is not written twice at a time when the store is slow', async () => {
    const world = new World();
    const { promise, resolve } = Promise.withResolvers<void>();
    world.store.held = promise;
    world.report('a', 'SERVED');
    await world.pass(10_000);
    world.report('a', 'SERVED');
    await world.pass(10_000);
    expect(world.store.writes).toHaveLength(1);
    resolve();
    await world.standing.stop();
    expect(world.store.kept.get('a')?.facts).toMatchObject([{ count: 2 }]);
  });

  it('is not asked of the store for strangers that came and went', async () => {
    const world = new World();
    for (let stranger = 0; stranger < 30_000; stranger++) world.report(`stranger ${stranger}`, 'SERVED');
    await world.standing.stop();
    expect(world.store.kept.size).toBe(10_000);
    expect(world.store.writes.every((write) => write.startsWith('put'))).toBe(true);
  });
});
