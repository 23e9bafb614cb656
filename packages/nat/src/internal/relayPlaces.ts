import { Tally, type Taker } from './shares.ts';

/** How often, in ms, places are looked through for some that nobody uses, while there is none left. */
const sweepMs = 1_000;

interface Place {
  /** By the clock's elapsed time. */
  readonly endsAt: number;
  readonly network: string | undefined;
}

/** What a place is asked for with. */
interface Wanted {
  readonly endsAt: number;
  readonly now: number;
  /** How many there may be, */
  readonly most: number;
  /** and how many of them for peers of one IP network. */
  readonly perNetwork: number;
}

/** Who may be reached through this node, and until when. Without timers: a place that has ended is one that is not there. */
export class RelayPlaces {
  readonly #places = new Map<string, Place>();
  readonly #byNetwork = new Tally();
  readonly #isConnected: (peerId: string) => boolean;
  #sweptAt = -Infinity;

  constructor(isConnected: (peerId: string) => boolean) {
    this.#isConnected = isConnected;
  }

  /** How many there are, with those that have ended and were not needed since. */
  get size(): number {
    return this.#places.size;
  }

  /**
   * Whether the peer has a place from now on, until `endsAt`. When none is left, those of peers that are not connected are given
   * away: nobody can be reached through this node without being connected.
   */
  take({ network, peerId }: Taker, { endsAt, now, most, perNetwork }: Wanted): boolean {
    const isFull = (): boolean => this.#places.size >= most || this.#byNetwork.of(network) >= perNetwork;
    if (!this.has(peerId, now)) {
      if (isFull()) this.#sweep(now);
      if (isFull()) return false;
    }
    // A shorter promise does not take back a longer one.
    const longest = Math.max(endsAt, this.#places.get(peerId)?.endsAt ?? endsAt);
    this.release(peerId);
    this.#places.set(peerId, { endsAt: longest, network });
    this.#byNetwork.add(network, 1);
    return true;
  }

  has(peerId: string, now: number): boolean {
    return (this.#places.get(peerId)?.endsAt ?? -Infinity) > now;
  }

  /** How many have not ended. */
  countAt(now: number): number {
    let count = 0;
    for (const { endsAt } of this.#places.values()) if (endsAt > now) count += 1;
    return count;
  }

  /** Takes back what nobody was told of. */
  release(peerId: string): void {
    const place = this.#places.get(peerId);
    if (place === undefined) return;
    this.#places.delete(peerId);
    this.#byNetwork.add(place.network, -1);
  }

  /** Ends all; gives the peers. */
  clear(): string[] {
    const all = [...this.#places.keys()];
    this.#places.clear();
    this.#byNetwork.clear();
    return all;
  }

  #sweep(now: number): void {
    if (now - this.#sweptAt < sweepMs) return;
    this.#sweptAt = now;
    for (const [peerId, { endsAt }] of this.#places) {
      if (endsAt <= now || !this.#isConnected(peerId)) this.release(peerId);
    }
  }
}
