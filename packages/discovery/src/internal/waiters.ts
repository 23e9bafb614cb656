import { DiscoveryError } from '../errors.ts';

/** Those who wait for something that ends for all of them at once. */
export class Waiters {
  readonly #act: string;
  readonly #waiting = new Set<(error: Error | undefined) => void>();

  /** @param act what is waited for, for errors */
  constructor(act: string) {
    this.#act = act;
  }

  /**
   * Calls `begin`, then resolves or rejects with the next {@link settle}.
   * @throws {DiscoveryError} `CANCELLED` when the signal fires first; `begin` is not called when it already has
   */
  async next(signal: AbortSignal | undefined, begin: () => void): Promise<void> {
    const cancelled = (): Error =>
      new DiscoveryError('CANCELLED', { act: this.#act }, { cause: signal?.reason });
    if (signal?.aborted === true) throw cancelled();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const settle = (error: Error | undefined): void => (error === undefined ? resolve() : reject(error));
    const abort = (): void => reject(cancelled());
    this.#waiting.add(settle);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      begin();
      await promise;
    } finally {
      this.#waiting.delete(settle);
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Ends every wait because the service stops. */
  stop(): void {
    this.settle(new DiscoveryError('STOPPED', { act: this.#act }));
  }

  /** Ends every wait: well, or with an error. */
  settle(error?: Error): void {
    for (const settle of [...this.#waiting]) settle(error);
  }
}
