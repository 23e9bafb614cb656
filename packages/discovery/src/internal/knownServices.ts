import type { ServiceDescriptor, ServiceType } from '@lloom/codec';
import type { Clock } from '@lloom/core';

/** Peers that are remembered; the one noted longest ago goes first. */
const maxPeers = 1_024;

/** What a peer said of itself. */
export interface KnownPeer {
  readonly peerId: string;
  readonly services: readonly ServiceType[];
  /** Whether it named an address at which it can be reached. */
  readonly hasAddress: boolean;
}

/** What peers said of themselves when they were asked last, for as long as it can be believed. */
export class KnownServices {
  readonly #byPeer = new Map<string, KnownPeer & { readonly until: number }>();
  readonly #clock: Clock;
  readonly #ttlMs: number;

  constructor(clock: Clock, ttlMs: number) {
    this.#clock = clock;
    this.#ttlMs = ttlMs;
  }

  /** Remembers what a peer has proven; `undefined` when it never offered anything. */
  note(peerId: string, descriptor: Pick<ServiceDescriptor, 'services' | 'addresses'> | undefined): void {
    const { services, addresses } = descriptor ?? { services: [], addresses: [] };
    const until = this.#clock.elapsed() + this.#ttlMs;
    this.#byPeer.delete(peerId);
    this.#byPeer.set(peerId, { peerId, services, hasAddress: addresses.length > 0, until });
    const [oldest] = this.#byPeer.keys();
    if (this.#byPeer.size > maxPeers && oldest !== undefined) this.#byPeer.delete(oldest);
  }

  /** The services of a peer; empty when nothing is known any more. */
  of(peerId: string): readonly ServiceType[] {
    this.#forgetOld();
    return this.#byPeer.get(peerId)?.services ?? [];
  }

  /** Everybody of whom something is known. */
  all(): Iterable<KnownPeer> {
    this.#forgetOld();
    return this.#byPeer.values();
  }

  /** The one noted longest ago is the first to go: all live equally long. */
  #forgetOld(): void {
    const nowMs = this.#clock.elapsed();
    for (const { peerId, until } of this.#byPeer.values()) {
      if (until > nowMs) return;
      this.#byPeer.delete(peerId);
    }
  }
}
