import type { Clock } from '@lloom/core';

/** How much is kept, and for how long. */
export interface KeptLimits {
  readonly ttlMs: number;
  /** What all of it may have together. */
  readonly maxBytes: number;
}

interface Kept<T> {
  readonly value: T;
  readonly bytes: number;
  readonly untilMs: number;
}

const maxKept = 10_000;

/**
 * What has ended and may be asked for once more: kept for a while, and 10,000 at most. Beyond that, or beyond its bytes, the
 * oldest is dropped first.
 */
export class KeptRequests<T> {
  readonly #limits: KeptLimits;
  readonly #clock: Clock;
  /** The oldest first; that is also the order in which they expire. */
  readonly #kept = new Map<string, Kept<T>>();
  #bytes = 0;

  constructor(limits: KeptLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** How many are kept. */
  get size(): number {
    this.#dropFor(0, 0);
    return this.#kept.size;
  }

  /** Keeps a value, in place of another one of that id. One that is larger than everything may be is not kept. */
  keep(id: string, value: T, bytes: number): void {
    const { ttlMs, maxBytes } = this.#limits;
    this.#drop(id);
    if (bytes > maxBytes) return;
    this.#dropFor(1, bytes);
    this.#kept.set(id, { value, bytes, untilMs: this.#clock.elapsed() + ttlMs });
    this.#bytes += bytes;
  }

  /** What is kept under that id. It stays. */
  get(id: string): T | undefined {
    const kept = this.#kept.get(id);
    if (kept === undefined) return undefined;
    if (kept.untilMs > this.#clock.elapsed()) return kept.value;
    this.#drop(id);
    return undefined;
  }

  /** What is kept under that id, and then no more. */
  take(id: string): T | undefined {
    const value = this.get(id);
    this.#drop(id);
    return value;
  }

  /** Drops everything. */
  clear(): void {
    this.#kept.clear();
    this.#bytes = 0;
  }

  /** Drops what has expired, and the oldest until there is room for so many more. */
  #dropFor(count: number, bytes: number): void {
    const nowMs = this.#clock.elapsed();
    for (const [id, { untilMs }] of this.#kept) {
      const isFull = this.#kept.size + count > maxKept || this.#bytes + bytes > this.#limits.maxBytes;
      if (untilMs > nowMs && !isFull) return;
      this.#drop(id);
    }
  }

  #drop(id: string): void {
    const kept = this.#kept.get(id);
    if (kept === undefined) return;
    this.#kept.delete(id);
    this.#bytes -= kept.bytes;
  }
}
