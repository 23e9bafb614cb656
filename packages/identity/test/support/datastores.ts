import { BaseDatastore, MemoryDatastore } from 'datastore-core';
import type { Batch, Datastore, Key, Pair, Query } from 'interface-datastore';

/** A datastore whose writes wait until they are let go, or fail. */
export class HeldDatastore extends BaseDatastore {
  readonly inner = new MemoryDatastore();
  readonly #held: (() => void)[] = [];
  isHolding = false;
  failure: Error | undefined;
  writes = 0;

  /** Lets the writes go on that wait by now. */
  release(): void {
    for (const go of this.#held.splice(0)) go();
  }

  override async put(key: Key, value: Uint8Array): Promise<Key> {
    this.writes += 1;
    if (this.isHolding) await new Promise<void>((resolve) => this.#held.push(resolve));
    if (this.failure !== undefined) throw this.failure;
    return this.inner.put(key, value);
  }

  override get(key: Key): Uint8Array | Promise<Uint8Array> {
    return this.inner.get(key);
  }

  override has(key: Key): boolean | Promise<boolean> {
    return this.inner.has(key);
  }

  override batch(): Batch {
    return this.inner.batch();
  }

  override query(query: Query): AsyncGenerator<Pair> {
    return this.inner.query(query) as AsyncGenerator<Pair>;
  }
}

/** Everything that is in a datastore. */
export async function recordsOf(datastore: Datastore): Promise<Pair[]> {
  const records: Pair[] = [];
  for await (const record of datastore.query({})) records.push(record);
  return records;
}
