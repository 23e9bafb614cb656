/** What ends a promise of `node:timers/promises` early. */
export interface Cancellable {
  readonly signal?: AbortSignal;
}

/** A promise of `value` that `start` fulfils, unless it is cancelled before; `start` returns how to undo it. */
export async function promised(
  value: unknown,
  { signal }: Cancellable = {},
  start: (done: () => void) => () => void,
): Promise<unknown> {
  if (signal?.aborted === true) throw abortError(signal);
  return new Promise((resolve, reject) => {
    const undo = start(() => {
      signal?.removeEventListener('abort', abort);
      resolve(value);
    });
    const abort = (): void => {
      undo();
      reject(abortError(signal!));
    };
    signal?.addEventListener('abort', abort, { once: true });
  });
}

/** What the platform's promises reject with when `signal` is aborted. */
export function abortError(signal: AbortSignal): Error {
  const error = new Error('The operation was aborted', { cause: signal.reason });
  return Object.assign(error, { name: 'AbortError', code: 'ABORT_ERR' });
}
