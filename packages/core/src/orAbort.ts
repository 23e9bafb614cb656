/**
 * What a promise comes to, or the signal's reason when the signal fires first. The promise may then end unheard.
 *
 * @throws what the promise was rejected with, or the reason of the signal
 * @example
 * ```ts
 * const answer = await orAbort(peer.ask(), signal);
 * ```
 */
export async function orAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  work.catch(() => undefined);
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason as Error);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
