/** Aborts its signal when nothing happens for a while, or when another signal aborts. */
export class Watchdog {
  /** Whether the time ran out. */
  expired = false;
  readonly #own = new AbortController();
  readonly #outer: AbortSignal;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(outer: AbortSignal) {
    this.#outer = outer;
    if (outer.aborted) this.#own.abort(outer.reason);
    else outer.addEventListener('abort', this.#onAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#own.signal;
  }

  /** Begins to wait, or begins again. */
  start(limitMs: number): void {
    this.stop();
    this.#timer = setTimeout(() => {
      this.expired = true;
      this.#own.abort(new Error('the time ran out'));
    }, limitMs);
  }

  /** Waits no more until the next start. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  /** Ends the watch and everything that still hangs on the signal. */
  close(): void {
    this.stop();
    this.#outer.removeEventListener('abort', this.#onAbort);
    this.#own.abort(new Error('the exchange is over'));
  }

  readonly #onAbort = (): void => this.#own.abort(this.#outer.reason);
}
