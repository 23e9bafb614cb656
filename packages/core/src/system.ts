import type { Clock, Random } from './ports.ts';

/** The longest that a timer of the platform waits; it takes a longer one for 1 ms. */
const longestTimerMs = 2 ** 31 - 1;

/** A timer that may wait longer than those of the platform, in several legs. */
class LongTimer {
  #leg: ReturnType<typeof setTimeout> | undefined;

  constructor(fn: () => void, ms: number) {
    this.#wait(fn, ms);
  }

  #wait(fn: () => void, ms: number): void {
    const leg = Math.min(ms, longestTimerMs);
    this.#leg = setTimeout(() => (ms > leg ? this.#wait(fn, ms - leg) : fn()), leg);
  }

  clear(): void {
    clearTimeout(this.#leg);
  }
}

/** The machine's own time. A timer keeps the program alive until it fires or is dropped; it may wait for any time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  setTimeout: (fn, ms) => (ms > longestTimerMs ? new LongTimer(fn, ms) : setTimeout(fn, ms)),
  clearTimeout: (id) => {
    if (id instanceof LongTimer) id.clear();
    else clearTimeout(id as ReturnType<typeof setTimeout>);
  },
};

/** The machine's own chance. Gives at most 65,536 bytes at once. */
export const systemRandom: Random = {
  bytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
  float: () => Math.random(),
};
