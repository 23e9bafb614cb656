import { MemoryDatastore } from 'datastore-core';
import type { Key, Pair } from 'interface-datastore';

type Awaitable<T> = T | Promise<T>;

/** A datastore that fails, or hangs as if the process had died, when a test wants it. */
export class FakeDatastore extends MemoryDatastore {
  /** Acts that fail from now on. */
  readonly failing = new Set<'put' | 'delete' | 'query'>();
  /** Every key that was put or deleted, in order. */
  readonly written: string[] = [];
  /** What the next writes wait for, one each. */
  readonly waits: Promise<void>[] = [];
  readonly #held = new Map<'get' | 'query', Promise<void>>();
  /** How many more writes there are before everything hangs. */
  writesLeft = Number.POSITIVE_INFINITY;
  /** Whether the write in which it happens is done. */
  isLastDone = false;

  override put(key: Key, value: Uint8Array): Awaitable<Key> {
    return this.#write('put', key, () => super.put(key, value));
  }

  override delete(key: Key): Awaitable<void> {
    return this.#write('delete', key, () => super.delete(key));
  }

  override query(...args: Parameters<MemoryDatastore['query']>): ReturnType<MemoryDatastore['query']> {
    if (this.failing.has('query')) throw new Error('the disk is gone');
    const held = this.#held.get('query');
    return held === undefined ? super.query(...args) : after(held, () => super.query(...args));
  }

  override get(...args: Parameters<MemoryDatastore['get']>): ReturnType<MemoryDatastore['get']> {
    const held = this.#held.get('get');
    return held === undefined ? super.get(...args) : held.then(() => super.get(...args));
  }

  /** Lets an act take until it is resolved. */
  hold(act: 'get' | 'query'): PromiseWithResolvers<void> {
    const waiting = Promise.withResolvers<void>();
    this.#held.set(act, waiting.promise);
    return waiting;
  }

  /** Everything that is in it. */
  async all(): Promise<Pair[]> {
    const pairs: Pair[] = [];
    for await (const pair of super.query({})) pairs.push(pair);
    return pairs;
  }

  /** The same content, for whoever starts after a crash. */
  async copy(): Promise<FakeDatastore> {
    const copy = new FakeDatastore();
    for (const { key, value } of await this.all()) await copy.put(key, value.slice());
    return copy;
  }

  #write<T>(act: 'put' | 'delete', key: Key, write: () => Awaitable<T>): Awaitable<T> {
    if (this.failing.has(act)) throw new Error('the disk is full');
    this.written.push(key.toString());
    this.writesLeft -= 1;
    const wait = this.waits.shift();
    if (this.writesLeft > 0) return wait === undefined ? write() : wait.then(write);
    if (this.writesLeft === 0 && this.isLastDone) void write();
    // A process that has died goes nowhere from here.
    return new Promise<never>(() => {});
  }
}

async function* after<T>(held: Promise<void>, query: () => Awaitable<AsyncIterable<T> | Iterable<T>>) {
  await held;
  yield* await query();
}
