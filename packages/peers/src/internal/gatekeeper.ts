import { toPeerId, type Clock } from '@lloom/core';
import type { Multiaddr } from '@multiformats/multiaddr';

import type { ResolvedPeersConfig } from '../config.ts';
import { PeersError } from '../errors.ts';
import type { Ban } from '../events.ts';
import type { Candidate, Gate } from '../ports.ts';
import type { ConnectionLimits, DialConfig } from '../types.ts';
import { refusalOf } from './addressPolicy.ts';
import { BoundedMap } from './boundedMap.ts';
import { originOf, type ConnectionCounts } from './connectionCounts.ts';
import { isSurplus, type ConnectionRule, type HeldConnection } from './connectionPlan.ts';
import { peerAtEnd, relaysOf, withoutPeer } from './endpoint.ts';
import { usableAddresses } from './targets.ts';

const maxAddressesPerPeer = 16;
const awayMessage = 'it was disconnected a moment ago';
/** So much of `maxPendingConnections` may come from one IP address, and one in any case: four of them fill it, not one. */
const maxPendingShare = 1 / 4;
const allDialLimits = ['maxConnections', 'maxOutboundConnections', 'maxPendingConnections'] as const;

/** What the gate has to see of the service. */
export interface GateView {
  readonly selfPeerId: string;
  readonly clock: Clock;
  readonly counts: ConnectionCounts;
  /** The open connections to a peer. */
  held(peerId: string): readonly HeldConnection[];
  /** How many peers the service keeps track of without having been told to maintain them. */
  trackedPeers(): number;
  isTracked(peerId: string): boolean;
  /** How many dials are under way. */
  dialing(): number;
  isDialing(peerId: string): boolean;
  /** Whether an old connection to the peer is being replaced. */
  isReplacing(peerId: string): boolean;
  /** The peers that the service dials itself whenever they are lost. */
  maintained(): Pick<ReadonlyMap<string, unknown>, 'has' | 'keys'>;
  banOf(peerId: string): Ban | undefined;
  /** Resolves when it is known who is banned, and what else was kept. */
  loaded(): Promise<void>;
  /** Puts addresses into the peer store. */
  remember(peerId: string, addresses: readonly string[]): Promise<void>;
}

/** Decides who may be dialled and who may come in. Time and connections are seen through {@link GateView}. */
export class Gatekeeper implements Gate {
  limits: ConnectionLimits;
  readonly #config: ResolvedPeersConfig;
  readonly #view: GateView;
  /** Until when peers stay away, by the clock's elapsed time. */
  readonly #coolUntil: BoundedMap<number>;
  /** Addresses that the user gave for good, in full, by peer. */
  readonly #added: BoundedMap<readonly string[]>;
  /** Addresses that the user gave to a dial that is under way, in full, with the number of such dials. */
  readonly #named = new Map<string, number>();

  constructor(config: ResolvedPeersConfig, view: GateView) {
    this.#config = config;
    this.#view = view;
    this.limits = Object.freeze({
      maxConnections: config.maxConnections,
      maxInboundConnections: config.maxInboundConnections,
      maxOutboundConnections: config.maxOutboundConnections,
      maxConnectionsPerPeer: config.maxConnectionsPerPeer,
      maxConnectionsPerIp: config.maxConnectionsPerIp,
      maxPendingConnections: config.maxPendingConnections,
    });
    this.#coolUntil = new BoundedMap(config.maxKnownPeers);
    this.#added = new BoundedMap(config.maxKnownPeers, (peerId) => view.isTracked(peerId));
  }

  /** How many more peers the service may keep track of: no more than can be connected or under way. */
  get room(): number {
    const { maxConnections, maxPendingConnections } = this.limits;
    return maxConnections + maxPendingConnections - this.#view.trackedPeers();
  }

  /** The peers that have addresses for good. */
  get addedPeers(): Iterable<string> {
    return this.#added.keys();
  }

  /** Keeps a peer away for a while. */
  cool(peerId: string): void {
    this.#coolUntil.set(peerId, this.#view.clock.elapsed() + this.#config.disconnectCooldownMs);
  }

  /** Lets a peer come again. */
  warm(peerId: string): void {
    this.#coolUntil.delete(peerId);
  }

  /** Whether a peer has to stay away for a while. */
  isCooling(peerId: string): boolean {
    return this.coolingMs(peerId) > 0;
  }

