import { describe, expect, it } from 'vitest';
import type { Directory } from '../ports.ts';
import type { FoundPeer } from '../types.ts';
import { merged, names } from './names.ts';
import { shardCount, shardKey, shardKeys, shardOf } from './shards.ts';

const query = { kind: 'executor', model: 'm' } as const;
const key = 'lloom/model/m';
const { signal } = new AbortController();
const ids = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`);

/** A DHT that names these peers for each key, and fails after them where it is said to. */
function directory(named: Readonly<Record<string, readonly string[]>>, failing: readonly string[] = []) {
  const asked: string[] = [];
  const left: string[] = [];
  const find: Directory['find'] = async function* (of) {
    asked.push(of);
    try {
      for (const peerId of named[of] ?? []) yield { peerId, addresses: [] };
      if (failing.includes(of)) throw new Error(`cannot look up ${of}`);
    } finally {
      left.push(of);
    }
  };
  return { asked, left, find };
}

/** Whom the DHT names, and what it throws in the end. */
async function read(of: AsyncIterable<FoundPeer>): Promise<{ named: string[]; error?: string }> {
  const named: string[] = [];
  try {
    for await (const { peerId } of of) named.push(peerId);
    return { named };
  } catch (error) {
    return { named, error: (error as Error).message };
  }
}

describe('parts of a key', () => {
  it('are sixteen, each with a key of its own', () => {
    expect(shardKey('lloom/executor', 3)).toBe('lloom/shard/3/executor');
    expect(shardKey(key, 15)).toBe('lloom/shard/15/model/m');
    expect(new Set(shardKeys(key, 0)).size).toBe(shardCount);
  });

  it('are looked up from any of them on, all of them', () => {
    expect(shardKeys(key, 0)[0]).toBe('lloom/shard/0/model/m');
    expect(shardKeys(key, 0.5)[0]).toBe('lloom/shard/8/model/m');
    expect(shardKeys(key, 0.999_999)[0]).toBe('lloom/shard/15/model/m');
    expect(new Set(shardKeys(key, 0.7))).toEqual(new Set(shardKeys(key, 0)));
  });

  it('have a peer each, the same on every node', () => {
    const peerId = '12D3KooWCp1tCweCvJ2TUMUEN2wPZSe7JPo4aCny9bERmEoZgoBk';
    expect([shardOf(''), shardOf('a'), shardOf(peerId)]).toEqual([5, 12, 7]);
  });

  it('divide peers about equally', () => {
    const counts = Array.from({ length: shardCount }, () => 0);
    for (let index = 0; index < 16_000; index++) counts[shardOf(`peer-${index}`)]! += 1;
    expect(Math.min(...counts)).toBeGreaterThan(800);
    expect(Math.max(...counts)).toBeLessThan(1_200);
  });
});

describe('whom the DHT names', () => {
  const ports = (given: Pick<Directory, 'find'>) => ({ directory: given, maxNamed: 20, chance: 0 });

  it('are those of the key alone when it names fewer than half of what it can', async () => {
    const dht = directory({ [key]: ids('a', 9), [shardKey(key, 0)]: ['b'] });
    expect(await read(names(ports(dht), query, signal))).toEqual({ named: ids('a', 9) });
    expect(dht.asked).toEqual([key]);
  });

  it('are those of the parts as well when the key is crowded', async () => {
    const parts = Object.fromEntries(shardKeys(key, 0).map((part, index) => [part, [`b${index}`]]));
    const dht = directory({ [key]: ids('a', 10), ...parts });
    const { named } = await read(names(ports(dht), query, signal));
    expect(new Set(named)).toEqual(new Set([...ids('a', 10), ...ids('b', 16)]));
    expect(dht.asked).toEqual([key, ...shardKeys(key, 0)]);
  });

  it('do not count twice for the key to be crowded', async () => {
    const dht = directory({ [key]: Array.from({ length: 30 }, () => 'a') });
    await read(names(ports(dht), query, signal));
    expect(dht.asked).toEqual([key]);
  });

  it('are those that it has named until it failed, and then it is told', async () => {
    const parts = { [shardKey(key, 4)]: ['b'] };
    const few = directory({ [key]: ['a'], ...parts }, [key]);
    expect(await read(names(ports(few), query, signal))).toEqual({
      named: ['a'],
      error: `cannot look up ${key}`,
    });
    const crowded = directory({ [key]: ids('a', 20), ...parts }, [key]);
    expect(await read(names(ports(crowded), query, signal))).toEqual({
      named: [...ids('a', 20), 'b'],
      error: `cannot look up ${key}`,
    });
  });

  it('are those of all other parts when one part fails', async () => {
    const parts = Object.fromEntries(shardKeys(key, 0).map((part, index) => [part, [`b${index}`]]));
    const dht = directory({ [key]: ids('a', 10), ...parts }, [shardKey(key, 0), shardKey(key, 7)]);
    const { named, error } = await read(names(ports(dht), query, signal));
    expect(new Set(named)).toEqual(new Set([...ids('a', 10), ...ids('b', 16)]));
    expect(error).toBeUndefined();
  });

  it('are not looked up in parts any more when the search is over', async () => {
    const over = new AbortController();
    const dht = directory({ [key]: ids('a', 10) });
    const named = names(ports(dht), query, over.signal);
    for await (const { peerId } of named) if (peerId === 'a9') over.abort();
    expect(dht.asked).toEqual([key]);
  });

  it('leave nothing running when the reader leaves, in the key or in the parts', async () => {
    const early = directory({ [key]: ids('a', 10) });
    for await (const _ of names(ports(early), query, signal)) break;
    expect([early.asked, early.left]).toEqual([[key], [key]]);
    const parts = Object.fromEntries(shardKeys(key, 0).map((part) => [part, ids(part, 5)]));
    const late = directory({ [key]: ids('a', 10), ...parts });
    for await (const { peerId } of names(ports(late), query, signal)) if (!peerId.startsWith('a')) break;
    expect(late.left.toSorted()).toEqual(late.asked.toSorted());
    expect(late.asked).toHaveLength(5);
  });
});

describe('several sources', () => {
  it('are read a few at a time', async () => {
    let [open, most] = [0, 0];
    const source = (name: string) =>
      async function* () {
        most = Math.max(most, ++open);
        yield name;
        yield name;
        open--;
      };
    const values: string[] = [];
    for await (const value of merged(ids('s', 10).map(source), 4)) values.push(value);
    expect([values.length, new Set(values).size, most]).toEqual([20, 10, 4]);
  });

  it('do not wait for one that is silent', async () => {
    const silent: AsyncIterable<string> = {
      [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }),
    };
    const live = async function* () {
      yield 'a';
      yield 'b';
    };
    const seen: string[] = [];
    for await (const value of merged([() => silent, live], 2)) {
      seen.push(value);
      if (seen.length === 2) break;
    }
    expect(seen).toEqual(['a', 'b']);
  });

  it('may be none, and may refuse to end', async () => {
    expect(await merged([], 4).next()).toEqual({ done: true, value: undefined });
    const stubborn: AsyncIterable<string> = {
      [Symbol.asyncIterator]: () => ({
        next: () => Promise.resolve({ done: false, value: 'a' }),
        return: () => Promise.reject(new Error('I go on')),
      }),
    };
    const seen: string[] = [];
    for await (const value of merged([() => stubborn], 4)) {
      seen.push(value);
      break;
    }
    expect(seen).toEqual(['a']);
  });
});
