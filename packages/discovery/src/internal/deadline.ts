import { orAbort, type Clock } from '@lloom/core';
import { DiscoveryError } from '../errors.ts';

/** A signal that fires by itself. */
export interface Deadline {
  readonly signal: AbortSignal;
  /** Whether it fired because the time was over, and not because another signal did. */
  readonly expired: boolean;
  /** Forgets the time. Call it when the work is done. */
  clear(): void;
}

/** Signals of which some may be missing. */
export type Signals = readonly (AbortSignal | undefined)[];

/** A signal that fires after `ms`, or as soon as another one does. */
export function startDeadline(clock: Clock, ms: number, signals: Signals = []): Deadline {
  const controller = new AbortController();
  let expired = false;
  const expire = (): void => {
    expired = true;
    controller.abort(new Error(`the time of ${ms} ms is over`));
  };
  const timer = clock.setTimeout(expire, ms);
  const clear = (): void => {
    clock.clearTimeout(timer);
    for (const signal of signals) signal?.removeEventListener('abort', follow);
  };
  const follow = (): void => {
    clear();
    controller.abort(new Error('it was given up'));
  };
  for (const signal of signals) signal?.addEventListener('abort', follow, { once: true });
  if (signals.some((signal) => signal?.aborted)) follow();
  return {
    signal: controller.signal,
    get expired() {
      return expired;
    },
    clear,
  };
}

/** What the caller is told when an act ended because the service stopped, or because the caller wanted it. */
export function interruption(
  act: string,
  by: { readonly stop: AbortSignal | undefined; readonly signal: AbortSignal | undefined },
): DiscoveryError<'STOPPED' | 'CANCELLED'> | undefined {
  if (by.stop === undefined || by.stop.aborted) return new DiscoveryError('STOPPED', { act });
  return by.signal?.aborted === true ? new DiscoveryError('CANCELLED', { act }) : undefined;
}

/**
 * The same promise, given up after `ms`.
 * @throws {Error} when the time is over
 */
export async function within<T>(clock: Clock, ms: number, promise: Promise<T>): Promise<T> {
  const deadline = startDeadline(clock, ms);
  try {
    return await orAbort(promise, deadline.signal);
  } finally {
    deadline.clear();
  }
}
