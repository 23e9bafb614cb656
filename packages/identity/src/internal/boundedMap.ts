/** A map that forgets what was not used for longest once it is full. */
export class BoundedMap<K, V> {
  readonly #entries = new Map<K, V>();
  readonly #limit: number;
  #latest: { readonly key: K; readonly value: V } | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The value of a key, made and kept when there is none. */
  getOrMake(key: K, make: () => V): V {
    if (this.#latest?.key === key) return this.#latest.value;
    const known = this.#entries.has(key);
    const value = known ? (this.#entries.get(key) as V) : make();
    if (known) this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size > this.#limit) this.#entries.delete(this.#entries.keys().next().value as K);
    this.#latest = { key, value };
    return value;
  }
}
