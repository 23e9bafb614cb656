import { createHash } from 'node:crypto';
import { orAbort } from '@lloom/core';
import { Key, type Datastore } from 'interface-datastore';
import { noPeers, noStore, storedKinds, storedValueOf } from '../internal/peersStore.ts';
import type { Log, PeersStore, StoredPeers, StoredValues } from '../ports.ts';

const root = '/lloom/peers';
/** Where damaged records are, for whoever wants to look at them; nothing reads them again. */
const damagedRoot = '/lloom/peers-damaged';
const version = 1;
/** How much of SHA-256 is kept, in hexadecimal digits. */
const checksumLength = 32;

type Kind = keyof StoredValues;

/** Bounds of a store. */
export interface StoreLimits {
  /** Fires when the datastore has had time enough to answer. @default after 10 s, by the time of the system */
  readonly deadline?: () => AbortSignal;
  /** How many records of a kind are read. @default 100_000 - ten times what the defaults let be written */
  readonly maxRecords?: number;
  /** How many records may wait for a datastore that does not get on. @default 100_000 */
  readonly maxWaiting?: number;
  /** How many damaged records are moved away; those beyond stay where they are, and are told of at each start. @default 1_000 */
  readonly maxDamaged?: number;
}

const defaults: Required<StoreLimits> = {
  deadline: () => AbortSignal.timeout(10_000),
  maxRecords: 100_000,
  maxWaiting: 100_000,
  maxDamaged: 1_000,
};
/** How many records one write takes. */
const maxTogether = 1_000;

/**
 * A store in a datastore; one that keeps nothing when there is none.
 *
 * A datastore that hangs holds nobody up: reading goes as far as it gets in ten seconds, a write that takes longer rejects
 * though it may still be done, and `settled` waits no longer than that.
 *
 * What is not in force because it could not be read is told by a warning of the process, `LLOOM_PEERS_NOT_LOADED` or, of records
 * that are damaged, `LLOOM_PEERS_DAMAGED`: whoever runs the node believes otherwise that bans hold.
 */
export function peersStoreOf(
  datastore: Datastore | undefined,
  log: Log,
  limits: StoreLimits = {},
): PeersStore {
  return datastore === undefined ? noStore : new DatastoreStore(datastore, log, { ...defaults, ...limits });
}

/** What a record is to become. */
interface Waiting {
  /** Absent: it is deleted. */
  value: Uint8Array | undefined;
  /** What is written elsewhere together with it. */
  readonly copy: Copy | undefined;
  readonly done: PromiseWithResolvers<void>;
}

interface Copy {
  readonly key: string;
  readonly bytes: Uint8Array;
}

/** What comes of reading. */
interface Reading {
  readonly into: ReturnType<typeof noPeers>;
  /** By the key. */
  readonly damaged: Map<string, { readonly kind: Kind; readonly bytes: Uint8Array }>;
  /** Why not everything of a kind is there. */
  readonly missing: Map<Kind, string>;
  readonly signal: AbortSignal;
}

/**
 * One record for each peer and kind, `/lloom/peers/<kind>/<peer id>`: a line of JSON with its version and a checksum over all of
 * it and the key. What is asked for while a write is under way is written together, and once for each record.
 */
class DatastoreStore implements PeersStore {
  readonly #datastore: Datastore;
  readonly #log: Log;
  readonly #limits: Required<StoreLimits>;
  readonly #waiting = new Map<string, Waiting>();
  #writing: Promise<void> | undefined;
  /** Why everything fails while a write has been under way for too long. */
  #stall: Error | undefined;
  /** What was asked for while records are read. */
  #touched: Set<string> | undefined;

  constructor(datastore: Datastore, log: Log, limits: Required<StoreLimits>) {
    this.#datastore = datastore;
    this.#log = log;
    this.#limits = limits;
  }

