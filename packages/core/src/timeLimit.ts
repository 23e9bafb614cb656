import { orAbort } from './orAbort.ts';
import type { Clock } from './ports.ts';

/** How long some work may take, and what else ends it. */
export interface TimeLimit {
  readonly clock: Pick<Clock, 'setTimeout' | 'clearTimeout'>;
  /** From now. */
  readonly ms: number;
  /** Ends it sooner. */
  readonly signal: AbortSignal;
}

/**
 * What some work comes to. It is told by a signal when its time is over or `signal` has fired, and waited for until it ends.
 *
 * @throws what the work threw
 * @example
 * ```ts
 * await withSignal({ clock: systemClock, ms: 1_000, signal }, (own) => peer.close({ signal: own }));
 * ```
 */
export async function withSignal<T>(
  { clock, ms, signal }: TimeLimit,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const expire = (): void => controller.abort(new Error(`the time of ${ms} ms is over`));
  const follow = (): void => controller.abort(signal.reason);
  const timer = clock.setTimeout(expire, ms);
  signal.addEventListener('abort', follow, { once: true });
  if (signal.aborted) follow();
  try {
    return await work(controller.signal);
  } finally {
    clock.clearTimeout(timer);
    signal.removeEventListener('abort', follow);
  }
}

/**
 * The same, and not waited for when it goes on in spite of the signal.
 *
 * @throws what the work threw, or why the signal fired
 * @example
 * ```ts
 * const answer = await withinTime({ clock: systemClock, ms: 1_000, signal }, (own) => peer.ask({ signal: own }));
 * ```
 */
export function withinTime<T>(limit: TimeLimit, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  return withSignal(limit, (signal) => {
    signal.throwIfAborted();
    return orAbort(work(signal), signal);
  });
}
