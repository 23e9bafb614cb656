/** A place in a line, which knows its neighbours. */
interface Place<T> {
  readonly item: T;
  before: Place<T> | undefined;
  behind: Place<T> | undefined;
}

/**
 * First come, first served; whoever stands in it can leave from anywhere. Every step costs the same, however long the line
 * is: the first entry of a Map is searched for behind all those that were deleted before it.
 */
export class Line<T> {
  readonly #places = new Map<T, Place<T>>();
  #first: Place<T> | undefined;
  #last: Place<T> | undefined;

  get size(): number {
    return this.#places.size;
  }

  /** Whether it stands in the line. */
  has(item: T): boolean {
    return this.#places.has(item);
  }

  /** Puts it at the end, unless it stands in the line already. */
  add(item: T): void {
    if (this.#places.has(item)) return;
    const place: Place<T> = { item, before: this.#last, behind: undefined };
    this.#places.set(item, place);
    if (this.#last === undefined) this.#first = place;
    else this.#last.behind = place;
    this.#last = place;
  }

  /** Takes it out, wherever it stands. `false`: it did not stand in the line. */
  delete(item: T): boolean {
    const place = this.#places.get(item);
    if (place === undefined) return false;
    this.#places.delete(item);
    const { before, behind } = place;
    if (before === undefined) this.#first = behind;
    else before.behind = behind;
    if (behind === undefined) this.#last = before;
    else behind.before = before;
    return true;
  }

  /** Takes out the first one. */
  shift(): T | undefined {
    const item = this.#first?.item;
    if (item !== undefined) this.delete(item);
    return item;
  }
}
