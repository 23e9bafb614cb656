import { MemoryDatastore } from 'datastore-core';
import { Key, type Datastore } from 'interface-datastore';
import { describe, expect, it, vi } from 'vitest';
import { boundedDhtDatastore } from '../src/adapters/dhtDatastore.ts';
import { settled } from './machines.ts';

const ownPeerId = 'peer-own';
const time = new Uint8Array(6);

function begin(inner: Datastore = new MemoryDatastore()) {
  const datastore = boundedDhtDatastore(inner, { ownPeerId });
  const has = async (key: string): Promise<boolean> => inner.has(new Key(key));
  const put = async (key: string, value = time): Promise<void> =>
    void (await datastore.put(new Key(key), value));
  const provide = async (peerId: string, count: number, from = 0): Promise<void> => {
    for (let index = from; index < from + count; index += 1)
      await datastore.put(new Key(`/dht/provider/key${index}/${peerId}`, false), time);
  };
  return { inner, datastore, has, put, provide };
}

describe('what peers provide', () => {
  it('is kept up to 4,096 keys a peer, and their renewal always is', async () => {
    const { datastore, has, provide } = begin();
    await provide('peer-1', 4_100);
    expect(datastore.dhtStats).toMatchObject({ providers: 4_096, dropped: 4, evicted: 0 });
    expect([await has('/dht/provider/key0/peer-1'), await has('/dht/provider/key4096/peer-1')]).toEqual([
      true,
      false,
    ]);
    await provide('peer-1', 4_096);
    expect(datastore.dhtStats).toMatchObject({ providers: 4_096, dropped: 4 });
  });

  it('makes room when it is deleted, once', async () => {
    const { datastore, provide } = begin();
    await provide('peer-1', 4_097);
    const key = new Key('/dht/provider/key7/peer-1');
    await datastore.delete(key);
    await datastore.delete(key);
    expect(datastore.dhtStats.providers).toBe(4_095);
    await provide('peer-1', 2, 5_000);
    expect(datastore.dhtStats).toMatchObject({ providers: 4_096, dropped: 2 });
  });

  it('is kept without bound for this node itself', async () => {
    const { datastore, has, provide } = begin();
    await provide(ownPeerId, 5_000);
    expect(await has(`/dht/provider/key4999/${ownPeerId}`)).toBe(true);
    expect(datastore.dhtStats).toMatchObject({ providers: 0, dropped: 0 });
  });

  it('is not kept under what is no hash, nor with more than a time', async () => {
    const { datastore, put } = begin();
    await put(`/dht/provider/${'k'.repeat(300)}/peer-1`);
    await put('/dht/provider/key/peer-1', new Uint8Array(1_000));
    expect(datastore.dhtStats).toMatchObject({ providers: 0, dropped: 2 });
  });

  it('leaves room for newcomers when few peers provide all there is', async () => {
    const { datastore, has, provide } = begin();
    for (let peer = 0; peer < 16; peer += 1) await provide(`peer-${peer}`, 4_096);
    expect(datastore.dhtStats).toMatchObject({ providers: 65_536, dropped: 0 });
    await provide('newcomer', 3);
    expect(datastore.dhtStats).toMatchObject({ providers: 65_536, dropped: 0, evicted: 3 });
    expect(await has('/dht/provider/key2/newcomer')).toBe(true);
    expect(await has('/dht/provider/key0/peer-0')).toBe(false);
    // Who has as much as anybody gets no more.
    await provide('peer-15', 1, 9_000);
    expect(datastore.dhtStats.dropped).toBe(1);
  });
});

describe('records', () => {
  it('are kept up to 1,024; those written longest ago make room', async () => {
    const { datastore, has, put } = begin();
    for (let index = 0; index < 1_024; index += 1) await put(`/dht/record/r${index}`);
    await put('/dht/record/r0');
    await put('/dht/record/late');
    expect(datastore.dhtStats).toMatchObject({ records: 1_024, evicted: 1, dropped: 0 });
    const kept = ['r0', 'r1', 'r2', 'late'].map((name) => has(`/dht/record/${name}`));
    expect(await Promise.all(kept)).toEqual([true, false, true, true]);
  });

  it('are kept up to 8 MiB together', async () => {
    const { datastore, has, put } = begin();
    const mebibyte = new Uint8Array(1024 * 1024);
    for (let index = 0; index < 9; index += 1) await put(`/dht/record/r${index}`, mebibyte);
    expect(datastore.dhtStats).toMatchObject({ records: 8, recordBytes: 8 * 1024 * 1024, evicted: 1 });
    expect(await has('/dht/record/r0')).toBe(false);
    await put('/dht/record/huge', new Uint8Array(8 * 1024 * 1024 + 1));
    await put(`/dht/record/${'k'.repeat(600)}`);
    expect(datastore.dhtStats).toMatchObject({ records: 8, dropped: 2 });
    await datastore.delete(new Key('/dht/record/r1'));
    expect(datastore.dhtStats).toMatchObject({ records: 7, recordBytes: 7 * 1024 * 1024 });
  });
});

