import type { Clock } from '@lloom/core';

const secondMs = 1_000;

/** How often something may be done: so often a second, and as often at once after a second of nothing. */
export class Allowance {
  readonly #clock: Clock;
  readonly #perSecond: number;
  #left: number;
  #seenAtMs: number;

  constructor({ clock, perSecond }: { readonly clock: Clock; readonly perSecond: number }) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#left = perSecond;
    this.#seenAtMs = clock.elapsed();
  }

  /** Whether it may be done once more now, which is noted. */
  take(): boolean {
    const nowMs = this.#clock.elapsed();
    const grown = ((nowMs - this.#seenAtMs) / secondMs) * this.#perSecond;
    this.#left = Math.min(this.#perSecond, this.#left + Math.max(0, grown));
    this.#seenAtMs = nowMs;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }

  /** Takes back the last one: it was not done. */
  giveBack(): void {
    this.#left = Math.min(this.#perSecond, this.#left + 1);
  }
}
