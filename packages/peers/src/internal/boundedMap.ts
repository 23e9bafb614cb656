/** A map that forgets its oldest entries when it is full, except those that are in use. */
export class BoundedMap<V> {
  readonly #entries = new Map<string, V>();
  readonly #limit: number;
  readonly #isInUse: (key: string) => boolean;

  /** @param isInUse which entries stay, also beyond the limit */
  constructor(limit: number, isInUse: (key: string) => boolean = () => false) {
    this.#limit = limit;
    this.#isInUse = isInUse;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): V | undefined {
    return this.#entries.get(key);
  }

  /** The oldest first. */
  keys(): IterableIterator<string> {
    return this.#entries.keys();
  }

  /** The oldest first. */
  values(): IterableIterator<V> {
    return this.#entries.values();
  }

  /** Sets an entry and makes it the newest; gives the key of the one that made room. */
  set(key: string, value: V): string | undefined {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size <= this.#limit) return undefined;
    for (const oldest of this.#entries.keys()) {
      if (oldest === key || this.#isInUse(oldest)) continue;
      this.#entries.delete(oldest);
      return oldest;
    }
    return undefined;
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }
}
