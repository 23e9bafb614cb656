/**
 * Tells what was there already. Gossip reorders, so that an older sequence than the newest may still be new; one that is
 * older than all that are remembered counts as known.
 */
export class SequenceWindow {
  readonly #size: number;
  readonly #known = new Set<number | bigint>();
  /** The newest that was forgotten. */
  #floor: number | bigint = Number.NEGATIVE_INFINITY;

  /** @param size so many of the newest are remembered, and less than twice as many: they are sorted out in one go */
  constructor(size: number) {
    this.#size = size;
  }

  /** How many are remembered. */
  get remembered(): number {
    return this.#known.size;
  }

  isNew(sequence: number | bigint): boolean {
    return sequence > this.#floor && !this.#known.has(sequence);
  }

  /** Remembers a sequence that is new. */
  note(sequence: number | bigint): void {
    this.#known.add(sequence);
    if (this.#known.size === 2 * this.#size) this.keep(this.#size);
  }

  /** Forgets all but the newest: what is as old as those counts as known. */
  keep(count: number): void {
    const known = Array.from(this.#known).toSorted((a, b) => (a < b ? -1 : 1));
    for (const sequence of known.slice(0, Math.max(0, known.length - count))) {
      this.#known.delete(sequence);
      this.#floor = sequence;
    }
  }
}
