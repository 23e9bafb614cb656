/** How often, in ms, places are looked through for some that nobody uses, while there is none left. */
const sweepMs = 1_000;

/** Who may be reached through this node, and until when. Without timers: a place that has ended is one that is not there. */
export class RelayPlaces {
  /** When each ends, by the clock's elapsed time. */
  readonly #places = new Map<string, number>();
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
  take(peerId: string, { endsAt, now, most }: { endsAt: number; now: number; most: number }): boolean {
    const isRenewal = this.has(peerId, now);
    if (!isRenewal && this.#places.size >= most) this.#sweep(now);
    if (!isRenewal && this.#places.size >= most) return false;
    // A shorter promise does not take back a longer one.
    this.#places.set(peerId, Math.max(endsAt, this.#places.get(peerId) ?? endsAt));
    return true;
  }

  has(peerId: string, now: number): boolean {
    return (this.#places.get(peerId) ?? -Infinity) > now;
  }

  /** Takes back what nobody was told of. */
  release(peerId: string): void {
    this.#places.delete(peerId);
  }

  /** Ends all; gives the peers. */
  clear(): string[] {
    const all = [...this.#places.keys()];
    this.#places.clear();
    return all;
  }

  #sweep(now: number): void {
    if (now - this.#sweptAt < sweepMs) return;
    this.#sweptAt = now;
    for (const [peerId, endsAt] of this.#places) {
      if (endsAt <= now || !this.#isConnected(peerId)) this.#places.delete(peerId);
    }
  }
}
