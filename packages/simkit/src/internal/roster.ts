/** A node that runs, and the place of its host among all hosts. */
interface Entry<N> {
  readonly name: string;
  readonly index: number;
  readonly node: N;
}

/** Entries in the order of their hosts. Only ever added to, so that a view needs no copy. */
class Page<N> {
  readonly entries: Entry<N>[];
  /** Made when somebody asks for a name. */
  #positions: Map<string, number> | undefined;

  constructor(entries: Entry<N>[]) {
    this.entries = entries;
  }

  add(entry: Entry<N>): void {
    this.#positions?.set(entry.name, this.entries.length);
    this.entries.push(entry);
  }

  positionOf(name: string): number | undefined {
    this.#positions ??= new Map(this.entries.map((entry, position) => [entry.name, position]));
    return this.#positions.get(name);
  }
}

/**
 * The nodes that run. A view of it stays as it was; making one costs nothing as long as hosts start one after the other,
 * so that each of thousands can be told which others run.
 */
export class Roster<N> {
  #page = new Page<N>([]);

  /** The nodes that run now, in the order of their hosts. */
  get nodes(): ReadonlyMap<string, N> {
    return new View(this.#page);
  }

  /** A node runs. */
  add(entry: Entry<N>): void {
    const { entries } = this.#page;
    const last = entries.at(-1);
    if (last === undefined || last.index < entry.index) this.#page.add(entry);
    else this.#page = new Page([...entries, entry].toSorted((a, b) => a.index - b.index));
  }

  /** A node runs no longer. */
  delete(name: string): void {
    this.#page = new Page(this.#page.entries.filter((entry) => entry.name !== name));
  }
}

/** What a page held when the view was made. */
class View<N> implements ReadonlyMap<string, N> {
  readonly #page: Page<N>;
  readonly size: number;

  constructor(page: Page<N>) {
    this.#page = page;
    this.size = page.entries.length;
  }

  get(name: string): N | undefined {
    const position = this.#page.positionOf(name);
    return position === undefined || position >= this.size ? undefined : this.#page.entries[position]!.node;
  }

  has(name: string): boolean {
    const position = this.#page.positionOf(name);
    return position !== undefined && position < this.size;
  }

  forEach(fn: (node: N, name: string, map: ReadonlyMap<string, N>) => void): void {
    for (const [name, node] of this) fn(node, name, this);
  }

  entries(): MapIterator<[string, N]> {
    return this.#entries()
      .map(({ name, node }): [string, N] => [name, node])
      .values();
  }

  keys(): MapIterator<string> {
    return this.#entries()
      .map(({ name }) => name)
      .values();
  }

  values(): MapIterator<N> {
    return this.#entries()
      .map(({ node }) => node)
      .values();
  }

  [Symbol.iterator](): MapIterator<[string, N]> {
    return this.entries();
  }

  #entries(): readonly Entry<N>[] {
    return this.#page.entries.slice(0, this.size);
  }
}
