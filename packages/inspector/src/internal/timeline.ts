import type { RecorderConfig } from '../recorder.ts';

/**
 * The time of a run, in ms since it was first read. It never goes back or throws, and a clock that takes the place of
 * another goes on from where that one was last read: what two clocks tell cannot be compared.
 */
export class Timeline {
  readonly #clock: RecorderConfig['clock'];
  /** Who told the time when it was last read. */
  #source: { readonly host: object; readonly tell: unknown } | undefined;
  /** What it told when it took over, and what had passed by then. */
  #base = { readMs: 0, passedMs: 0 };
  #passedMs = 0;

  constructor(clock: RecorderConfig['clock']) {
    this.#clock = clock;
  }

  read(): number {
    try {
      this.#advance();
    } catch {
      // A clock that throws stands still.
    }
    return this.#passedMs;
  }

  #advance(): void {
    const host = this.#clock ?? realClock();
    const tell: unknown = Reflect.get(host, 'elapsed' in host ? 'elapsed' : 'now');
    const readMs = 'elapsed' in host ? host.elapsed() : host.now();
    if (!Number.isFinite(readMs)) return;
    const isKnown = this.#source?.host === host && this.#source.tell === tell;
    const passedMs = this.#base.passedMs + readMs - this.#base.readMs;
    if (isKnown && passedMs >= this.#passedMs) this.#passedMs = passedMs;
    else {
      this.#source = { host, tell };
      this.#base = { readMs, passedMs: this.#passedMs };
    }
  }
}

/** The timers of Node's own test runner, while they replace others, come with a `Date` and without a `performance`. */
function realClock(): { now(): number } {
  return 'isMock' in Date && Date.isMock === true ? Date : performance;
}
