import type { Clock } from '@lloom/core';

/** Whom a watch is for. */
interface Watched {
  /** Whether somebody waits for the next byte. */
  isWaiting(): boolean;
  /** Called once, when the answer has stood still for too long. */
  onStall(): void;
}

/** Notices when an answer that has begun stands still while somebody waits for more. */
export class StallWatch {
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #watched: Watched;
  #timer: unknown;
  #lastMs = 0;

  constructor(clock: Clock, limitMs: number, watched: Watched) {
    this.#clock = clock;
    this.#limitMs = limitMs;
    this.#watched = watched;
  }

  /** Something has come. */
  progress(): void {
    this.#lastMs = this.#clock.elapsed();
    this.#timer ??= this.#clock.setTimeout(this.#check, this.#limitMs);
  }

  /** Watches no more. */
  stop(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  readonly #check = (): void => {
    this.#timer = undefined;
    const nowMs = this.#clock.elapsed();
    if (!this.#watched.isWaiting()) this.#lastMs = nowMs;
    const leftMs = this.#lastMs + this.#limitMs - nowMs;
    if (leftMs > 0) this.#timer = this.#clock.setTimeout(this.#check, leftMs);
    else this.#watched.onStall();
  };
}
