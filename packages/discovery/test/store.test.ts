import { decodeDescriptorFrame } from '@lloom/codec';
import { Key } from 'interface-datastore';
import { describe, expect, it } from 'vitest';
import { openStore } from '../src/adapters/store.ts';
import { FakeDatastore } from './datastores.ts';
import { descriptorFrame, executor, FakeClock, peerIds } from './fakes.ts';
import { settled } from './machines.ts';

const { bob, carol } = peerIds;
const dayMs = 86_400_000;

function open(datastore = new FakeDatastore(), clock = new FakeClock()) {
  const errors: unknown[] = [];
  const store = openStore(datastore, { clock, onError: (_, error) => errors.push(error) });
  const message = async (peerId: string, sequence = 1, services = [executor()]) =>
    decodeDescriptorFrame(await descriptorFrame(peerId, services, { clock, descriptor: { sequence } }))!;
  const keep = async (...args: Parameters<typeof message>): Promise<void> => {
    store.keep(await message(...args));
    await store.settled();
  };
  return { clock, datastore, errors, store, message, keep };
}

/** What the next start finds. */
async function reopened(datastore: FakeDatastore, clock = new FakeClock()) {
  const next = open(datastore, clock);
  const usedSequence = await next.store.loadSequence();
  const found = await next.store.loadPeers();
  await next.store.settled();
  return { usedSequence, ...found, ...next, peers: found.messages.map(({ payload }) => payload.peerId) };
}

describe('what is kept of peers', () => {
  it('is found again after a restart, to the byte, the one signed first first', async () => {
    const { clock, datastore, keep, message } = open();
    await keep(bob);
    const said = await message(bob);
    await clock.advance(1_000);
    await keep(carol, 7);
    const { messages, damaged, usedSequence } = await reopened(datastore);
    expect(messages.map(({ payload }) => [payload.peerId, payload.sequence])).toEqual([
      [bob, 1],
      [carol, 7],
    ]);
    expect(messages[0]).toEqual(said);
    expect([damaged, usedSequence]).toEqual([0, 0]);
  });

  it('is the last that each has said', async () => {
    const { datastore, keep } = open();
    await keep(bob, 1);
    await keep(bob, 2, [executor(['other'])]);
    const { messages } = await reopened(datastore);
    expect(messages.map(({ payload }) => payload.services)).toEqual([[executor(['other'])]]);
  });

  it('is the last that each has said, however fast it comes', async () => {
    const { datastore, store, message } = open();
    for (let sequence = 1; sequence <= 20; sequence++) store.keep(await message(bob, sequence));
    await store.settled();
    expect((await reopened(datastore)).messages.map(({ payload }) => payload.sequence)).toEqual([20]);
  });

  it('is the last that each has said, also when the disk is slower with the first', async () => {
    const { datastore, store, message } = open();
    const { promise, resolve } = Promise.withResolvers<void>();
    datastore.waits.push(promise, Promise.resolve());
    store.keep(await message(bob, 1));
    store.keep(await message(bob, 2));
    await settled();
    resolve();
    await store.settled();
    expect((await reopened(datastore)).messages.map(({ payload }) => payload.sequence)).toEqual([2]);
  });

  it('is written again every five minutes at most when it is the same', async () => {
    const { clock, datastore, keep } = open();
    await keep(bob);
    await clock.advance(299_999);
    await keep(bob);
    expect(datastore.written).toHaveLength(1);
    await clock.advance(1);
    await keep(bob);
    expect(datastore.written).toHaveLength(2);
  });

  it('is of 1,024 peers at most: the one written longest ago goes first', async () => {
    const { datastore, store, message, keep } = open();
    for (let index = 0; index < 1_024; index++) store.keep(await message(`peer-${index}`));
    await keep('peer-0', 2);
    await keep('peer-x');
    const { peers } = await reopened(datastore);
    expect(peers).toHaveLength(1_024);
    expect(['peer-0', 'peer-1', 'peer-x'].map((peerId) => peers.includes(peerId))).toEqual([
      true,
      false,
      true,
    ]);
  });

  it('is within the bound also after a restart', async () => {
    const { datastore, store, message } = open();
    for (let index = 0; index < 1_024; index++) store.keep(await message(`peer-${index}`));
    await store.settled();
    const next = await reopened(datastore);
    await next.keep('peer-x');
    expect((await reopened(datastore)).peers).toHaveLength(1_024);
  });

  it('is forgotten when nothing was heard for seven days', async () => {
    const { clock, datastore, keep } = open();
    await keep(bob);
    await clock.advance(1);
    await keep(carol);
    const later = new FakeClock();
    later.set(7 * dayMs + 1);
    expect((await reopened(datastore, later)).peers).toEqual([carol]);
    expect(await datastore.all()).toHaveLength(1);
  });

  it('is not lost to the rest of the service when it cannot be written', async () => {
    const { datastore, errors, keep } = open();
    datastore.failing.add('put');
    await keep(bob);
    expect(errors).toEqual([new Error('the disk is full')]);
    datastore.failing.clear();
    await keep(bob, 2);
    expect((await reopened(datastore)).peers).toEqual([bob]);
  });

  it('can be missing', async () => {
    const { store, message } = {
      ...open(),
      store: openStore(undefined, { clock: new FakeClock(), onError() {} }),
    };
    store.keep(await message(bob));
    await store.reserve(1);
    await store.settled();
    expect(await store.loadSequence()).toBe(0);
    expect(await store.loadPeers()).toEqual({ messages: [], damaged: 0 });
  });
});

