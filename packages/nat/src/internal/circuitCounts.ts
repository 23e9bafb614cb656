import { Tally, type Taker } from './shares.ts';

/** How many connections there may be at a time. */
export interface CircuitBounds {
  readonly total: number;
  readonly perPeer: number;
  readonly perNetwork: number;
}

/** How many connections this node carries: in all, for each peer that asked for them, and for each IP network. */
export class CircuitCounts {
  readonly #byPeer = new Tally();
  readonly #byNetwork = new Tally();
  #total = 0;

  get total(): number {
    return this.#total;
  }

  /** Counts one more, until the result is called; `undefined` when it would be too many. */
  take(taker: Taker, most: CircuitBounds): (() => void) | undefined {
    const { network, peerId } = taker;
    if (this.#total >= most.total || this.#byPeer.of(peerId) >= most.perPeer) return undefined;
    if (this.#byNetwork.of(network) >= most.perNetwork) return undefined;
    this.#count(taker, 1);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#count(taker, -1);
    };
  }

  #count({ network, peerId }: Taker, change: 1 | -1): void {
    this.#total += change;
    this.#byPeer.add(peerId, change);
    this.#byNetwork.add(network, change);
  }
}
