/** How many connections this node carries, in all and for each peer that asked for them. */
export class CircuitCounts {
  readonly #byPeer = new Map<string, number>();
  #total = 0;

  get total(): number {
    return this.#total;
  }

  /** Counts one more, until the result is called; `undefined` when it would be too many. */
  take(peerId: string, most: { readonly total: number; readonly perPeer: number }): (() => void) | undefined {
    const own = this.#byPeer.get(peerId) ?? 0;
    if (this.#total >= most.total || own >= most.perPeer) return undefined;
    this.#byPeer.set(peerId, own + 1);
    this.#total += 1;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#release(peerId);
    };
  }

  #release(peerId: string): void {
    const left = (this.#byPeer.get(peerId) ?? 1) - 1;
    if (left === 0) this.#byPeer.delete(peerId);
    else this.#byPeer.set(peerId, left);
    this.#total -= 1;
  }
}
