import { Refusal } from '../errors.ts';

/** Bytes that many requests share. */
export class Budget {
  readonly #limit: number;
  #used = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @throws {Refusal} `BUSY` when that is more than there is */
  take(bytes: number): void {
    if (this.#used + bytes > this.#limit)
      throw new Refusal('BUSY', 'this node reads too many large requests now', { retryAfterMs: 1_000 });
    this.#used += bytes;
  }

  /** Gives back what was taken. */
  give(bytes: number): void {
    this.#used -= bytes;
  }
}
