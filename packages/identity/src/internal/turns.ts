import type { CryptoBackend } from '../ports.ts';

/** Signatures made or proven in one turn of the event loop, by curve: about 2 ms of work. */
const perTurn = { native: 32, pure: 2 } as const;

/**
 * Shares the turns of the event loop with everything else: requests that arrive together must not hold it up for as long as
 * all their signatures take. Whoever is beyond the share of a turn waits for the next one, first come, first served.
 */
export class Turns {
  readonly #waiting: (() => void)[] = [];
  #used = 0;
  #isOver = true;

  /** Takes a part of this turn; a promise when it is used up. */
  take(curve: CryptoBackend['curve']): Promise<void> | undefined {
    if (this.#isOver) {
      this.#isOver = false;
      setImmediate(this.#next, perTurn[curve]);
    }
    if (this.#used < perTurn[curve]) {
      this.#used++;
      return undefined;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  readonly #next = (share: number): void => {
    const due = this.#waiting.splice(0, share);
    this.#used = due.length;
    this.#isOver = due.length === 0;
    if (!this.#isOver) setImmediate(this.#next, share);
    for (const resolve of due) resolve();
  };
}

/** The turns of this process. */
export const turns = new Turns();
