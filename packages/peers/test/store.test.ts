import { createHash } from 'node:crypto';
import { MemoryDatastore } from 'datastore-core';
import { Key, type Batch, type Pair } from 'interface-datastore';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { peersStoreOf, type StoreLimits } from '../src/adapters/store.ts';
import type { PeersStore, StoredPeers } from '../src/ports.ts';
import { turn } from './fakes.ts';

/** A datastore whose writes a test can hold up or let fail. */
class FakeDatastore extends MemoryDatastore {
  readonly commits: string[][] = [];
  held: Promise<void> = Promise.resolve();
  failure: Error | undefined;
  queryFailure: Error | undefined;

  override batch(): Batch {
    const inner = super.batch();
    const names: string[] = [];
    return {
      put: (key, value) => {
        names.push(`put ${key.toString()}`);
        inner.put(key, value);
      },
      delete: (key) => {
        names.push(`delete ${key.toString()}`);
        inner.delete(key);
      },
      commit: async () => {
        this.commits.push(names);
        await this.held;
        if (this.failure !== undefined) throw this.failure;
        await inner.commit();
      },
    };
  }

  override *_all(...given: Parameters<MemoryDatastore['_all']>): Generator<Pair> {
    if (this.queryFailure !== undefined) throw this.queryFailure;
    yield* super._all(...given) as Generator<Pair>;
  }
}

class World {
  readonly datastore = new FakeDatastore();
  readonly logged: string[] = [];

  store(limits?: StoreLimits): PeersStore {
    return peersStoreOf(this.datastore, (message) => this.logged.push(message), limits);
  }

  load(): Promise<StoredPeers> {
    return this.store().load();
  }

  text(key: string): string {
    return new TextDecoder().decode(this.datastore.get(new Key(key)) as Uint8Array);
  }
}

const warnings = vi.spyOn(process, 'emitWarning');
beforeEach(() => void warnings.mockReset().mockImplementation(() => undefined));
/** The code and the text of each warning of the process. */
const warned = (): unknown[] =>
  warnings.mock.calls.map(([text, options]) => [(options as { code: string }).code, text]);

const ban = { since: 1, until: 2, by: 'user' } as const;
const banKey = '/lloom/peers/ban/peer';

/** A deadline that passes when a test says so. */
function deadlines() {
  const given: AbortController[] = [];
  return {
    pass: () => given.forEach((controller) => controller.abort(new DOMException('too late', 'TimeoutError'))),
    deadline: () => {
      const controller = new AbortController();
      given.push(controller);
      return controller.signal;
    },
  };
}

