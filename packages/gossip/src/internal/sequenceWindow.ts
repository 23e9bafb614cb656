/** So many sequences are remembered. */
const remembered = 64;

/**
 * Tells what was there already. Gossip reorders, so that an older sequence than the newest may still be new; one that is
 * older than all that are remembered counts as known.
 */
export class SequenceWindow {
  /** In ascending order. */
  readonly #known: (number | bigint)[] = [];

  /** Notes a sequence; whether it is new. */
  note(sequence: number | bigint): boolean {
    const known = this.#known;
    const newest = known.at(-1);
    if (newest === undefined || sequence > newest) known.push(sequence);
    else {
      const at = known.findIndex((other) => other >= sequence);
      if (known[at] === sequence || (at === 0 && known.length === remembered)) return false;
      known.splice(at, 0, sequence);
    }
    if (known.length > remembered) known.shift();
    return true;
  }
}
