import { toPeerId, withPeerId, type Clock } from '@lloom/core';
import type { Multiaddr } from '@multiformats/multiaddr';

import type { PeersConfig } from '../config.ts';
import { PeersError } from '../errors.ts';
import type { Candidate, Gate } from '../ports.ts';
import type { ConnectionLimits } from '../types.ts';
import { refusalOf } from './addressPolicy.ts';
import { BoundedMap } from './boundedMap.ts';
import { isSurplus, type ConnectionRule, type HeldConnection } from './connectionPlan.ts';
import { peerAtEnd, withoutPeer } from './endpoint.ts';

const maxAddressesPerPeer = 16;

/** What the gate has to see of the service. */
export interface GateView {
  readonly selfPeerId: string;
  readonly clock: Clock;
  /** The open connections to a peer. */
  held(peerId: string): readonly HeldConnection[];
  /** How many connections are open in all. */
  openConnections(): number;
  /** How many peers the service keeps track of. */
  trackedPeers(): number;
  isTracked(peerId: string): boolean;
  /** Puts addresses into the peer store. */
  remember(peerId: string, addresses: readonly string[]): Promise<void>;
}

/** Decides who may be dialled and who may come in. Time and connections are seen through {@link GateView}. */
export class Gatekeeper implements Gate {
  limits: ConnectionLimits;
  readonly #config: Readonly<Required<PeersConfig>>;
  readonly #view: GateView;
  /** Until when peers stay away, by the clock's elapsed time. */
  readonly #coolUntil: BoundedMap<number>;
  /** Addresses that the user gave for good, in full, by peer. */
  readonly #added: BoundedMap<readonly Multiaddr[]>;
  /** Addresses that the user gave to a dial that is under way, in full, with the number of such dials. */
  readonly #named = new Map<string, number>();

  constructor(config: Readonly<Required<PeersConfig>>, view: GateView) {
    this.#config = config;
    this.#view = view;
    const { maxConnections, maxConnectionsPerPeer, maxPendingConnections, maxKnownPeers } = config;
    this.limits = { maxConnections, maxConnectionsPerPeer, maxPendingConnections };
    this.#coolUntil = new BoundedMap(maxKnownPeers);
    this.#added = new BoundedMap(maxKnownPeers, (peerId) => view.isTracked(peerId));
  }

  /** How many more peers the service may keep track of: no more than can be connected or under way. */
  get room(): number {
    const { maxConnections, maxPendingConnections } = this.limits;
    return maxConnections + maxPendingConnections - this.#view.trackedPeers();
  }

  /** Keeps a peer away for a while. */
  cool(peerId: string): void {
    this.#coolUntil.set(peerId, this.#view.clock.elapsed() + this.#config.disconnectCooldownMs);
  }

  /** Lets a peer come again. */
  warm(peerId: string): void {
    this.#coolUntil.delete(peerId);
  }

  /** What decides which connections to a peer stay: none while it has to stay away. */
  ruleFor(peerId: string): ConnectionRule {
    const limit = this.#isCooling(peerId) ? 0 : this.limits.maxConnectionsPerPeer;
    return { limit, selfPeerId: this.#view.selfPeerId, remotePeerId: peerId };
  }

  /** Keeps an address of a peer for good. */
  add(peerId: string, address: Multiaddr): void {
    const others = this.#addedTo(peerId).filter((known) => !known.equals(address));
    this.#added.set(peerId, [...others, address].slice(-maxAddressesPerPeer));
  }

  /** The addresses that were added to a peer, without it at the end. */
  added(peerId: string): string[] {
    return this.#addedTo(peerId).map((address) => withoutPeer(address, peerId));
  }

  /**
   * Whether the user may begin to dial, beside this many open connections and dials under way.
   * @throws {PeersError} `LIMIT_REACHED`
   */
  checkDial(peerId: string, { open, pending }: { readonly open: number; readonly pending: number }): void {
    const { maxConnections, maxPendingConnections } = this.limits;
    if (open >= maxConnections) {
      throw new PeersError('LIMIT_REACHED', { peerId, limit: 'maxConnections', value: maxConnections });
    }
    if (pending >= maxPendingConnections) {
      const data = { peerId, limit: 'maxPendingConnections', value: maxPendingConnections } as const;
      throw new PeersError('LIMIT_REACHED', data);
    }
  }

  /** Lets the user's own addresses pass until the result is called. */
  admit(addresses: readonly string[]): () => void {
    for (const address of addresses) this.#named.set(address, (this.#named.get(address) ?? 0) + 1);
    return () => {
      for (const address of addresses) {
        const count = (this.#named.get(address) ?? 1) - 1;
        if (count === 0) this.#named.delete(address);
        else this.#named.set(address, count);
      }
    };
  }

  /** Why an address that is given to a call may not be used. */
  refusesGiven(address: Multiaddr, toldBy: 'user' | 'peers'): string | undefined {
    return refusalOf(address, this.#config.addressPolicy, toldBy === 'user');
  }

  async refusesPeer(peerId: string): Promise<string | undefined> {
    if (this.#isCooling(peerId)) return 'it was disconnected a moment ago';
    const added = this.#addedTo(peerId);
    if (added.length > 0) {
      await this.#view.remember(
        peerId,
        added.map((address) => address.toString()),
      );
    }
    return undefined;
  }

  refusesAddress(address: Multiaddr): string | undefined {
    return refusalOf(address, this.#config.addressPolicy, this.#isNamed(address));
  }

  refusesInbound(address: Multiaddr, pending: number): string | undefined {
    const { addressPolicy } = this.#config;
    const { maxPendingConnections } = this.limits;
    if (pending >= maxPendingConnections) return `maxPendingConnections is ${maxPendingConnections}`;
    return addressPolicy === 'loopback' ? refusalOf(address, addressPolicy, false) : undefined;
  }

  refusesConnection({ peerId, ...candidate }: Candidate): string | undefined {
    const { maxConnections } = this.limits;
    if (this.#isCooling(peerId)) return 'it was disconnected a moment ago';
    if (!this.#view.isTracked(peerId) && this.room <= 0) return 'too many peers';
    if (candidate.direction === 'inbound' && this.#view.openConnections() >= maxConnections)
      return `maxConnections is ${maxConnections}`;
    const rule = this.ruleFor(peerId);
    return isSurplus(candidate, this.#view.held(peerId), rule)
      ? `maxConnectionsPerPeer is ${rule.limit}`
      : undefined;
  }

  #addedTo(peerId: string): readonly Multiaddr[] {
    return this.#added.get(peerId) ?? [];
  }

  #isNamed(address: Multiaddr): boolean {
    if (this.#named.has(address.toString())) return true;
    const peerId = peerAtEnd(address);
    if (peerId === undefined) return false;
    const full = withPeerId(address, toPeerId(peerId));
    return this.#addedTo(peerId).some((known) => known.equals(full));
  }

  #isCooling(peerId: string): boolean {
    const until = this.#coolUntil.get(peerId);
    if (until === undefined) return false;
    if (this.#view.clock.elapsed() < until) return true;
    this.#coolUntil.delete(peerId);
    return false;
  }
}
