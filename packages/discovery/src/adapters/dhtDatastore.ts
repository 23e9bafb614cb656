import { Key, type Batch, type Datastore, type KeyQuery, type Pair, type Query } from 'interface-datastore';
import { DhtQuota, type DhtDatastoreConfig, type DhtDatastoreStats } from '../internal/dhtQuota.ts';

/** A datastore in which the DHT has bounded room. */
export interface BoundedDhtDatastore extends Datastore {
  readonly dhtStats: DhtDatastoreStats;
  /**
   * How many records this node keeps for others: those that were put, and what peers say to provide. What was there before a
   * restart is counted a moment after the first read, write or look at this number.
   */
  readonly storedRecords: number;
}

/**
 * The same datastore, but for what peers make the DHT of this node store: stock kad-dht stores without bound whatever
 * one peer says to provide. Kept are 4,096 provided keys a peer and 65,536 in all, 1,024 records and 8 MiB of them.
 *
 * - What one peer provides beyond its share is dropped, and counted in `dhtStats`; nobody is told.
 * - When there is no room in all, the peer that provides most loses a key to one that provides less.
 * - When there is no room for a record, the one that was written longest ago goes.
 *
 * What was deleted, as the DHT does with what has expired, does not count any more. Give all of the node this datastore,
 * and write to the other one nowhere else; what it holds of the DHT already is counted before the first write.
 *
 * @example
 * ```ts
 * const node = await createLibp2p({ datastore: boundedDhtDatastore(datastore, { ownPeerId }), ...rest });
 * ```
 */
export function boundedDhtDatastore(datastore: Datastore, config: DhtDatastoreConfig): BoundedDhtDatastore {
  return new DhtDatastore(datastore, config);
}

type Options = Parameters<Datastore['get']>[1];

class DhtDatastore implements BoundedDhtDatastore {
  readonly #inner: Datastore;
  readonly #quota: DhtQuota;
  #counted: Promise<void> | undefined;
  #hasBegun = false;

  constructor(inner: Datastore, config: DhtDatastoreConfig) {
    this.#inner = inner;
    this.#quota = new DhtQuota(config);
  }

  get dhtStats(): DhtDatastoreStats {
    return this.#quota.stats;
  }

  get storedRecords(): number {
    this.#hasBegun = false;
    this.#countOnce();
    return this.#quota.size;
  }

  put(key: Key, value: Uint8Array, options?: Options): Key | Promise<Key> {
    if (!this.#quota.covers(key.toString())) return this.#inner.put(key, value, options);
    return this.#putBounded(key, value, options);
  }

  async *putMany(source: Iterable<Pair> | AsyncIterable<Pair>, options?: Options): AsyncGenerator<Key> {
    yield* this.#inner.putMany(this.#admitted(source), options);
  }

  delete(key: Key, options?: Options): void | Promise<void> {
    if (!this.#quota.covers(key.toString())) return this.#inner.delete(key, options);
    return this.#deleteBounded(key, options);
  }

  async *deleteMany(source: Iterable<Key> | AsyncIterable<Key>, options?: Options): AsyncGenerator<Key> {
    for await (const key of this.#inner.deleteMany(source, options)) {
      await this.#count();
      this.#quota.remove(key.toString());
      yield key;
    }
  }

  batch(): Batch {
    const batch = this.#inner.batch();
    let bounded: (Pair | Key)[] = [];
    const isBounded = (key: Key): boolean => this.#quota.covers(key.toString());
    return {
      put: (key, value) => {
        if (isBounded(key)) bounded.push({ key, value });
        else batch.put(key, value);
      },
      delete: (key) => {
        if (isBounded(key)) bounded.push(key);
        else batch.delete(key);
      },
      commit: async (options) => {
        const entries = bounded;
        bounded = [];
        await batch.commit(options);
        for (const entry of entries) {
          if ('value' in entry) await this.put(entry.key, entry.value, options);
          else await this.delete(entry, options);
        }
      },
    };
  }

  get(key: Key, options?: Options): Uint8Array | Promise<Uint8Array> {
    this.#countOnce();
    return this.#inner.get(key, options);
  }

  getMany(source: Iterable<Key> | AsyncIterable<Key>, options?: Options): ReturnType<Datastore['getMany']> {
    return this.#inner.getMany(source, options);
  }

  has(key: Key, options?: Options): boolean | Promise<boolean> {
    return this.#inner.has(key, options);
  }

  query(query: Query, options?: Options): ReturnType<Datastore['query']> {
    this.#countOnce();
    return this.#inner.query(query, options);
  }

  queryKeys(query: KeyQuery, options?: Options): ReturnType<Datastore['queryKeys']> {
    return this.#inner.queryKeys(query, options);
  }

  async #putBounded(key: Key, value: Uint8Array, options: Options): Promise<Key> {
    if (await this.#makeRoom(key, value)) await this.#inner.put(key, value, options);
    return key;
  }

  async #deleteBounded(key: Key, options: Options): Promise<void> {
    await this.#count();
    this.#quota.remove(key.toString());
    await this.#inner.delete(key, options);
  }

  async *#admitted(source: Iterable<Pair> | AsyncIterable<Pair>): AsyncGenerator<Pair> {
    for await (const pair of source) {
      const isBounded = this.#quota.covers(pair.key.toString());
      if (!isBounded || (await this.#makeRoom(pair.key, pair.value))) yield pair;
    }
  }

  /** Whether there is room now. */
  async #makeRoom(key: Key, value: Uint8Array): Promise<boolean> {
    await this.#count();
    const { isKept, evicted } = this.#quota.add(key.toString(), value.length);
    for (const old of evicted) await this.#inner.delete(new Key(old, false));
    return isKept;
  }

  /** Begins to count as soon as the datastore is in use. Where that fails the next look or write tries again. */
  #countOnce(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#count().catch(() => undefined);
  }

  /** Resolves when everything that was there before the first write is counted. */
  #count(): Promise<void> {
    this.#counted ??= this.#scan().catch((error: unknown) => {
      this.#counted = undefined;
      throw error;
    });
    return this.#counted;
  }

  async #scan(): Promise<void> {
    const { providers, records } = this.#quota.prefixes;
    for await (const key of this.#inner.queryKeys({ prefix: providers })) this.#quota.note(key.toString(), 0);
    for await (const { key, value } of this.#inner.query({ prefix: records })) {
      this.#quota.note(key.toString(), value.length);
    }
  }
}
