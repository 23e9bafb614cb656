import { type Clock, RecentMap } from '@lloom/core';

/** Of so many authors that were heard last, so many at least must be off. */
const maxAuthors = 8;
const minOff = 3;
/** What was heard longer ago says nothing of the clocks now. */
const maxAgeMs = 300_000;
/** How far offsets may differ and still be about the same: messages are on their way for some time. */
const toleranceMs = 30_000;

interface Sample {
  readonly offsetMs: number;
  readonly isStale: boolean;
  readonly atMs: number;
}

/** Compares the clocks of others with this node's. */
export class ClockSkew {
  readonly #clock: Clock;
  readonly #samples = new RecentMap<Sample>(maxAuthors);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Notes how far the time in a message of an author is ahead of this node's clock. Gives by how far most others are, when
   * messages are taken for old because of that.
   */
  note(author: string, offsetMs: number, isStale: boolean): number | undefined {
    const nowMs = this.#clock.elapsed();
    this.#samples.set(author, { offsetMs, isStale, atMs: nowMs });
    if (!isStale || this.#samples.size < minOff) return undefined;
    const recent = [...this.#samples.values()].filter(({ atMs }) => nowMs - atMs <= maxAgeMs);
    const offsets = recent.filter((sample) => sample.isStale).map((sample) => sample.offsetMs);
    const median = offsets.toSorted((a, b) => a - b)[offsets.length >> 1] ?? 0;
    const alike = offsets.filter((offset) => Math.abs(offset - median) <= toleranceMs).length;
    return alike >= minOff && alike * 2 > recent.length ? median : undefined;
  }
}
