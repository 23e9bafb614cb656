import { Refusal } from '../errors.ts';
import { saidTexts } from './saidTexts.ts';

/** What becomes of a budget that does not suffice. */
export interface BudgetConfig {
  /** What a client is told. @default that too many large requests are read */
  readonly refusal?: string;
  /** Gives something back that others hold, when it can; `false`: nothing is left to give. @default nothing can be */
  readonly reclaim?: () => boolean;
}

/** Bytes that many requests share. */
export class Budget {
  readonly #limit: number;
  readonly #config: BudgetConfig;
  #used = 0;

  /** @param limit what there is, in bytes */
  constructor(limit: number, config: BudgetConfig = {}) {
    this.#limit = limit;
    this.#config = config;
  }

  /** How many are taken. */
  get used(): number {
    return this.#used;
  }

  /** Takes so many. `false`: there are not as many, and none is taken. */
  tryTake(bytes: number): boolean {
    const { reclaim } = this.#config;
    while (this.#used + bytes > this.#limit) if (bytes > this.#limit || reclaim?.() !== true) return false;
    this.#used += bytes;
    return true;
  }

  /** @throws {Refusal} `BUSY` when that is more than there is */
  take(bytes: number): void {
    const { refusal = saidTexts.noBytesToRead } = this.#config;
    if (!this.tryTake(bytes)) throw new Refusal('BUSY', refusal, { retryAfterMs: 1_000 });
  }

  /** Gives back what was taken. */
  give(bytes: number): void {
    this.#used -= bytes;
  }
}
