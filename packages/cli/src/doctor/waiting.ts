import { orAbort } from '@lloom/core';

/** How long something may take, and what ends it earlier. */
export interface Bound {
  readonly ms: number;
  /** Ends everything: the user stops the command, or the time for all checks is over. */
  readonly signal: AbortSignal;
}

/** Runs `act` with a signal that fires when its time is over. Rejects then, also when `act` does not heed it. */
export async function within<T>({ ms, signal }: Bound, act: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(ms)]);
  return orAbort(act(bounded), bounded);
}

/** Something that tells of its events, as nodes and libp2p's services do. */
export interface Teller {
  on(tell: () => void): () => void;
}

/**
 * Waits until `isDone` holds, asked at once and at every event. Resolves in any case when the time is over.
 * @returns whether it holds
 */
export async function until(bound: Bound, teller: Teller, isDone: () => boolean): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<void>();
  // Whoever tells is a library: what a listener throws would end the process.
  const off = teller.on(() => {
    if (attempt(isDone)) resolve();
  });
  try {
    if (!isDone()) await within(bound, () => promise).catch(() => undefined);
    return isDone();
  } finally {
    off();
  }
}

function attempt(ask: () => boolean): boolean {
  try {
    return ask();
  } catch {
    return false;
  }
}