describe('the datastore', () => {
  it('counts what it holds already before its first write', async () => {
    const inner = new MemoryDatastore();
    for (let index = 0; index < 4_090; index += 1)
      void inner.put(new Key(`/dht/provider/key${index}/peer-1`, false), time);
    void inner.put(new Key('/dht/record/r1'), new Uint8Array(100));
    const { datastore, provide } = begin(inner);
    await Promise.all([provide('peer-1', 5, 5_000), provide('peer-1', 5, 6_000)]);
    expect(datastore.dhtStats).toMatchObject({ providers: 4_096, records: 1, recordBytes: 100, dropped: 4 });
  });

  it('counts again when counting failed', async () => {
    const inner = new MemoryDatastore();
    const query = inner.queryKeys.bind(inner);
    inner.queryKeys = () => {
      throw new Error('the disk is gone');
    };
    const { datastore, put } = begin(inner);
    await expect(put('/dht/provider/key/peer-1')).rejects.toThrow('the disk is gone');
    inner.queryKeys = query;
    await put('/dht/provider/key/peer-1');
    expect(datastore.dhtStats.providers).toBe(1);
  });

  it('passes on everything else as it is', async () => {
    const { datastore, inner } = begin();
    const value = new Uint8Array(9 * 1024 * 1024);
    const [one, two] = [new Key('/peers/one'), new Key('/dht-of-another/record/two')];
    expect(await datastore.put(one, value)).toBe(one);
    await datastore.put(two, time);
    expect(await datastore.get(one)).toBe(value);
    expect(await datastore.has(two)).toBe(true);
    const keys: string[] = [];
    for await (const key of datastore.queryKeys({})) keys.push(key.toString());
    for await (const { key } of datastore.query({ prefix: '/peers' })) keys.push(key.toString());
    for await (const { key } of datastore.getMany([one])) keys.push(key.toString());
    expect(keys.toSorted()).toEqual(['/dht-of-another/record/two', '/peers/one', '/peers/one', '/peers/one']);
    await datastore.delete(one);
    expect(await inner.has(one)).toBe(false);
  });

  it('bounds what is written by the many and in batches as well', async () => {
    const { datastore, has, provide } = begin();
    await provide('peer-1', 4_095);
    const [last, beyond] = [new Key('/dht/provider/last/peer-1'), new Key('/dht/provider/beyond/peer-1')];
    const other = new Key('/peers/one');
    const written: string[] = [];
    const pairs = [last, beyond, other].map((key) => ({ key, value: time }));
    for await (const key of datastore.putMany(pairs)) written.push(key.toString());
    expect(written).toEqual([last.toString(), other.toString()]);
    for await (const _ of datastore.deleteMany([last, other]));
    expect([datastore.dhtStats.providers, await has(other.toString())]).toEqual([4_095, false]);

    const batch = datastore.batch();
    batch.put(last, time);
    batch.put(beyond, time);
    batch.put(other, time);
    batch.delete(new Key('/dht/provider/key0/peer-1'));
    await batch.commit();
    batch.delete(other);
    await batch.commit();
    expect([await has(last.toString()), await has(beyond.toString()), await has(other.toString())]).toEqual([
      true,
      false,
      false,
    ]);
    expect(datastore.dhtStats).toMatchObject({ providers: 4_095, dropped: 2 });
  });
});

describe('the number of records that are kept for others', () => {
  it('is of both kinds, without what this node provides itself', async () => {
    const { datastore, provide, put } = begin();
    await provide('peer-1', 3);
    await provide(ownPeerId, 2);
    await put('/dht/record/a');
    await put('/other/b');
    expect(datastore.storedRecords).toBe(4);
    await datastore.delete(new Key('/dht/record/a'));
    expect(datastore.storedRecords).toBe(3);
  });

  it('is right from the first look on when the datastore was read before', async () => {
    const before = begin();
    await before.provide('peer-1', 3);
    const { datastore } = begin(before.inner);
    await datastore.get(new Key('/dht/provider/key0/peer-1', false));
    await settled();
    expect(datastore.storedRecords).toBe(3);
  });

  it('is counted again when the datastore was not open yet', async () => {
    const inner = new MemoryDatastore();
    const before = begin(inner);
    await before.provide('peer-1', 3);
    const query = vi.spyOn(inner, 'queryKeys').mockImplementationOnce(() => {
      throw new Error('not open');
    });
    const { datastore } = begin(inner);
    for (const expected of [0, 0, 3]) {
      expect(datastore.storedRecords).toBe(expected);
      await settled();
    }
    expect(query).toHaveBeenCalledTimes(2);
  });
});