describe('a store of peers', () => {
  it('gives back after a restart what was put, and not what was deleted', async () => {
    const world = new World();
    const reputation = { at: 5, facts: [{ fact: 'SERVED', count: 1, points: 0.1, lastAt: 4 }] } as const;
    const store = world.store();
    await Promise.all([
      store.put('ban', 'a', { ...ban, reason: '"ü"\n' }),
      store.put('addresses', 'a', ['/ip4/127.0.0.1/tcp/4001']),
      store.put('maintained', 'a', 7),
      store.put('reputation', 'a', reputation),
      store.put('ban', 'b', ban),
    ]);
    await store.delete('ban', 'b');
    const kept = await world.load();
    expect(kept.ban).toEqual(new Map([['a', { ...ban, reason: '"ü"\n' }]]));
    expect(kept.addresses).toEqual(new Map([['a', ['/ip4/127.0.0.1/tcp/4001']]]));
    expect(kept.maintained).toEqual(new Map([['a', 7]]));
    expect(kept.reputation).toEqual(new Map([['a', reputation]]));
    expect(world.logged).toEqual([]);
  });

  it('keeps one line of JSON for each peer and kind', async () => {
    const world = new World();
    await world.store().put('maintained', 'peer', 7);
    const text = world.text('/lloom/peers/maintained/peer');
    expect(text).toMatch(/^\{"checksum":"[0-9a-f]{32}","version":1,"value":7\}$/);
  });

  it('keeps peers apart whatever text their ids are', async () => {
    const world = new World();
    const store = world.store();
    const ids = ['a/b', 'a//b', '../a', 'ban', ' ', 'ü', '%2F', 'a/', '/a'];
    for (const [index, id] of ids.entries()) await store.put('maintained', id, index);
    expect((await world.load()).maintained).toEqual(new Map(ids.map((id, index) => [id, index])));
  });

  it('notices every flipped bit: warns of it, moves the record away and leaves it out', async () => {
    const world = new World();
    await world.store().put('ban', 'peer', { ...ban, reason: 'ü' });
    const sound = (world.datastore.get(new Key(banKey)) as Uint8Array).slice();
    for (let bit = 0; bit < sound.length * 8; bit++) {
      const flipped = sound.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      await world.datastore.put(new Key(banKey), flipped);
      const store = world.store();
      expect((await store.load()).ban.size).toBe(0);
      await store.settled();
      expect(world.datastore.has(new Key(banKey))).toBe(false);
      expect(world.datastore.get(new Key('/lloom/peers-damaged/ban/peer'))).toEqual(flipped);
    }
    expect(world.logged).toHaveLength(sound.length * 8);
    expect(warnings).toHaveBeenCalledTimes(sound.length * 8);
    expect(warned()[0]).toEqual([
      'LLOOM_PEERS_DAMAGED',
      expect.stringContaining('not in force (bans: 1). They are moved to "/lloom/peers-damaged"'),
    ]);
  });

  it('takes no record for that of another peer, and none that was cut or is no record', async () => {
    const world = new World();
    await world.store().put('ban', 'peer', ban);
    const sound = world.datastore.get(new Key(banKey)) as Uint8Array;
    await world.datastore.put(new Key('/lloom/peers/ban/other'), sound);
    await world.datastore.put(new Key('/lloom/peers/ban/cut'), sound.slice(0, -1));
    for (const [index, text] of ['', 'null', '{}', '5', '\ufeff{}'].entries())
      await world.datastore.put(new Key(`/lloom/peers/ban/${index}`), new TextEncoder().encode(text));
    await world.datastore.put(new Key('/lloom/peers/ban/%'), sound);
    expect([...(await world.load()).ban.keys()]).toEqual(['peer']);
    expect(world.logged).toEqual(['records of peers are damaged and left out']);
  });

  it('trusts no value although its checksum is right', async () => {
    const world = new World();
    await world.store().put('ban', 'peer', { ...ban, until: -5 });
    expect((await world.load()).ban.size).toBe(0);
    expect(world.logged).toHaveLength(1);
  });

  it('leaves a record of a newer version alone', async () => {
    const world = new World();
    const content = '"version":2,"value":7}';
    const checksum = createHash('sha256').update(`${banKey}\n${content}`).digest('hex').slice(0, 32);
    const newer = new TextEncoder().encode(`{"checksum":"${checksum}",${content}`);
    await world.datastore.put(new Key(banKey), newer);
    const store = world.store();
    expect((await store.load()).ban.size).toBe(0);
    await store.settled();
    expect(world.datastore.get(new Key(banKey))).toEqual(newer);
    expect(warned()).toEqual([
      ['LLOOM_PEERS_NOT_LOADED', expect.stringContaining('bans (0 are in force; 1 were written by a newer')],
    ]);
  });

  it('writes once what is asked for again while a write is under way, the latest', async () => {
    const world = new World();
    const hold = Promise.withResolvers<void>();
    world.datastore.held = hold.promise;
    const store = world.store();
    const writes = [store.put('maintained', 'a', 1)];
    await turn();
    for (let value = 2; value < 100; value++) writes.push(store.put('maintained', 'a', value));
    writes.push(store.put('maintained', 'b', 1), store.delete('maintained', 'b'));
    let isDone = false;
    void writes[50]!.then(() => (isDone = true));
    await turn();
    expect(isDone).toBe(false);
    hold.resolve();
    await Promise.all(writes);
    expect(world.datastore.commits).toEqual([
      ['put /lloom/peers/maintained/a'],
      ['put /lloom/peers/maintained/a', 'delete /lloom/peers/maintained/b'],
    ]);
    expect((await world.load()).maintained).toEqual(new Map([['a', 99]]));
  });

  it('writes many records in several parts', async () => {
    const world = new World();
    const store = world.store();
    await Promise.all(Array.from({ length: 2_500 }, (_, peer) => store.put('maintained', `${peer}`, peer)));
    expect(world.datastore.commits.map(({ length }) => length)).toEqual([1_000, 1_000, 500]);
    expect((await world.load()).maintained.size).toBe(2_500);
  });

  it('says when a write failed, and goes on with the next', async () => {
    const world = new World();
    const store = world.store();
    world.datastore.failure = new Error('the disk is full');
    await expect(store.put('ban', 'a', ban)).rejects.toThrow('the disk is full');
    world.datastore.failure = undefined;
    await store.put('ban', 'b', ban);
    await store.settled();
    expect([...(await world.load()).ban.keys()]).toEqual(['b']);
  });

  it('does not wait for a datastore that hangs, but writes what it was asked when that goes on', async () => {
    const world = new World();
    const { deadline, pass } = deadlines();
    const hold = Promise.withResolvers<void>();
    world.datastore.held = hold.promise;
    const store = world.store({ deadline });
    const writes = [store.put('ban', 'a', ban)];
    await turn();
    writes.push(store.put('ban', 'b', ban));
    const failures = Promise.all(
      writes.map((write) => expect(write).rejects.toThrow('not answered in time')),
    );
    pass();
    await failures;
    await expect(store.delete('ban', 'a')).rejects.toThrow('not answered in time');
    await expect(store.put('ban', 'b', { ...ban, until: 3 })).rejects.toThrow('not answered in time');
    const settled = store.settled();
    pass();
    await settled;
    expect(world.logged).toEqual(['gave up waiting for what is being written']);
    hold.resolve();
    await turn();
    await store.put('ban', 'c', ban);
    expect([...(await world.load()).ban]).toEqual([
      ['b', { ...ban, until: 3 }],
      ['c', ban],
    ]);
  });

  it('bounds what waits for a datastore that hangs', async () => {
    const world = new World();
    world.datastore.held = new Promise(() => {});
    const store = world.store({ maxWaiting: 2 });
    void store.put('ban', 'under way', ban);
    await turn();
    void store.put('ban', 'a', ban);
    void store.put('ban', 'b', ban);
    void store.put('ban', 'b', ban);
    await expect(store.put('ban', 'c', ban)).rejects.toThrow('2 records wait');
  });
});