describe('what waits for a slow datastore', () => {
  /** An offer of about 60,000 bytes. */
  const large = [executor(Array.from({ length: 240 }, (_, at) => `${at}`.padEnd(250, 'x')))];

  /** A store whose first write, of Carol, takes until the returned function is called. */
  async function stuck() {
    const made = open();
    const { promise, resolve } = Promise.withResolvers<void>();
    made.datastore.waits.push(promise);
    made.store.keep(await made.message(carol));
    await settled();
    const end = async (): Promise<void> => {
      resolve();
      await made.store.settled();
    };
    return { ...made, end };
  }

  it('is of each peer the last that it has said, however much it says', async () => {
    const { datastore, errors, store, message, end } = await stuck();
    for (let sequence = 1; sequence <= 100; sequence++) store.keep(await message(bob, sequence, large));
    await end();
    expect([datastore.written.length, errors]).toEqual([2, []]);
    expect((await reopened(datastore)).messages.at(-1)?.payload).toMatchObject({
      peerId: bob,
      sequence: 100,
    });
  });

  it('is 4 MiB at most: what comes then is dropped, said once in the log, and kept when there is room', async () => {
    const { datastore, errors, store, message, end } = await stuck();
    for (let index = 0; index < 100; index++) store.keep(await message(`peer-${index}`, 1, large));
    expect(errors).toEqual([new Error('more than 4194304 bytes wait for the datastore')]);
    await end();
    expect(datastore.written.length).toBeGreaterThan(64);
    expect(datastore.written.length).toBeLessThan(72);
    store.keep(await message('peer-99', 1, large));
    await store.settled();
    expect((await reopened(datastore)).peers).toContain('peer-99');
  });
});

describe('what is kept while the records are read', () => {
  it('is newer than they are, and is not deleted as one of them', async () => {
    const datastore = new FakeDatastore();
    await open(datastore).keep(bob);
    const clock = new FakeClock();
    clock.set(8 * dayMs);
    const { store, message } = open(datastore, clock);
    const loading = store.loadPeers();
    store.keep(await message(bob, 2));
    await loading;
    await store.settled();
    expect((await reopened(datastore, clock)).messages.map(({ payload }) => payload.sequence)).toEqual([2]);
  });
});

