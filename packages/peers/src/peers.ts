import { EventHub, systemClock, systemRandom, toMultiaddr, toPeerId, withPeerId } from '@lloom/core';
import type { PeerId, Startable } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import type { Datastore } from 'interface-datastore';

import type { Peers } from './api.ts';
import {
  limitsInEffect,
  resolveLimits,
  resolvePeersConfig,
  resolvePool,
  wantedLimits,
  type PeersConfig,
} from './config.ts';
import { PeersError } from './errors.ts';
import type { Ban, PeersEvents } from './events.ts';
import { checkBan, checkedDial, checkFact, mustBe, textOf } from './internal/callChecks.ts';
import { explain } from './internal/explanation.ts';
import { peersSnapshot } from './internal/peersSnapshot.ts';
import { noStore } from './internal/peersStore.ts';
import { UnreadStore } from './internal/unreadStore.ts';
import { Parts, type PartsPorts } from './parts.ts';
import type { Log, NetworkSettings, PeerNetwork, PeersPorts, PeersStore } from './ports.ts';
import type {
  ConnectionInfo,
  ConnectionLimits,
  ConnectionPoolConfig,
  DialConfig,
  PeerExplanation,
  PeerFact,
  PeerInfo,
  PeersSnapshot,
} from './types.ts';

/** Makes the store of a datastore. */
type CreateStore = (datastore: Datastore | undefined, log: Log) => PeersStore;

/**
 * The service over any network.
 *
 * @param createStore keeps what must survive a restart; without it nothing does
 * @throws {ConfigError} listing every problem of the configuration
 */
export function createPeers(
  given: PeersConfig & PeersPorts,
  createNetwork: (settings: NetworkSettings) => PeerNetwork,
  createStore: CreateStore = () => noStore,
): Peers & Startable {
  const { inspect, clock = systemClock, random = systemRandom, meter, services = () => [], ...rest } = given;
  const { roles, usage, routingTable, datastore, ...config } = rest;
  const resolved = resolvePeersConfig(config);
  const network = createNetwork({ clock, random, backgroundProtocols: resolved.backgroundProtocols });
  const store = new UnreadStore(createStore(datastore, (...line) => network.log(...line)));
  const inspecting = inspect === undefined ? {} : { inspect };
  const ports = { clock, random, inspect: inspecting, meter, services, roles, usage, routingTable };
  return new PeersService({ ...ports, config: resolved, network, store }, wantedLimits(config));
}

type ServicePorts = Omit<PartsPorts, 'hub' | 'isRunning' | 'loaded'>;

class PeersService implements Peers, Startable {
  readonly [Symbol.toStringTag] = '@lloom/peers';
  readonly addEventListener: Peers['addEventListener'];
  readonly removeEventListener: Peers['removeEventListener'];
  readonly events: Peers['events'];
  readonly forwardTo: Peers['forwardTo'];
  readonly #ports: ServicePorts;
  readonly #hub: EventHub<PeersEvents>;
  readonly #parts: Parts;
  #unwatch: (() => void) | undefined;
  /** Reads what was kept; `undefined` when that is done, or not begun. */
  #loading: Promise<void> | undefined;
  #wantedLimits: ConnectionLimits;

