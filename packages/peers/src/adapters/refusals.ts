import type { MultiaddrConnection } from '@libp2p/interface';
import { RecentMap, safe, type Clock } from '@lloom/core';

/**
 * Refusals of one peer are so far apart, in ms: stock libp2p dials a peer with a `keep-alive` tag again in the moment in which
 * it is refused.
 */
const apartMs = 1_000;

/** Of how many peers the last refusal is remembered. */
const maxPeers = 256;

/** How many connections of peers that are refused are held at the same time. */
export const maxHeldRefusals = 8;

/** Keeps those waiting who come back as soon as they are refused. */
export class Refusals {
  readonly #clock: Clock;
  readonly #onError: (error: unknown) => void;
  /** What lets go, by peer. */
  readonly #held = new Map<string, () => void>();
  /** When peers were refused last, by the clock's elapsed time. */
  readonly #refusedAt = new RecentMap<number>(maxPeers);
  #isHolding = false;

  constructor(clock: Clock, onError: (error: unknown) => void) {
    this.#clock = clock;
    this.#onError = onError;
  }

  /** Until `end`. */
  begin(): void {
    this.#isHolding = true;
  }

  /** Lets go of all, and holds nobody any more. */
  end(): void {
    this.#isHolding = false;
    for (const release of this.#held.values()) release();
  }

  /**
   * Resolves when a connection is to be refused: a second after the last one of the peer; at once when another of the peer is
   * held already, or too many are.
   */
  async hold(peerId: string, maConn: MultiaddrConnection): Promise<void> {
    const leftMs = (this.#refusedAt.get(peerId) ?? -Infinity) + apartMs - this.#clock.elapsed();
    if (leftMs > 0) await this.#holdFor(leftMs, peerId, maConn);
    this.#refusedAt.set(peerId, this.#clock.elapsed());
  }

  async #holdFor(ms: number, peerId: string, maConn: MultiaddrConnection): Promise<void> {
    const isFull = this.#held.size >= maxHeldRefusals || this.#held.has(peerId);
    if (!this.#isHolding || isFull || maConn.status !== 'open') return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const release = safe(() => resolve(), this.#onError);
    const timer = this.#clock.setTimeout(release, ms);
    maConn.addEventListener('close', release, { once: true });
    this.#held.set(peerId, release);
    // Its peer may take it for open, and send. Nothing of that is stored.
    maConn.pause();
    await promise;
    this.#held.delete(peerId);
    this.#clock.clearTimeout(timer);
    maConn.removeEventListener('close', release);
  }
}
