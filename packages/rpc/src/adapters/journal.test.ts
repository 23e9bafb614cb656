import { MemoryDatastore } from 'datastore-core';
import type { Key, Pair } from 'interface-datastore';
import { expect, test } from 'vitest';
import type { JournalEntry } from '../internal/executionJournal.ts';
import { nameOf } from '../internal/outcomes.ts';
import { DatastoreJournal, openJournal } from './journal.ts';

const signer = `0x${'ab'.repeat(20)}`;

function entry(idempotencyKey: string, changes: Partial<JournalEntry> = {}): JournalEntry {
  return {
    question: {
      name: nameOf(signer, idempotencyKey),
      signer,
      idempotencyKey,
      requestDigest: `0x${'11'.repeat(32)}`,
      prefixDigest: `0x${'00'.repeat(32)}`,
    },
    peerId: 'peer',
    acceptedAt: 1,
    inChunks: true,
    ...changes,
  };
}

const told = (idempotencyKey: string, bytes: number, acceptedAt = 1): JournalEntry =>
  entry(idempotencyKey, { outcome: 'told', answer: new Uint8Array(bytes).fill(7), acceptedAt });

/** A datastore whose writes end when a test lets them. */
class HeldDatastore extends MemoryDatastore {
  readonly writes: (() => void)[] = [];

  override async put(key: Key, value: Uint8Array): Promise<Key> {
    await this.#turn();
    return super.put(key, value) as Key;
  }

  override async delete(key: Key): Promise<void> {
    await this.#turn();
    return super.delete(key);
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.writes.push(resolve));
  }
}

test('without a datastore there is no journal', () => {
  expect(openJournal(undefined)).toBeUndefined();
  expect(openJournal(new MemoryDatastore())).toBeInstanceOf(DatastoreJournal);
});

test('what was written is found again, the oldest first, however strange its key', async () => {
  const datastore = new MemoryDatastore();
  const journal = new DatastoreJournal(datastore);
  const entries = [
    told('a', 100, 3),
    entry('../b /c\n', { acceptedAt: 1 }),
    entry('ü'.repeat(100), { outcome: 'lost', acceptedAt: 2, inChunks: false }),
    told('', 0, 4),
  ];
  for (const each of entries) await journal.put(each);
  const [third, first, second, fourth] = entries;
  expect(await new DatastoreJournal(datastore).load()).toEqual({
    entries: [first, second, third, fourth],
    damaged: 0,
  });
});

test('the last word on a question counts', async () => {
  const datastore = new MemoryDatastore();
  const journal = new DatastoreJournal(datastore);
  await journal.put(entry('a'));
  await journal.put(told('a', 10));
  await journal.put(entry('b'));
  await journal.forget([entry('b').question, entry('unknown').question]);
  expect(await journal.load()).toEqual({ entries: [told('a', 10)], damaged: 0 });
});

test('what is written of one question at the same time is written in order', async () => {
  const datastore = new HeldDatastore();
  const journal = new DatastoreJournal(datastore);
  const [first, second] = [journal.put(entry('a')), journal.put(told('a', 10))];
  const forgotten = journal.forget([entry('a').question]);
  const other = journal.put(entry('b'));
  let isSettled = false;
  const settled = journal.settled().then(() => (isSettled = true));
  await Promise.resolve();
  await Promise.resolve();
  // One of each question.
  expect(datastore.writes).toHaveLength(2);
  for (const work of [first, second, forgotten]) {
    datastore.writes.shift()!();
    if (work === first) datastore.writes.shift()!();
    await work;
    for (let time = 0; time < 5; time++) await Promise.resolve();
  }
  await other;
  await settled;
  expect(isSettled).toBe(true);
  expect(await new DatastoreJournal(datastore).load()).toEqual({ entries: [entry('b')], damaged: 0 });
});

test('when answers are too much together, the oldest are lost', async () => {
  const datastore = new MemoryDatastore();
  const journal = new DatastoreJournal(datastore, 1_000);
  for (const [index, key] of ['a', 'b', 'c'].entries()) await journal.put(told(key, 400, index));
  await journal.put(told('large', 1_001, 9));
  await journal.settled();
  const { entries } = await new DatastoreJournal(datastore).load();
  expect(
    entries.map(({ question, outcome, answer }) => [question.idempotencyKey, outcome, answer?.length]),
  ).toEqual([
    ['a', 'lost', undefined],
    ['b', 'told', 400],
    ['c', 'told', 400],
    ['large', 'lost', undefined],
  ]);
});

test('what is there already counts, too', async () => {
  const datastore = new MemoryDatastore();
  const before = new DatastoreJournal(datastore);
  for (const [index, key] of ['a', 'b'].entries()) await before.put(told(key, 400, index));
  const journal = new DatastoreJournal(datastore, 1_000);
  await journal.load();
  await journal.put(told('c', 400, 3));
  await journal.settled();
  const { entries } = await journal.load();
  expect(entries.map(({ outcome }) => outcome)).toEqual(['lost', 'told', 'told']);
});

test('any byte that is changed, and any that is missing, damages its record and no other', async () => {
  const source = new MemoryDatastore();
  await new DatastoreJournal(source).put(told('a', 5));
  const pairs: Pair[] = [];
  for await (const pair of source.query({})) pairs.push(pair);
  const { key, value } = pairs[0]!;
  for (let at = 0; at < value.length; at++)
    for (const wrong of [
      value.map((byte, index) => (index === at ? byte ^ 0x10 : byte)),
      value.subarray(0, at),
    ]) {
      const datastore = new MemoryDatastore();
      await new DatastoreJournal(datastore).put(entry('b'));
      await datastore.put(key, wrong);
      const journal = new DatastoreJournal(datastore);
      expect(await journal.load()).toEqual({ entries: [entry('b')], damaged: 1 });
      expect(await journal.load()).toEqual({ entries: [entry('b')], damaged: 0 });
    }
});

test('a write that fails is told to who writes, and hinders none after it', async () => {
  const datastore = new MemoryDatastore();
  const journal = new DatastoreJournal(datastore);
  const put = datastore.put.bind(datastore);
  datastore.put = () => {
    datastore.put = put;
    throw new Error('full');
  };
  const failing = journal.put(entry('a'));
  const following = journal.put(entry('a', { acceptedAt: 2 }));
  await expect(failing).rejects.toThrow('full');
  await following;
  await journal.settled();
  expect((await journal.load()).entries).toEqual([entry('a', { acceptedAt: 2 })]);
});
