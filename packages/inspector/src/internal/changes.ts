/** A thing in the order of changes. */
interface Place<Item> {
  readonly item: Item;
  version: number;
  before: Place<Item>;
  after: Place<Item>;
}

/** What changed after a version. */
interface Changed<Item> {
  /** Whether these are all items that are kept, since not all changes after that version are known. */
  readonly isWhole: boolean;
  /** The one that changed last comes last. */
  readonly items: readonly Item[];
  /** Keys of those that were removed; none when `isWhole`. */
  readonly gone: readonly number[];
}

/**
 * Items in the order in which they changed last, and the keys of the last ones that were removed. Looking for what
 * changed costs as much as has changed, however many items there are.
 */
export class Changes<Item extends object> {
  /** Where the circle of all places begins and ends; holds no item. */
  readonly #end: Place<Item>;
  readonly #places = new Map<Item, Place<Item>>();
  readonly #maxGone: number;
  /** The last removals, the one of number `n` at `n % maxGone`. */
  readonly #gone: { readonly version: number; readonly key: number }[] = [];
  #removed = 0;
  /** Removals up to this version may be forgotten. */
  #forgotten = 0;
  #version = 0;

  constructor(maxGone: number) {
    this.#maxGone = maxGone;
    const end = { item: {} as Item, version: 0 } as Place<Item>;
    end.before = end;
    end.after = end;
    this.#end = end;
  }

  /** Counts changes. */
  get version(): number {
    return this.#version;
  }

  /** How many items there are. */
  get size(): number {
    return this.#places.size;
  }

  has(item: Item): boolean {
    return this.#places.has(item);
  }

  /** Something changed that belongs to no item. */
  note(): void {
    this.#version += 1;
  }

  /** An item is new or has changed. */
  touch(item: Item): void {
    this.#version += 1;
    const known = this.#places.get(item);
    if (known !== undefined) unlink(known);
    const place = known ?? ({ item } as Place<Item>);
    if (known === undefined) this.#places.set(item, place);
    const last = this.#end.before;
    place.version = this.#version;
    place.before = last;
    place.after = this.#end;
    last.after = place;
    this.#end.before = place;
  }

  remove(item: Item, key: number): void {
    const place = this.#places.get(item);
    if (place === undefined) return;
    this.#version += 1;
    this.#places.delete(item);
    unlink(place);
    const slot = this.#maxGone === 0 ? 0 : this.#removed % this.#maxGone;
    this.#forgotten = this.#maxGone === 0 ? this.#version : (this.#gone[slot]?.version ?? this.#forgotten);
    if (this.#maxGone > 0) this.#gone[slot] = { version: this.#version, key };
    this.#removed += 1;
  }

  /** What changed after a version; without one, or with one that is none of these, all items. */
  since(after: number | undefined): Changed<Item> {
    const isKnown = after !== undefined && after >= this.#forgotten && after <= this.#version;
    const from = isKnown ? after : 0;
    const items: Item[] = [];
    for (let at = this.#end.before; at !== this.#end && at.version > from; at = at.before)
      items.push(at.item);
    return { isWhole: !isKnown, items: items.toReversed(), gone: isKnown ? this.#goneSince(after) : [] };
  }

  #goneSince(after: number): number[] {
    const keys: number[] = [];
    for (let count = this.#removed - 1; count >= 0 && keys.length < this.#gone.length; count--) {
      const entry = this.#gone[count % this.#maxGone];
      if (entry === undefined || entry.version <= after) break;
      keys.push(entry.key);
    }
    return keys.toReversed();
  }
}

function unlink<Item>({ before, after }: Place<Item>): void {
  before.after = after;
  after.before = before;
}