  /** For how long a peer has to stay away, in ms; 0 when it may come. */
  coolingMs(peerId: string): number {
    const until = this.#coolUntil.get(peerId);
    if (until === undefined) return 0;
    const restMs = until - this.#view.clock.elapsed();
    if (restMs > 0) return restMs;
    this.#coolUntil.delete(peerId);
    return 0;
  }

  /** What decides which connections to a peer stay: none while it has to stay away. */
  ruleFor(peerId: string): ConnectionRule {
    const most = this.limits.maxConnectionsPerPeer + Number(this.#view.isReplacing(peerId));
    const limit = this.isCooling(peerId) ? 0 : most;
    const { clock, selfPeerId } = this.#view;
    return { limit, now: clock.elapsed(), selfPeerId, remotePeerId: peerId };
  }

  /** Keeps addresses of a peer, in full, for good; gives the peer whose addresses made room. */
  add(peerId: string, addresses: readonly string[]): string | undefined {
    const others = this.addedTo(peerId).filter((known) => !addresses.includes(known));
    return this.#added.set(peerId, [...others, ...addresses].slice(-maxAddressesPerPeer));
  }

  /** Takes back addresses of a peer, in full, all when none is named; gives those that were there. */
  remove(peerId: string, addresses?: readonly string[]): string[] {
    const all = this.addedTo(peerId);
    const gone = all.filter((address) => addresses === undefined || addresses.includes(address));
    if (gone.length === all.length) this.#added.delete(peerId);
    else
      this.#added.set(
        peerId,
        all.filter((address) => !gone.includes(address)),
      );
    return gone;
  }

  /** The addresses that were added to a peer, in full. */
  addedTo(peerId: string): readonly string[] {
    return this.#added.get(peerId) ?? [];
  }

  /** The same without the peer at the end. */
  added(peerId: string): string[] {
    return this.addedTo(peerId).map((address) => withoutPeer(address, peerId));
  }

