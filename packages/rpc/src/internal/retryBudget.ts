/** Of a retry: what adding shares may cost. */
const rounding = 1e-9;

/**
 * How many retries there may be, for all requests of a service together: each request pays for a share of one. Without it,
 * an overload in which everything fails becomes a multiple of itself.
 */
export class RetryBudget {
  readonly #ratio: number;
  readonly #burst: number;
  #left: number;

  /**
   * @param ratio how many retries each request pays for, from 0 on
   * @param burst how many there are from the start, and at most at once; 0: none ever
   */
  constructor(ratio: number, burst: number) {
    this.#ratio = ratio;
    this.#burst = burst;
    this.#left = burst;
  }

  /** A request is made for the first time. */
  request(): void {
    this.#left = Math.min(this.#burst, this.#left + this.#ratio);
  }

  /** Takes a retry. `false`: none is left. */
  take(): boolean {
    if (this.#left < 1 - rounding) return false;
    this.#left = Math.max(0, this.#left - 1);
    return true;
  }
}
