/** How many requests there may be, in all and of one peer. */
export interface PlaceLimits {
  readonly ofAll: number;
  readonly ofOnePeer: number;
}

/** Requests that are under way, and those that have ended and whose handler still works: stragglers. */
interface Taken {
  underWay: number;
  stragglers: number;
}

/**
 * The places of requests of peers. A request has one until it has ended, so that a handler that ignores its signal does
 * not shut others out at once. Ended ones whose handler still works count beside them: with those there are never more
 * than twice the limits.
 */
export class Places {
  readonly #limits: PlaceLimits;
  readonly #all: Taken = { underWay: 0, stragglers: 0 };
  readonly #byPeer = new Map<string, Taken>();

  constructor(limits: PlaceLimits) {
    this.#limits = limits;
  }

  /** Takes a place for a request. `false`: there is none. */
  take(peerId: string): boolean {
    const known = this.#byPeer.get(peerId);
    const { ofAll, ofOnePeer } = this.#limits;
    if (isFull(this.#all, ofAll) || (known !== undefined && isFull(known, ofOnePeer))) return false;
    this.#all.underWay++;
    if (known === undefined) this.#byPeer.set(peerId, { underWay: 1, stragglers: 0 });
    else known.underWay++;
    return true;
  }

  /** A request has ended. One whose handler still works is counted until {@link settle}. */
  leave(peerId: string, isWorking: boolean): void {
    this.#change(peerId, -1, isWorking ? 1 : 0);
  }

  /** The handler of a request that had ended is done, too. */
  settle(peerId: string): void {
    this.#change(peerId, 0, -1);
  }

  #change(peerId: string, underWay: number, stragglers: number): void {
    const ofPeer = this.#byPeer.get(peerId);
    if (ofPeer === undefined) return;
    for (const taken of [this.#all, ofPeer]) {
      taken.underWay += underWay;
      taken.stragglers += stragglers;
    }
    if (ofPeer.underWay + ofPeer.stragglers === 0) this.#byPeer.delete(peerId);
  }
}

function isFull({ underWay, stragglers }: Taken, limit: number): boolean {
  return underWay >= limit || underWay + stragglers >= 2 * limit;
}
