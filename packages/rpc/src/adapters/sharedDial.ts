import type { Connection, PeerId } from '@libp2p/interface';
import type { ConnectionManager } from '@libp2p/interface-internal';

/** So soon, in ms, no address has run out of time by itself: libp2p gives each some seconds. */
const soonMs = 3_000;
/** So often a dial is made: one that was begun by others, one that others give up, and one to spare. */
const maxDials = 3;

/**
 * Dials peers. libp2p has callers share a dial, that to a relay in between as well. One that others began may try their addresses
 * alone, or those that were known then, and one that somebody else gave up may end for this caller, too. Then it is made again.
 */
export class SharedDials {
  readonly #manager: Pick<ConnectionManager, 'openConnection' | 'getDialQueue'>;
  /** Whom a dial goes to that was begun here: it tries all that is known, and once is enough. */
  readonly #own = new Set<string>();

  constructor(manager: Pick<ConnectionManager, 'openConnection' | 'getDialQueue'>) {
    this.#manager = manager;
  }

  /** @throws what libp2p throws */
  async dial(peer: PeerId, signal: AbortSignal): Promise<Connection> {
    for (let left = maxDials; ; left--) {
      const isUnderWay = this.#manager.getDialQueue().some(({ peerId }) => peerId?.equals(peer) === true);
      const isJoined = isUnderWay && !this.#own.has(peer.toString());
      const late = AbortSignal.timeout(soonMs);
      try {
        return await (isUnderWay
          ? this.#manager.openConnection(peer, { signal })
          : this.#begin(peer, signal));
      } catch (error) {
        const isOthers = isJoined || (!late.aborted && isGivenUp(error));
        if (left === 1 || signal.aborted || !isOthers) throw error;
      }
      // What has ended leaves libp2p's queue in this turn. Who joins it before that is never told anything.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async #begin(peer: PeerId, signal: AbortSignal): Promise<Connection> {
    const id = peer.toString();
    this.#own.add(id);
    try {
      return await this.#manager.openConnection(peer, { signal });
    } finally {
      this.#own.delete(id);
    }
  }
}

function isGivenUp(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isGivenUp);
  return error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError');
}