  /**
   * Whether a dial may begin. One that joins another is not counted.
   * @throws {PeersError} `BANNED`, `LIMIT_REACHED`, or `PEER_REFUSED` when others want a peer that has to stay away
   */
  checkDial(peerId: string, toldBy: NonNullable<DialConfig['toldBy']>): void {
    this.checkBan(peerId);
    if (toldBy !== 'user' && this.isCooling(peerId)) {
      throw new PeersError('PEER_REFUSED', { peerId }, { cause: new Error(awayMessage) });
    }
    if (!this.#view.isDialing(peerId)) this.#checkRoom(peerId, allDialLimits);
  }

  /** @throws {PeersError} `BANNED` */
  checkBan(peerId: string): void {
    const ban = this.#view.banOf(peerId);
    if (ban === undefined) return;
    const { until, reason } = ban;
    throw new PeersError('BANNED', { peerId, until, ...(reason !== undefined && { reason }) });
  }

  /**
   * Whether a peer that is maintained may be dialled now. How many are open does not matter: what is worth less goes.
   * @throws {PeersError} `LIMIT_REACHED`
   */
  checkRedial(peerId: string): void {
    this.#checkRoom(peerId, ['maxPendingConnections']);
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
  refusesGiven(address: Multiaddr, toldBy: NonNullable<DialConfig['toldBy']>): string | undefined {
    return (
      this.#refusesRelayOf(address) ?? refusalOf(address, this.#config.addressPolicy, toldBy !== 'peers')
    );
  }

  /**
   * Those of the given addresses that may be used, in full.
   * @throws {PeersError} `WRONG_PEER` when one names another peer, `ADDRESS_REFUSED` when none may be used
   */
  usable(
    peerId: string,
    addresses: readonly Multiaddr[],
    toldBy: NonNullable<DialConfig['toldBy']>,
  ): string[] {
    return usableAddresses(peerId, addresses, (address) => this.refusesGiven(address, toldBy));
  }

  async refusesPeer(peerId: string): Promise<string | undefined> {
    await this.#view.loaded();
    const refusal = this.#refusesAlways(peerId);
    if (refusal !== undefined) return refusal;
    const added = this.addedTo(peerId);
    if (added.length > 0) await this.#view.remember(peerId, added);
    return undefined;
  }

  refusesAddress(address: Multiaddr): string | undefined {
    return (
      this.#refusesRelayOf(address) ?? refusalOf(address, this.#config.addressPolicy, this.#isNamed(address))
    );
  }

  refusesInbound(address: Multiaddr, pending: readonly Multiaddr[]): string | undefined {
    const { addressPolicy } = this.#config;
    const { maxPendingConnections } = this.limits;
    if (pending.length >= maxPendingConnections) return `maxPendingConnections is ${maxPendingConnections}`;
    return (
      // Who it is shows later.
      (this.#lacksMaintained() ? undefined : this.#refusesOneMore()) ??
      this.#refusesOrigin(address, pending) ??
      (addressPolicy === 'loopback' ? refusalOf(address, addressPolicy, false) : undefined)
    );
  }

  refusesConnection({ peerId, remoteAddress, ...candidate }: Candidate): string | undefined {
    const refusal = this.#refusesAlways(peerId) ?? this.#refusesRelayOf(remoteAddress);
    if (refusal !== undefined) return refusal;
    if (!this.#view.isTracked(peerId) && this.room <= 0) return 'too many peers';
    if (candidate.direction === 'inbound') {
      const full =
        (this.#isLacking(peerId) ? undefined : this.#refusesOneMore()) ??
        this.#refusesOrigin(remoteAddress, []);
      if (full !== undefined) return full;
    }
    const rule = this.ruleFor(peerId);
    return isSurplus(candidate, this.#view.held(peerId), rule)
      ? `maxConnectionsPerPeer is ${rule.limit}`
      : undefined;
  }

  isBarred(peerId: string): boolean {
    return this.#view.banOf(peerId) !== undefined || this.isCooling(peerId);
  }

  mayRedial(peerId: string): boolean {
    return !this.isBarred(peerId) && !this.#view.maintained().has(peerId);
  }

  refusesRelaying(peerId: string): string | undefined {
    return this.#refusesAlways(peerId);
  }

  #refusesAlways(peerId: string): string | undefined {
    const ban = this.#view.banOf(peerId);
    if (ban !== undefined) return `it is banned until ${new Date(ban.until).toISOString()}`;
    return this.isCooling(peerId) ? awayMessage : undefined;
  }

  #refusesRelayOf(address: Multiaddr): string | undefined {
    return relaysOf(address).some((relay) => this.#view.banOf(canonical(relay)) !== undefined)
      ? 'goes through a relay that is banned'
      : undefined;
  }

  /** Whether somebody who is maintained may come in and is not connected. */
  #lacksMaintained(): boolean {
    for (const peerId of this.#view.maintained().keys()) {
      if (this.#isLacking(peerId) && !this.isBarred(peerId)) return true;
    }
    return false;
  }

  #isLacking(peerId: string): boolean {
    return this.#view.maintained().has(peerId) && this.#view.held(peerId).length === 0;
  }

  /** @throws {PeersError} `LIMIT_REACHED` */
  #checkRoom(peerId: string, limits: readonly (typeof allDialLimits)[number][]): void {
    const { counts } = this.#view;
    const used = {
      maxConnections: counts.open,
      maxOutboundConnections: counts.outbound,
      maxPendingConnections: this.#view.dialing(),
    };
    for (const limit of limits) {
      const value = this.limits[limit];
      if (used[limit] >= value) throw new PeersError('LIMIT_REACHED', { peerId, limit, value });
    }
  }

  #refusesOneMore(): string | undefined {
    const { maxConnections, maxInboundConnections } = this.limits;
    const { open, inbound } = this.#view.counts;
    if (open >= maxConnections) return `maxConnections is ${maxConnections}`;
    return inbound >= maxInboundConnections ? `maxInboundConnections is ${maxInboundConnections}` : undefined;
  }

  #refusesOrigin(address: Multiaddr, pending: readonly Multiaddr[]): string | undefined {
    const origin = originOf(address);
    if (origin === undefined) return undefined;
    const { maxConnectionsPerIp, maxPendingConnections } = this.limits;
    let waiting = 0;
    for (const other of pending) if (originOf(other) === origin) waiting += 1;
    const share = Math.max(1, Math.floor(maxPendingConnections * maxPendingShare));
    if (waiting >= share) return `${share} of maxPendingConnections come from there already`;
    const used = this.#view.counts.from(origin) + waiting;
    return used >= maxConnectionsPerIp ? `maxConnectionsPerIp is ${maxConnectionsPerIp}` : undefined;
  }

  #isNamed(address: Multiaddr): boolean {
    const text = address.toString();
    if (this.#named.has(text)) return true;
    const peerId = peerAtEnd(address);
    return peerId !== undefined && this.addedTo(peerId).includes(text);
  }
}

/** The text of a peer id as this package writes it. Those that begin so are; parsing is left to what is rare. */
const canonical = (peerId: string): string =>
  /^(?:12D3|16Uiu2|Qm)/.test(peerId) ? peerId : toPeerId(peerId).toString();