describe('a damaged record', () => {
  /** One record of Bob in a datastore, and what is made of it when it is changed. */
  async function damage(change: (value: Uint8Array) => Uint8Array) {
    const { datastore, keep } = open();
    await keep(bob);
    const [pair] = await datastore.all();
    await datastore.put(pair!.key, change(pair!.value.slice()));
    const { damaged, messages } = await reopened(datastore);
    return { damaged, found: messages.length, left: (await datastore.all()).length };
  }
  const dropped = { damaged: 1, found: 0, left: 0 };

  it('is dropped and deleted, whichever bit of it is another one', async () => {
    const { datastore, keep } = open();
    await keep(bob);
    const [pair] = await datastore.all();
    const value = pair!.value;
    let found = 0;
    for (let bit = 0; bit < value.length * 8; bit++) {
      const changed = value.slice();
      changed[bit >> 3]! ^= 1 << (bit & 7);
      await datastore.put(pair!.key, changed);
      const { messages, damaged } = await open(datastore).store.loadPeers();
      found += messages.length + (1 - damaged);
    }
    expect([found, value.length > 100]).toEqual([0, true]);
  });

  it.each<[string, (value: Uint8Array) => Uint8Array]>([
    ['is empty', () => new Uint8Array()],
    ['has lost its end', (value) => value.subarray(0, -1)],
    ['has lost all but its checksum', (value) => value.subarray(0, 16)],
    ['is shorter than a checksum', (value) => value.subarray(0, 15)],
    ['has grown', (value) => new Uint8Array([...value, 0])],
    ['is all zeros', (value) => value.fill(0)],
  ])('is dropped when it %s', async (_, change) => {
    expect(await damage(change)).toEqual(dropped);
  });

  it('is never taken for that of another peer', async () => {
    const { datastore, keep } = open();
    await keep(bob);
    const [pair] = await datastore.all();
    await datastore.put(new Key(pair!.key.toString().replace(bob, carol)), pair!.value);
    const { damaged, peers } = await reopened(datastore);
    expect([damaged, peers]).toEqual([1, [bob]]);
  });

  it('costs only itself', async () => {
    const { datastore, keep } = open();
    await keep(bob);
    await keep(carol);
    const [first] = await datastore.all();
    await datastore.put(first!.key, new Uint8Array(100));
    const { damaged, peers } = await reopened(datastore);
    expect([damaged, peers.length]).toEqual([1, 1]);
  });
});

describe('the own sequence number', () => {
  it('is set aside a minute ahead, so that it is seldom written', async () => {
    const { datastore, store } = open();
    await store.reserve(1_000);
    await store.reserve(6_000);
    expect(datastore.written).toHaveLength(1);
    await store.reserve(6_001);
    expect(datastore.written).toHaveLength(2);
    expect((await reopened(datastore)).usedSequence).toBe(11_001);
  });

  it('never becomes a smaller one, whatever is asked for at the same time', async () => {
    const { datastore, store } = open();
    await Promise.all([500_000, 100, 300_000].map((sequence) => store.reserve(sequence)));
    expect((await reopened(datastore)).usedSequence).toBe(505_000);
  });

  it('is set aside when the one that was used is read, never in place of it', async () => {
    const datastore = new FakeDatastore();
    await open(datastore).store.reserve(500_000);
    const { store } = open(datastore);
    const [used] = await Promise.all([store.loadSequence(), store.reserve(1_000)]);
    expect([used, (await reopened(datastore)).usedSequence]).toEqual([505_000, 505_000]);
  });

  it('is not set aside when it could not be written, and is the next time', async () => {
    const { datastore, store } = open();
    datastore.failing.add('put');
    await expect(store.reserve(1_000)).rejects.toThrow('the disk is full');
    datastore.failing.clear();
    await store.reserve(1_000);
    expect((await reopened(datastore)).usedSequence).toBe(6_000);
  });

  it.each([
    ['damaged', (value: Uint8Array) => value.fill(1)],
    ['cut', (value: Uint8Array) => value.subarray(0, -1)],
  ])('is unknown when its record is %s', async (_, change) => {
    const { datastore, store } = open();
    await store.reserve(1_000);
    const [pair] = await datastore.all();
    await datastore.put(pair!.key, change(pair!.value));
    expect((await reopened(datastore)).usedSequence).toBe(0);
  });
});
