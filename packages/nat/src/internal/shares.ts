/** Whom something is given to. */
export interface Taker {
  readonly peerId: string;
  /** The IP network that it is connected from; `undefined` where that says nothing, as on the same machine. */
  readonly network: string | undefined;
}

/** Those of one IP network get as much as this part of all, */
const networkPart = 1 / 4;
/** and one peer so much of what there is. */
const peerPart = 1 / 8;

const maxCircuitsPerPeer = 16;
const minCircuitsPerPeer = 2;
/** Small relays are for few: there a part would be nothing. */
const minPlacesPerNetwork = 4;
const minCircuitsPerNetwork = 8;

/** How many of the places may be given to those of one IP network: an office, or one person with many ids. */
export const placesPerNetwork = (total: number): number =>
  Math.max(minPlacesPerNetwork, Math.floor(total * networkPart));

/** How many connections at a time one peer may have asked for, and those of one IP network together. */
export const circuitShares = (total: number): { readonly perPeer: number; readonly perNetwork: number } => ({
  perPeer: Math.min(maxCircuitsPerPeer, Math.max(minCircuitsPerPeer, Math.floor(total * peerPart))),
  perNetwork: Math.max(minCircuitsPerNetwork, Math.floor(total * networkPart)),
});

/** How many of something there are for each key. A key without any takes no room. */
export class Tally {
  readonly #counts = new Map<string, number>();

  /** Nobody has any of what has no key. */
  of(key: string | undefined): number {
    return key === undefined ? 0 : (this.#counts.get(key) ?? 0);
  }

  /** Counts so many more, or fewer. */
  add(key: string | undefined, change: number): void {
    if (key === undefined) return;
    const count = this.of(key) + change;
    if (count <= 0) this.#counts.delete(key);
    else this.#counts.set(key, count);
  }

  clear(): void {
    this.#counts.clear();
  }
}
