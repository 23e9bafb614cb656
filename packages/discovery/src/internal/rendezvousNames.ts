import { DiscoveryError } from '../errors.ts';

/** Names that a node has joined at the same time; each one is renewed in the DHT. */
export const maxNames = 256;
const maxNameLength = 256;

/** The key of the DHT under which those who joined a name are found. */
export function rendezvousKey(name: string): string {
  return `lloom/topic/${name}`;
}

/**
 * The name of a rendezvous, as a caller gave it.
 * @throws {DiscoveryError} `INVALID_NAME`
 */
export function checkName(name: string): string {
  const wanted = `a text of 1 to ${maxNameLength} characters`;
  const given: unknown = name;
  if (typeof given !== 'string')
    throw new DiscoveryError('INVALID_NAME', { got: given === null ? 'null' : typeof given, wanted });
  const { length } = given;
  if (length === 0 || length > maxNameLength)
    throw new DiscoveryError('INVALID_NAME', { got: `one of ${length}`, wanted });
  // Half a character has no UTF-8: names that differ there would have one key.
  if (!given.isWellFormed())
    throw new DiscoveryError('INVALID_NAME', { got: 'one with half a character', wanted });
  return given;
}

/** The names that this node has joined. Outlives a stop of the service. */
export class RendezvousNames {
  /** How often each was joined, and not left since. */
  readonly #joins = new Map<string, number>();
  /** Names that were in the DHT when the service stopped last, joined or not. */
  #kept: readonly string[] = [];

  get all(): readonly string[] {
    return [...this.#joins.keys()];
  }

  has(name: string): boolean {
    return this.#joins.has(name);
  }

  /**
   * Joins a name once more; tells whether nobody had.
   * @throws {DiscoveryError} `INVALID_NAME`, `TOO_MANY_NAMES`; nothing was changed then
   */
  join(name: string): boolean {
    const joins = this.#joins.get(checkName(name)) ?? 0;
    if (joins === 0 && this.#joins.size >= maxNames)
      throw new DiscoveryError('TOO_MANY_NAMES', { name, limit: maxNames });
    this.#joins.set(name, joins + 1);
    return joins === 0;
  }

  /** Takes one join back; tells whether it was the last. */
  leave(name: string): boolean {
    const joins = this.#joins.get(name) ?? 0;
    if (joins <= 1) return this.#joins.delete(name);
    this.#joins.set(name, joins - 1);
    return false;
  }

  /** The service stops, and the DHT of this node may go on with these names when it starts again. */
  keep(names: Iterable<string>): void {
    this.#kept = [...names];
  }

  /** Those of the kept names that nobody has joined any more; told once. */
  takeLeft(): readonly string[] {
    const left = this.#kept.filter((name) => !this.has(name));
    this.#kept = [];
    return left;
  }
}
