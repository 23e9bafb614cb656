import { orAbort, type Clock } from '@lloom/core';
import type { RateLimit } from '../types.ts';
import { RateLimiter } from './rateLimiter.ts';

/** How many requests one peer is sent at a time, and how often. */
export interface GateLimits {
  readonly maxPerPeer: number;
  readonly rateLimits: Readonly<Record<string, RateLimit>>;
}

/** A request that waits. */
interface Waiter {
  readonly method: string;
  readonly enter: () => void;
}

/** The requests to one peer. */
interface Peer {
  underWay: number;
  readonly waiting: Set<Waiter>;
  timer: unknown;
}

/**
 * What this node may ask of each peer now, so that it never is the one that is refused for asking too much. Requests
 * beyond it wait here, first come first served; how many there may be is the caller's to bound.
 */
export class OutboundGate {
  readonly #maxPerPeer: number;
  readonly #clock: Clock;
  readonly #rates: RateLimiter;
  readonly #peers = new Map<string, Peer>();

  constructor({ maxPerPeer, rateLimits }: GateLimits, clock: Clock) {
    this.#maxPerPeer = maxPerPeer;
    this.#clock = clock;
    this.#rates = new RateLimiter(rateLimits, clock);
  }

  /** Takes a place when there is one and nobody waits for it. Each is given back with {@link leave}. */
  tryEnter(peerId: string, method: string): boolean {
    const peer = this.#peers.get(peerId);
    if (!this.#isOpen(peer)) return false;
    if (!this.#rates.isIdle && this.#rates.take(peerId, method) > 0) return false;
    if (peer === undefined) this.#peers.set(peerId, { underWay: 1, waiting: new Set(), timer: undefined });
    else peer.underWay++;
    return true;
  }

  /** Whether there is a place that nobody waits for. */
  hasRoom(peerId: string, method: string): boolean {
    return this.#isOpen(this.#peers.get(peerId)) && this.#rates.waitMs(peerId, method) === 0;
  }

  /** How many places with the peer are taken. */
  underWay(peerId: string): number {
    return this.#peers.get(peerId)?.underWay ?? 0;
  }

  /** How long nothing of that method may be asked, as the peer has said itself, in ms. */
  heldMs(peerId: string, method: string): number {
    return this.#rates.heldMs(peerId, method);
  }

  /** Takes a place as soon as there is one. Rejects with the signal's reason, and has taken none then. */
  async enter(peerId: string, method: string, signal: AbortSignal): Promise<void> {
    if (this.tryEnter(peerId, method)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const peer = this.#peers.get(peerId) ?? { underWay: 0, waiting: new Set<Waiter>(), timer: undefined };
    this.#peers.set(peerId, peer);
    let isIn = false;
    const waiter: Waiter = {
      method,
      enter: () => {
        isIn = true;
        resolve();
      },
    };
    peer.waiting.add(waiter);
    this.#admit(peerId, peer);
    try {
      await orAbort(promise, signal);
    } catch (error) {
      peer.waiting.delete(waiter);
      // It may have been let in in the turn in which it was given up.
      if (isIn) this.leave(peerId);
      else this.#forgetIdle(peerId, peer);
      throw error;
    }
  }

  /** Gives a place back. */
  leave(peerId: string): void {
    const peer = this.#peers.get(peerId);
    if (peer === undefined) return;
    peer.underWay--;
    if (peer.waiting.size > 0) this.#admit(peerId, peer);
    this.#forgetIdle(peerId, peer);
  }

  /** The peer has said that it takes no more of these for so long. */
  hold(peerId: string, method: string, forMs: number): void {
    this.#rates.hold(peerId, method, forMs);
  }

  /** Lets nobody in any more by itself. */
  stop(): void {
    for (const peer of this.#peers.values()) this.#clock.clearTimeout(peer.timer);
  }

  #isOpen(peer: Peer | undefined): boolean {
    return peer === undefined || (peer.underWay < this.#maxPerPeer && peer.waiting.size === 0);
  }

  #admit(peerId: string, peer: Peer): void {
    this.#clock.clearTimeout(peer.timer);
    peer.timer = undefined;
    const limited = new Map<string, number>();
    for (const waiter of peer.waiting) {
      if (peer.underWay >= this.#maxPerPeer) return;
      if (limited.has(waiter.method)) continue;
      const waitMs = this.#rates.take(peerId, waiter.method);
      if (waitMs > 0) {
        limited.set(waiter.method, waitMs);
        continue;
      }
      peer.waiting.delete(waiter);
      peer.underWay++;
      waiter.enter();
    }
    if (limited.size === 0) return;
    peer.timer = this.#clock.setTimeout(() => this.#admit(peerId, peer), Math.min(...limited.values()));
  }

  #forgetIdle(peerId: string, peer: Peer): void {
    if (peer.underWay > 0 || peer.waiting.size > 0) return;
    this.#clock.clearTimeout(peer.timer);
    this.#peers.delete(peerId);
  }
}