describe('loading', () => {
  it('gives what it has got when the time is over', async () => {
    const world = new World();
    await world.store().put('ban', 'a', ban);
    await world.store().put('reputation', 'a', { at: 0, facts: [] });
    const { deadline, pass } = deadlines();
    const query = world.datastore.query.bind(world.datastore);
    world.datastore.query = (...args) => {
      if (args[0].prefix?.includes('/ban/')) return query(...args);
      setImmediate(pass);
      return {
        [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }),
      } as AsyncGenerator<Pair>;
    };
    const kept = await world.store({ deadline }).load();
    expect([kept.ban.size, kept.reputation.size]).toEqual([1, 0]);
    expect(world.logged[0]).toBe('could not read all that was kept of a kind');
    expect(warned()).toEqual([
      [
        'LLOOM_PEERS_NOT_LOADED',
        expect.stringMatching(/maintained peers \(0 .* not answered in time\), added/),
      ],
    ]);
  });

  it('fails when nothing can be read', async () => {
    const world = new World();
    world.datastore.queryFailure = new Error('the disk is gone');
    await expect(world.load()).rejects.toThrow('the disk is gone');
    expect(warned()).toEqual([
      [
        'LLOOM_PEERS_NOT_LOADED',
        expect.stringContaining('bans (0 are in force; the disk is gone), maintained'),
      ],
    ]);
  });

  it('moves so many damaged records away at most, and deletes none', async () => {
    const world = new World();
    const damage = (id: string) => world.datastore.put(new Key(`/lloom/peers/ban/${id}`), new Uint8Array(5));
    for (const id of ['a', 'b']) await damage(id);
    const load = async (): Promise<void> => {
      const store = world.store({ maxDamaged: 3 });
      await store.load();
      await store.settled();
    };
    await load();
    for (const id of ['c', 'd', 'e']) await damage(id);
    await load();
    await load();
    const keys: string[] = [];
    for await (const key of world.datastore.queryKeys({})) keys.push(key.toString());
    expect(keys.toSorted()).toEqual([
      ...['a', 'b', 'c'].map((id) => `/lloom/peers-damaged/ban/${id}`),
      ...['d', 'e'].map((id) => `/lloom/peers/ban/${id}`),
    ]);
    const counts = warned().map((warning) => /bans: \d/.exec(String(warning))?.[0]);
    expect(counts).toEqual(['bans: 2', 'bans: 3', 'bans: 2']);
  });

  it('leaves damaged records where they are when it cannot be known how many were moved', async () => {
    const world = new World();
    await world.datastore.put(new Key(banKey), new Uint8Array(5));
    world.datastore.queryKeys = () => {
      throw new Error('the disk is gone');
    };
    const store = world.store();
    await store.load();
    await store.settled();
    expect(world.datastore.has(new Key(banKey))).toBe(true);
    expect(warned()).toHaveLength(1);
  });

  it('reads so many records of each kind at most', async () => {
    const world = new World();
    const store = world.store();
    for (const id of ['a', 'b', 'c']) await store.put('ban', id, ban);
    await store.put('maintained', 'a', 5);
    const kept = await world.store({ maxRecords: 2 }).load();
    expect([kept.ban.size, kept.maintained.size]).toEqual([2, 1]);
    expect(world.logged).toEqual(['more is kept than is read']);
    expect(warned()).toEqual([
      ['LLOOM_PEERS_NOT_LOADED', expect.stringContaining('bans (2 are in force; more than 2 records')],
    ]);
  });

  it('does not delete what was written anew meanwhile', async () => {
    const world = new World();
    await world.datastore.put(new Key(banKey), new Uint8Array(5));
    const store = world.store();
    const loading = store.load();
    const putting = store.put('ban', 'peer', ban);
    await Promise.all([loading, putting]);
    await store.settled();
    expect([...(await world.load()).ban.keys()]).toEqual(['peer']);
    expect(warned()).toEqual([]);
  });

  it('does not move away what was asked for before', async () => {
    const world = new World();
    await world.datastore.put(new Key(banKey), new Uint8Array(5));
    const store = world.store();
    const hold = Promise.withResolvers<void>();
    world.datastore.held = hold.promise;
    const putting = store.put('ban', 'peer', ban);
    await turn();
    const loading = store.load();
    await turn();
    hold.resolve();
    const [kept] = await Promise.all([loading, putting]);
    await store.settled();
    expect([...kept.ban.keys(), ...(await world.load()).ban.keys()]).toEqual(['peer', 'peer']);
    expect(warned()).toEqual([]);
  });

  it('finds nothing where there is no datastore', async () => {
    const store = peersStoreOf(undefined, () => undefined);
    await store.put('ban', 'peer', ban);
    expect((await store.load()).ban.size).toBe(0);
  });
});