  constructor(ports: ServicePorts, wanted: ConnectionLimits) {
    this.#ports = ports;
    this.#wantedLimits = wanted;
    const { network } = ports;
    this.#hub = new EventHub((error, type) => network.log('a listener failed', error, { type }));
    this.addEventListener = this.#hub.addEventListener.bind(this.#hub);
    this.removeEventListener = this.#hub.removeEventListener.bind(this.#hub);
    this.events = this.#hub.events.bind(this.#hub);
    this.forwardTo = this.#hub.forwardTo.bind(this.#hub);
    this.#parts = new Parts({
      ...ports,
      hub: this.#hub,
      isRunning: () => this.#unwatch !== undefined,
      loaded: () => this.#loading ?? Promise.resolve(),
    });
    network.guard(this.#parts.gate);
    network.setLimits(this.#parts.gate.limits);
  }

  async start(): Promise<void> {
    if (this.#unwatch !== undefined) return;
    const { network, store } = this.#ports;
    const { banning, standing, tracking } = this.#parts;
    if (!store.isRead) this.#loading ??= this.#load();
    this.#unwatch = network.watch({
      opened: (connection) => tracking.opened(connection),
      closed: (connection, error) => tracking.closed(connection, error),
      recorded: (record) => this.#parts.note(record),
    });
    banning.start();
    standing.start();
    await this.#loading;
  }

  /** When everything of the node has started, and can be used. */
  afterStart(): void {
    if (this.#unwatch === undefined) return;
    const { config, network } = this.#ports;
    const { liveness, pooling, tracking } = this.#parts;
    if (config.pingIntervalMs > 0) network.takeOverMonitoring();
    liveness.start();
    pooling.start();
    tracking.startMaintaining();
  }

  async stop(): Promise<void> {
    this.#unwatch?.();
    this.#unwatch = undefined;
    const { banning, liveness, pooling, standing, tracking } = this.#parts;
    pooling.stop();
    liveness.stop();
    banning.stop();
    tracking.stop();
    this.#hub.close();
    await standing.stop();
    await this.#ports.store.settled();
  }

  drain(): void {
    this.#parts.pooling.drain();
    this.#parts.tracking.drain();
    this.#ports.network.drain();
  }

  async dialPeer(
    peer: PeerId | string,
    addresses: Multiaddr | string | readonly (Multiaddr | string)[] = [],
    config: DialConfig = {},
  ): Promise<ConnectionInfo> {
    const peerId = this.#otherPeer(peer);
    const targets = [addresses].flat().map((address) => toMultiaddr(address));
    const { signal, toldBy = 'user' } = checkedDial(config);
    if (this.#loading !== undefined) await this.#loading;
    if (this.#unwatch === undefined) throw new PeersError('STOPPED', { peerId });
    this.#parts.gate.checkBan(peerId);
    const [connection] = this.#parts.tracking.open(peerId);
    if (connection !== undefined) return connection;
    const usable = this.#parts.gate.usable(peerId, targets, toldBy);
    if (signal?.aborted === true) throw new PeersError('CANCELLED', { peerId, by: 'signal' });
    this.#parts.gate.checkDial(peerId, toldBy);
    if (toldBy === 'user') this.#parts.gate.warm(peerId);
    return this.#parts.tracking.dial(peerId, usable, signal);
  }

  async disconnectPeer(peer: PeerId | string): Promise<void> {
    const peerId = this.#otherPeer(peer);
    const released = this.#parts.release(peerId);
    released.catch(() => undefined);
    if (this.#unwatch !== undefined) await this.#parts.tracking.disconnect(peerId);
    await released;
  }

  async banPeer(peer: PeerId | string, durationMs: number, reason?: string): Promise<void> {
    const peerId = this.#otherPeer(peer);
    checkBan(durationMs, reason);
    await this.#parts.banning.ban(this.#parts.banOf(peerId, { durationMs, reason, by: 'user' }));
  }

  async unbanPeer(peer: PeerId | string): Promise<void> {
    const peerId = toPeerId(peer).toString();
    await this.#parts.unban(peerId);
  }

  bannedPeers(): Ban[] {
    return this.#parts.banning.list();
  }

  async maintainConnection(peer: PeerId | string): Promise<void> {
    const peerId = this.#otherPeer(peer);
    const { maxMaintainedPeers } = this.#ports.config;
    const { maintained } = this.#parts.tracking;
    if (!maintained.has(peerId) && maintained.size >= maxMaintainedPeers) {
      const data = { peerId, limit: 'maxMaintainedPeers', value: maxMaintainedPeers } as const;
      throw new PeersError('LIMIT_REACHED', data);
    }
    const since = maintained.get(peerId) ?? this.#ports.clock.now();
    this.#parts.gate.warm(peerId);
    this.#parts.tracking.maintain(peerId, since);
    await this.#parts.written(peerId, 'maintained', this.#ports.store.put('maintained', peerId, since));
  }

  async releaseConnection(peer: PeerId | string): Promise<void> {
    await this.#parts.release(toPeerId(peer).toString());
  }

  maintainedPeers(): string[] {
    return [...this.#parts.tracking.maintained.keys()];
  }

  isConnected(peer: PeerId | string): boolean {
    return this.#parts.tracking.open(toPeerId(peer).toString()).length > 0;
  }

  connectedPeers(): string[] {
    return this.#parts.tracking.connected().map(({ peerId }) => peerId);
  }

  peerInfo(peer: PeerId | string): PeerInfo | undefined {
    const peerId = toPeerId(peer).toString();
    const record = this.#parts.records.get(peerId);
    const added = this.#parts.gate.added(peerId);
    const connections = this.#parts.tracking.open(peerId);
    const ban = this.#parts.banning.of(peerId);
    const isMaintained = this.#parts.tracking.maintained.has(peerId);
    const reputation = this.reputationOf(peerId);
    const isKnown = record !== undefined || added.length > 0 || connections.length > 0;
    if (!isKnown && ban === undefined && !isMaintained && reputation === 0) return undefined;
    return {
      peerId,
      addresses: [...new Set([...(record?.addresses ?? []), ...added])],
      protocols: record?.protocols ?? [],
      ...(record?.agentVersion !== undefined && { agentVersion: record.agentVersion }),
      services: this.#ports.services(peerId),
      connections,
      roles: this.#parts.roles.rolesOf(peerId),
      reputation,
      isMaintained,
      ...(ban !== undefined && { ban }),
    };
  }

  async addPeerAddr(peer: PeerId | string, address: Multiaddr | string): Promise<void> {
    const peerId = this.#otherPeer(peer);
    const wanted = toMultiaddr(address);
    const addresses = this.#parts.gate.usable(peerId, [wanted], 'user');
    if (!addresses.every((usable) => this.#ports.network.canDial(usable))) {
      throw new PeersError('NO_ADDRESS', { peerId, unusable: [wanted.toString()] });
    }
    await this.#parts.remember(peerId, addresses);
  }

  async removePeerAddr(peer: PeerId | string, address?: Multiaddr | string): Promise<void> {
    const peerId = this.#otherPeer(peer);
    const named = address === undefined ? [] : [toMultiaddr(address)];
    const addresses = named.map((wanted) => withPeerId(wanted, toPeerId(peerId)).toString());
    await this.#parts.forget(peerId, address === undefined ? undefined : addresses);
  }

  listenedAddresses(): string[] {
    return this.#ports.network.listenedAddresses();
  }

  setConnectionLimits(limits: Partial<ConnectionLimits>): void {
    this.#wantedLimits = resolveLimits(this.#wantedLimits, mustBe('limits', limits));
    this.#parts.gate.limits = limitsInEffect(this.#wantedLimits);
    this.#ports.network.setLimits(this.#parts.gate.limits);
    this.#parts.tracking.trim();
    this.#parts.pooling.wake();
  }

  get connectionLimits(): ConnectionLimits {
    return this.#parts.gate.limits;
  }

  setConnectionPool(pool: ConnectionPoolConfig | undefined): void {
    this.#parts.pooling.pool = pool === undefined ? undefined : resolvePool(pool);
  }

  get connectionPool(): Required<ConnectionPoolConfig> | undefined {
    return this.#parts.pooling.pool;
  }

  reportPeer(peer: PeerId | string, fact: PeerFact): void {
    const peerId = textOf(peer);
    checkFact(fact);
    this.#parts.report(peerId, fact);
  }

  reputationOf(peer: PeerId | string): number {
    return this.#parts.reputationOf(textOf(peer));
  }

  explainPeer(peer: PeerId | string): PeerExplanation {
    const peerId = toPeerId(peer).toString();
    const { disconnectBelow, banBelow } = this.#ports.config;
    const ban = this.#parts.banning.of(peerId);
    const isConnected = this.#parts.tracking.open(peerId).length > 0;
    const known = {
      peerId,
      reputation: this.reputationOf(peerId),
      facts: this.#parts.standing.factsOf(peerId),
      thresholds: { disconnectBelow, banBelow },
      ...(ban !== undefined && { ban }),
      roles: this.#parts.roles.rolesOf(peerId),
      isConnected,
      ...this.#parts.awayOf(peerId),
      ...this.#parts.tracking.explain(peerId),
      ...this.#parts.pooling.explain(peerId, isConnected),
    };
    return explain(known, this.#ports.clock.now());
  }

  snapshot(limit = 1_000): PeersSnapshot {
    const { banning, gate, records, roles, tracking } = this.#parts;
    const connected = tracking.connected();
    const sources = {
      ownPeerId: this.#ports.network.peerId,
      connected: connected.map(({ peerId }) => peerId),
      openConnections: connected.reduce((sum, { connections }) => sum + connections.length, 0),
      bans: banning.list(),
      maintained: tracking.maintained,
      heardOf: [...gate.addedPeers, ...records.keys()],
      connectionsOf: (peerId: string) => tracking.open(peerId),
      rolesOf: (peerId: string) => roles.rolesOf(peerId),
      reputationOf: (peerId: string) => this.#parts.reputationOf(peerId),
    };
    return peersSnapshot(sources, limit);
  }

  async #load(): Promise<void> {
    await this.#parts.load();
    this.#loading = undefined;
  }

  #otherPeer(peer: PeerId | string): string {
    const peerId = toPeerId(peer).toString();
    if (peerId === this.#ports.network.peerId) throw new PeersError('OWN_PEER', { peerId });
    return peerId;
  }
}
