import type { ServiceType } from '@lloom/codec';
import type { Clock } from '@lloom/core';

/** Peers that are remembered; the one noted longest ago goes first. */
const maxPeers = 1_024;

/** What peers said of themselves when they were asked last, for as long as it can be believed. */
export class KnownServices {
  readonly #byPeer = new Map<string, { readonly services: readonly ServiceType[]; readonly until: number }>();
  readonly #clock: Clock;
  readonly #ttlMs: number;

  constructor(clock: Clock, ttlMs: number) {
    this.#clock = clock;
    this.#ttlMs = ttlMs;
  }

  /** Remembers the proven services of a peer. */
  note(peerId: string, services: readonly ServiceType[]): void {
    this.#byPeer.delete(peerId);
    this.#byPeer.set(peerId, { services, until: this.#clock.elapsed() + this.#ttlMs });
    const [oldest] = this.#byPeer.keys();
    if (this.#byPeer.size > maxPeers && oldest !== undefined) this.#byPeer.delete(oldest);
  }

  /** The services of a peer; empty when nothing is known any more. */
  of(peerId: string): readonly ServiceType[] {
    const known = this.#byPeer.get(peerId);
    if (known === undefined) return [];
    if (known.until > this.#clock.elapsed()) return known.services;
    this.#byPeer.delete(peerId);
    return [];
  }
}
