/**
 * The time of a run, in ms since it was first read. It never goes back, and a clock that takes the place of another
 * goes on from where that one was last read: what two clocks tell cannot be compared.
 */
export class Timeline {
  readonly #clock: { elapsed(): number } | undefined;
  /** Who told the time when it was last read. */
  #source: { readonly host: object; readonly tell: unknown } | undefined;
  /** What it told when it took over, and what had passed by then. */
  #base = { readMs: 0, passedMs: 0 };
  #passedMs = 0;

  constructor(clock: { elapsed(): number } | undefined) {
    this.#clock = clock;
  }

  read(): number {
    const host = this.#clock ?? performance;
    const tell: unknown = Reflect.get(host, this.#clock === undefined ? 'now' : 'elapsed');
    const readMs = this.#clock === undefined ? performance.now() : this.#clock.elapsed();
    const isKnown = this.#source?.host === host && this.#source.tell === tell;
    const passedMs = this.#base.passedMs + readMs - this.#base.readMs;
    if (isKnown && passedMs >= this.#passedMs) this.#passedMs = passedMs;
    else {
      this.#source = { host, tell };
      this.#base = { readMs, passedMs: this.#passedMs };
    }
    return this.#passedMs;
  }
}
