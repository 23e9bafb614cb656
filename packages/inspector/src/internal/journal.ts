/** Keeps the first and the last of many things, and counts what is lost between them. */
export class Journal<Entry> {
  readonly #first: Entry[] = [];
  readonly #last: Entry[] = [];
  readonly #firstEntries: number;
  readonly #lastEntries: number;
  #total = 0;

  constructor({ firstEntries, lastEntries }: { firstEntries: number; lastEntries: number }) {
    this.#firstEntries = firstEntries;
    this.#lastEntries = lastEntries;
  }

  /** How many were added, lost ones included. */
  get total(): number {
    return this.#total;
  }

  add(entry: Entry): void {
    const place = this.#total++ - this.#firstEntries;
    if (place < 0) this.#first.push(entry);
    else if (this.#lastEntries > 0) this.#last[place % this.#lastEntries] = entry;
  }

  /** What is kept, oldest first. */
  toArray(): Entry[] {
    const overwritten = this.#total - this.#firstEntries - this.#last.length;
    if (overwritten <= 0 || this.#last.length === 0) return [...this.#first, ...this.#last];
    const oldest = (this.#total - this.#firstEntries) % this.#lastEntries;
    return [...this.#first, ...this.#last.slice(oldest), ...this.#last.slice(0, oldest)];
  }
}