  async load(): Promise<StoredPeers> {
    const signal = this.#limits.deadline();
    const reading: Reading = { into: noPeers(), damaged: new Map(), missing: new Map(), signal };
    const touched = (this.#touched = new Set<string>());
    // What was asked for before is read back as it was written, and not as it was.
    if (this.#writing !== undefined) await orAbort(this.#writing, signal).catch(() => undefined);
    let failures = 0;
    let failure: Error | undefined;
    for (const kind of storedKinds) {
      try {
        await this.#read(kind, reading);
      } catch (error) {
        failures++;
        failure = failureOf(error);
        reading.missing.set(kind, failure.message);
        this.#log('could not read all that was kept of a kind', failure, { kind });
      }
    }
    const { damaged, into, missing } = reading;
    if (missing.size > 0) warn('LLOOM_PEERS_NOT_LOADED', missingText(reading));
    const isEmpty = Object.values(into).every(({ size }) => size === 0);
    const lost = failures === storedKinds.length && isEmpty ? failure : undefined;
    const moved = lost !== undefined || damaged.size === 0 ? 0 : await this.#countMoved(signal);
    this.#touched = undefined;
    if (lost !== undefined) throw lost;
    // What was written anew meanwhile stays.
    for (const key of touched) damaged.delete(key);
    if (damaged.size > 0) this.#moveAway(damaged, moved);
    return into;
  }

  put<K extends Kind>(kind: K, peerId: string, value: StoredValues[K]): Promise<void> {
    const key = keyOf(kind, peerId);
    return this.#write(key, new TextEncoder().encode(seal(key, version, value)));
  }

  delete(kind: Kind, peerId: string): Promise<void> {
    return this.#write(keyOf(kind, peerId), undefined);
  }

  async settled(): Promise<void> {
    if (this.#writing === undefined) return;
    try {
      await orAbort(this.#writing, this.#limits.deadline());
    } catch (error) {
      this.#log('gave up waiting for what is being written', failureOf(error));
    }
  }

  /** Adds the records of a kind, as far as they can be read. */
  async #read(kind: Kind, reading: Reading): Promise<void> {
    const { maxRecords } = this.#limits;
    const { missing, signal } = reading;
    const prefix = `${root}/${kind}/`;
    const iterator = iteratorOf(this.#datastore.query({ prefix }, { signal }));
    let newer = 0;
    let count = 0;
    try {
      for (;;) {
        const next = await orAbort(Promise.resolve(iterator.next()), signal);
        if (next.done === true) break;
        if (++count > maxRecords) {
          const text = `more than ${maxRecords} records of ${kind} are kept`;
          this.#log('more is kept than is read', new Error(`${text}: the others are left out`), { kind });
          missing.set(kind, text);
          break;
        }
        if (!this.#take(kind, { key: next.value.key.toString(), bytes: next.value.value }, reading)) newer++;
      }
    } finally {
      // One that hangs is not waited for.
      Promise.resolve(iterator.return?.()).catch(() => undefined);
    }
    if (newer > 0) missing.set(kind, `${newer} were written by a newer version`);
  }

  /** False when another version wrote it, of which nothing is known. */
  #take(kind: Kind, { key, bytes }: Copy, { into, damaged }: Reading): boolean {
    const record = unseal(key, bytes);
    // It may be of use to a newer program.
    if (record !== undefined && record.version !== version) return false;
    const value = record && storedValueOf(kind, record.value);
    const peerId = peerIdOf(kind, key);
    if (value === undefined || peerId === undefined) damaged.set(key, { kind, bytes });
    else (into[kind] as Map<string, unknown>).set(peerId, value);
    return true;
  }

  /** Moves damaged records to where they are not read again, as far as there is room beside those that are there. */
  #moveAway(damaged: Reading['damaged'], moved: number): void {
    const first = new Error([...damaged.keys()][0]);
    this.#log('records of peers are damaged and left out', first, { records: damaged.size });
    warn('LLOOM_PEERS_DAMAGED', damagedText([...damaged.values()].map(({ kind }) => kind)));
    for (const [key, { bytes }] of [...damaged].slice(0, this.#limits.maxDamaged - moved)) {
      const copy = { key: `${damagedRoot}${key.slice(root.length)}`, bytes };
      this.#write(key, undefined, copy).catch((error: unknown) =>
        this.#log('could not move a damaged record away', error),
      );
    }
  }

  /** As many as there is room for when that cannot be known: then nothing is moved. */
  async #countMoved(signal: AbortSignal): Promise<number> {
    const { maxDamaged } = this.#limits;
    let count = 0;
    try {
      const iterator = iteratorOf(this.#datastore.queryKeys({ prefix: `${damagedRoot}/` }, { signal }));
      try {
        while (count < maxDamaged) {
          const next = await orAbort(Promise.resolve(iterator.next()), signal);
          if (next.done === true) break;
          count++;
        }
      } finally {
        Promise.resolve(iterator.return?.()).catch(() => undefined);
      }
      return count;
    } catch (error) {
      this.#log('could not count the damaged records that were moved away', failureOf(error));
      return maxDamaged;
    }
  }

  #write(key: string, value: Uint8Array | undefined, copy?: Copy): Promise<void> {
    this.#touched?.add(key);
    const before = this.#waiting.get(key);
    if (before !== undefined) {
      before.value = value;
      return before.done.promise;
    }
    if (this.#waiting.size >= this.#limits.maxWaiting)
      return Promise.reject(new Error(`${this.#waiting.size} records wait for the datastore already`));
    const done = Promise.withResolvers<void>();
    done.promise.catch(() => undefined);
    this.#waiting.set(key, { value, copy, done });
    this.#writing ??= this.#writeAll();
    if (this.#stall !== undefined) done.reject(this.#stall);
    return done.promise;
  }

  /** One write after the other. Never rejects. */
  async #writeAll(): Promise<void> {
    // What is asked for in the same turn is written together.
    await Promise.resolve();
    while (this.#waiting.size > 0) {
      const batch = [...this.#waiting.entries().take(maxTogether)];
      for (const [key] of batch) this.#waiting.delete(key);
      await this.#commit(batch);
    }
    this.#writing = undefined;
  }

  async #commit(entries: readonly (readonly [string, Waiting])[]): Promise<void> {
    const commit = async (): Promise<void> => {
      const batch = this.#datastore.batch();
      for (const [key, { copy, value }] of entries) {
        if (copy !== undefined) batch.put(new Key(copy.key), copy.bytes);
        if (value === undefined) batch.delete(new Key(key));
        else batch.put(new Key(key), value);
      }
      await batch.commit();
    };
    const writing = commit();
    try {
      await orAbort(writing, this.#limits.deadline());
      for (const [, { done }] of entries) done.resolve();
    } catch (error) {
      const failure = failureOf(error);
      for (const [, { done }] of entries) done.reject(failure);
      if (failure instanceof NoAnswer) await this.#sitOut(writing, failure);
    }
  }

  /** Nothing overtakes a write that may still be done: what waits is written then, but nobody waits for it so long. */
  async #sitOut(writing: Promise<void>, stall: NoAnswer): Promise<void> {
    this.#stall = stall;
    for (const { done } of this.#waiting.values()) done.reject(stall);
    await writing.catch(() => undefined);
    this.#stall = undefined;
  }
}

function keyOf(kind: Kind, peerId: string): string {
  return `${root}/${kind}/${encodeURIComponent(peerId.toWellFormed())}`;
}

function peerIdOf(kind: Kind, key: string): string | undefined {
  try {
    return decodeURIComponent(key.slice(`${root}/${kind}/`.length));
  } catch {
    return undefined;
  }
}

/** Every version begins so. */
function seal(key: string, ofVersion: number, value: unknown): string {
  const content = `"version":${ofVersion},"value":${JSON.stringify(value)}}`;
  const checksum = createHash('sha256').update(key).update('\n').update(content).digest('hex');
  return `{"checksum":"${checksum.slice(0, checksumLength)}",${content}`;
}

/** `undefined` when a single bit is not as it was written. */
function unseal(key: string, bytes: Uint8Array): { version: number; value: unknown } | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    const record = JSON.parse(text) as { version: number; value: unknown } | null;
    // What is read must come out as the same line again.
    return record !== null && seal(key, record.version, record.value) === text ? record : undefined;
  } catch {
    return undefined;
  }
}

/** What `query` may give: it is not said whether it waits. */
function iteratorOf<T>(items: AsyncIterable<T> | Iterable<T>): AsyncIterator<T> | Iterator<T> {
  return Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
}

const nouns: Record<Kind, string> = {
  ban: 'bans',
  maintained: 'maintained peers',
  addresses: 'added addresses',
  reputation: 'reputations',
};

function missingText({ into, missing }: Reading): string {
  const told = [...missing].map(([kind, why]) => `${nouns[kind]} (${into[kind].size} are in force; ${why})`);
  return `Not everything that was kept of peers is in force: ${told.join(', ')}.`;
}

function damagedText(damaged: readonly Kind[]): string {
  const told = storedKinds
    .map((kind) => ({ kind, count: damaged.filter((other) => other === kind).length }))
    .filter(({ count }) => count > 0)
    .map(({ kind, count }) => `${nouns[kind]}: ${count}`);
  return (
    `Records that were kept of peers are damaged and not in force (${told.join(', ')}). They are moved to "${damagedRoot}" in the ` +
    'datastore, as far as there is room.'
  );
}

function warn(code: string, message: string): void {
  process.emitWarning(message, { type: 'LloomWarning', code });
}

class NoAnswer extends Error {}

/** What a datastore threw, or that it took too long. */
function failureOf(error: unknown): Error {
  if (error instanceof DOMException && error.name === 'TimeoutError')
    return new NoAnswer('the datastore has not answered in time', { cause: error });
  return error instanceof Error ? error : new Error('the datastore failed', { cause: error });
}
