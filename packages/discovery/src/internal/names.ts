import type { Directory } from '../ports.ts';
import type { FoundPeer, ServiceQuery } from '../types.ts';
import { keyOf } from './services.ts';
import { shardKeys } from './shards.ts';

/** Parts that are looked up at the same time. */
const concurrency = 4;

/** What naming peers takes. */
export interface NamesPorts {
  readonly directory: Pick<Directory, 'find'>;
  /** How many providers the DHT names for one key, at most. */
  readonly maxNamed: number;
  /** Where to begin with the parts, from 0 to 1. */
  readonly chance: number;
}

/**
 * Whom the DHT names. It ends a look-up at `maxNamed` providers; when there are half as many, there may be more, and the
 * parts of the key are looked up as well.
 *
 * @throws what the DHT throws, after whom it has named until then
 */
export async function* names(
  ports: NamesPorts,
  query: ServiceQuery,
  signal: AbortSignal,
): AsyncGenerator<FoundPeer, void, undefined> {
  const key = keyOf(query);
  const named = new Set<string>();
  let failure: { readonly error: unknown } | undefined;
  try {
    for await (const peer of ports.directory.find(key, { signal })) {
      named.add(peer.peerId);
      yield peer;
    }
  } catch (error) {
    failure = { error };
  }
  if (named.size >= ports.maxNamed / 2 && !signal.aborted) {
    const parts = shardKeys(key, ports.chance).map((part) => () => ports.directory.find(part, { signal }));
    yield* merged(parts, concurrency);
  }
  if (failure !== undefined) throw failure.error;
}

/** What several sources give, a few of them at a time. One that fails gives no more; the others go on. */
export async function* merged<T>(
  sources: readonly (() => AsyncIterable<T>)[],
  atOnce: number,
): AsyncGenerator<T, void, undefined> {
  const waiting = [...sources];
  const running = new Map<
    AsyncIterator<T>,
    Promise<{ source: AsyncIterator<T>; result: IteratorResult<T> }>
  >();
  const advance = (source: AsyncIterator<T>): void => {
    const ended: IteratorResult<T> = { done: true, value: undefined };
    const next = source.next().then(
      (result) => ({ source, result }),
      () => ({ source, result: ended }),
    );
    running.set(source, next);
  };
  try {
    for (;;) {
      while (running.size < atOnce && waiting.length > 0) advance(waiting.shift()!()[Symbol.asyncIterator]());
      if (running.size === 0) return;
      const { source, result } = await Promise.race(running.values());
      running.delete(source);
      if (result.done === true) continue;
      advance(source);
      yield result.value;
    }
  } finally {
    for (const source of running.keys()) void Promise.resolve(source.return?.()).catch(() => undefined);
  }
}
