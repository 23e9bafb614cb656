/** How often something may be done. */
export interface Rate {
  /** So often at once. */
  readonly burst: number;
  /** And so often each second after that. */
  readonly perSecond: number;
}

/** What was used of a rate. */
export interface Usage {
  /** How much of the burst was used at `atMs`; less from then on, by the rate. */
  used: number;
  atMs: number;
}

/** Of one: what dividing and subtracting times may cost. */
const rounding = 1e-6;

/** Holds somebody to a rate: the generic cell rate algorithm. Counts pieces rather than ms, so that a burst is exact. */
export class Pace {
  readonly #burst: number;
  readonly #perMs: number;

  constructor({ burst, perSecond }: Rate) {
    this.#burst = burst;
    this.#perMs = perSecond / 1_000;
  }

  /** Takes one, unless it is too many. */
  take(usage: Usage, nowMs: number): boolean {
    const used = this.#usedAt(usage, nowMs) + 1;
    if (used - this.#burst > rounding) return false;
    usage.used = used;
    usage.atMs = nowMs;
    return true;
  }

  /** Takes one in any case. */
  force(usage: Usage, nowMs: number): void {
    usage.used = this.#usedAt(usage, nowMs) + 1;
    usage.atMs = nowMs;
  }

  /** How long to wait before one more than those that are promised can be taken, in whole ms. */
  waitMs(usage: Usage, nowMs: number, promised: number): number {
    const excess = this.#usedAt(usage, nowMs) + promised + 1 - this.#burst;
    return excess > rounding ? Math.ceil(excess / this.#perMs) : 0;
  }

  #usedAt({ used, atMs }: Usage, nowMs: number): number {
    return Math.max(0, used - (nowMs - atMs) * this.#perMs);
  }
}
