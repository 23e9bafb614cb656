/**
 * A map by name that keeps so many at most: what was set longest ago goes first. Iterates in that order. For what others can make
 * grow.
 *
 * @example
 * ```ts
 * const heardAt = new RecentMap<number>(1_024);
 * heardAt.set(peerId, clock.elapsed());
 * ```
 */
export class RecentMap<V> extends Map<string, V> {
  readonly #limit: number;

  constructor(limit: number) {
    super();
    this.#limit = limit;
  }

  /** Sets a value as the newest. */
  override set(name: string, value: V): this {
    this.delete(name);
    super.set(name, value);
    const [oldest] = this.keys();
    if (this.size > this.#limit && oldest !== undefined) this.delete(oldest);
    return this;
  }
}
