import { createActor, fromPromise, type ActorRefFrom } from 'xstate';
import { EventHub, safe, systemClock, toMultiaddr, toPeerId, type Clock, type Inspector } from '@lloom/core';
import type { PeerId, Startable } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';

import { resolveLimits, resolvePeersConfig, type PeersConfig } from './config.ts';
import { PeersError, type PeersErrorCode, type PeersFailure } from './errors.ts';
import type { PeersEvents } from './events.ts';
import { BoundedMap } from './internal/boundedMap.ts';
import { DialWaiters } from './internal/dialWaiters.ts';
import { Gatekeeper } from './internal/gatekeeper.ts';
import { HeldConnections, ownCause } from './internal/heldConnections.ts';
import { RunningDials } from './internal/runningDials.ts';
import { usableAddresses } from './internal/targets.ts';
import { peerMachine, type DialInput } from './machines/peer.machine.ts';
import type { NetworkConnection, PeerNetwork, PeerRecord, PeersPorts, ServiceSource } from './ports.ts';
import type { ConnectionInfo, ConnectionLimits, DialConfig, PeerInfo, Peers } from './types.ts';

/** A peer that is dialled or held. */
interface Entry {
  readonly peerId: string;
  readonly actor: ActorRefFrom<typeof peerMachine>;
  readonly connections: HeldConnections;
  readonly waiters: DialWaiters;
  /** Those who wait for the peer to be disconnected. */
  readonly closers: Set<PromiseWithResolvers<void>>;
  readonly dials: RunningDials;
  /** What the latest dial threw: the error that is told, with its cause. */
  thrown: unknown;
}

interface Ports {
  readonly clock: Clock;
  readonly services: ServiceSource;
  readonly inspect: { readonly inspect?: Inspector };
}

/**
 * The service over any network.
 * @throws {ConfigError} listing every problem of the configuration
 */
export function createPeers(given: PeersConfig & PeersPorts, network: PeerNetwork): Peers & Startable {
  const { inspect, clock = systemClock, random: _, services = () => [], ...config } = given;
  const ports = { clock, services, inspect: inspect === undefined ? {} : { inspect } };
  return new PeersService(resolvePeersConfig(config), network, ports);
}

class PeersService implements Peers, Startable {
  readonly [Symbol.toStringTag] = '@lloom/peers';
  readonly addEventListener: Peers['addEventListener'];
  readonly removeEventListener: Peers['removeEventListener'];
  readonly events: Peers['events'];
  readonly forwardTo: Peers['forwardTo'];
  readonly #config: Readonly<Required<PeersConfig>>;
  readonly #network: PeerNetwork;
  readonly #ports: Ports;
  readonly #gate: Gatekeeper;
  readonly #hub: EventHub<PeersEvents>;
  readonly #entries = new Map<string, Entry>();
  readonly #records: BoundedMap<PeerRecord>;
  #unwatch: (() => void) | undefined;

  constructor(config: Readonly<Required<PeersConfig>>, network: PeerNetwork, ports: Ports) {
    this.#config = config;
    this.#network = network;
    this.#ports = ports;
    this.#hub = new EventHub((error, type) => network.log(`a listener of ${type} failed`, error));
    this.addEventListener = this.#hub.addEventListener.bind(this.#hub);
    this.removeEventListener = this.#hub.removeEventListener.bind(this.#hub);
    this.events = this.#hub.events.bind(this.#hub);
    this.forwardTo = this.#hub.forwardTo.bind(this.#hub);
    this.#records = new BoundedMap(config.maxKnownPeers, (peerId) => this.#entries.has(peerId));
    this.#gate = new Gatekeeper(config, {
      selfPeerId: network.peerId,
      clock: ports.clock,
      held: (peerId) => this.#entries.get(peerId)?.connections.held() ?? [],
      openConnections: () => this.#openConnections(),
      trackedPeers: () => this.#entries.size,
      isTracked: (peerId) => this.#entries.has(peerId),
      remember: (peerId, addresses) => network.remember(peerId, addresses),
    });
    network.guard(this.#gate);
    network.setLimits(this.#gate.limits);
  }

  start(): void {
    this.#unwatch ??= this.#network.watch({
      opened: (connection) => this.#onOpened(connection),
      closed: (connection, error) => this.#onClosed(connection, error),
      recorded: (record) => this.#records.set(record.peerId, record),
    });
  }

  stop(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
    for (const { peerId, actor, connections, waiters, closers, dials } of this.#entries.values()) {
      waiters.reject(new PeersError('STOPPED', { peerId }));
      for (const closer of closers) closer.resolve();
      actor.stop();
      dials.abort();
      for (let left = connections.clear(); left > 0; left -= 1) {
        this.#hub.emit('connection:closed', { peerId, cause: ownCause('STOPPED') });
      }
    }
    this.#entries.clear();
    this.#hub.close();
  }

  async dialPeer(
    peer: PeerId | string,
    addresses: readonly (Multiaddr | string)[] = [],
    { signal, toldBy = 'user' }: DialConfig = {},
  ): Promise<ConnectionInfo> {
    const peerId = this.#otherPeer(peer);
    const targets = addresses.map((address) => toMultiaddr(address));
    if (this.#unwatch === undefined) throw new PeersError('STOPPED', { peerId });
    const [connection] = this.#open(peerId);
    if (connection !== undefined) return connection;
    const usable = usableAddresses(peerId, targets, (address) => this.#gate.refusesGiven(address, toldBy));
    if (signal?.aborted === true) throw new PeersError('CANCELLED', { peerId, by: 'signal' });
    this.#checkLimits(peerId);
    const entry = this.#entryOf(peerId);
    this.#gate.warm(peerId);
    const onAbort = (): PeersError => {
      if (!entry.waiters.hasCovered(triedBy(entry))) entry.actor.send({ type: 'dial.cancel' });
      this.#settle(entry);
      return new PeersError('CANCELLED', { peerId, by: 'signal' });
    };
    const connected = entry.waiters.add({ addresses: usable, signal, onAbort });
    entry.connections.finish();
    this.#settle(entry);
    return connected;
  }

  async disconnectPeer(peer: PeerId | string): Promise<void> {
    const peerId = this.#otherPeer(peer);
    if (this.#unwatch === undefined) return;
    const entry = this.#entryOf(peerId);
    this.#gate.cool(peerId);
    entry.waiters.reject(new PeersError('CANCELLED', { peerId, by: 'disconnectPeer' }));
    entry.connections.markAll(ownCause('DISCONNECTED'));
    const closer = Promise.withResolvers<void>();
    entry.closers.add(closer);
    entry.actor.send({ type: 'peer.disconnect' });
    await closer.promise;
  }

  isConnected(peer: PeerId | string): boolean {
    return this.#open(toPeerId(peer).toString()).length > 0;
  }

  connectedPeers(): string[] {
    return [...this.#entries.keys()].filter((peerId) => this.#open(peerId).length > 0);
  }

  peerInfo(peer: PeerId | string): PeerInfo | undefined {
    const peerId = toPeerId(peer).toString();
    const record = this.#records.get(peerId);
    const added = this.#gate.added(peerId);
    const connections = this.#open(peerId);
    if (record === undefined && added.length === 0 && connections.length === 0) return undefined;
    return {
      peerId,
      addresses: [...new Set([...(record?.addresses ?? []), ...added])],
      protocols: record?.protocols ?? [],
      ...(record?.agentVersion !== undefined && { agentVersion: record.agentVersion }),
      services: this.#ports.services(peerId),
      connections,
    };
  }

  async addPeerAddr(peer: PeerId | string, address: Multiaddr | string): Promise<void> {
    const peerId = this.#otherPeer(peer);
    const addresses = usableAddresses(peerId, [toMultiaddr(address)], (named) =>
      this.#gate.refusesGiven(named, 'user'),
    );
    for (const full of addresses) this.#gate.add(peerId, toMultiaddr(full));
    await this.#network.remember(peerId, addresses);
  }

  listenedAddresses(): string[] {
    return this.#network.listenedAddresses();
  }

  setConnectionLimits(limits: Partial<ConnectionLimits>): void {
    this.#gate.limits = resolveLimits(this.#gate.limits, limits);
    this.#network.setLimits(this.#gate.limits);
    for (const { peerId, connections } of this.#entries.values())
      connections.trim(this.#gate.ruleFor(peerId));
  }

  get connectionLimits(): ConnectionLimits {
    return this.#gate.limits;
  }

  #onOpened(connection: NetworkConnection): void {
    const { id, peerId, info } = connection;
    if (this.#entries.has(peerId) || this.#gate.room > 0) {
      const entry = this.#entryOf(peerId);
      if (!entry.connections.add(connection)) return;
      entry.actor.send({ type: 'connection.opened', connectionId: id });
      const { openedAt: _, rttMs: __, ...endpoint } = info;
      this.#hub.emit('connection:established', { peerId, endpoint });
      entry.connections.trim(this.#gate.ruleFor(peerId));
      const [best] = entry.connections.open();
      if (best !== undefined) entry.waiters.resolve(best);
    } else {
      void connection.close();
    }
  }

  #onClosed({ id, peerId }: NetworkConnection, error: unknown): void {
    const entry = this.#entries.get(peerId);
    const removed = entry?.connections.remove(id, error);
    if (entry === undefined || removed === undefined) return;
    const { cause } = removed;
    entry.actor.send({ type: 'connection.closed', connectionId: id });
    this.#hub.emit('connection:closed', { peerId, ...(cause !== undefined && { cause }) });
    this.#settle(entry);
  }

  #onDialFailed(entry: Entry, { code, data }: PeersFailure): void {
    const { thrown, waiters } = entry;
    const error = PeersError.is(thrown, code) ? thrown : new PeersError<PeersErrorCode>(code, data);
    waiters.rejectCovered(triedBy(entry), error);
  }

  #onClosing({ closers }: Entry, failure?: PeersError): void {
    for (const { resolve, reject } of closers) {
      if (failure === undefined) resolve();
      else reject(failure);
    }
    closers.clear();
  }

  /** What follows from a peer being disconnected: the next dial, or that nobody is interested any more. */
  #settle(entry: Entry): void {
    const { actor, closers, connections, peerId, waiters } = entry;
    if (!actor.getSnapshot().matches('disconnected')) return;
    const addresses = waiters.next;
    if (addresses !== undefined) actor.send({ type: 'peer.dial', addresses });
    else if (closers.size === 0 && connections.size === 0 && this.#entries.get(peerId) === entry) {
      actor.stop();
      this.#entries.delete(peerId);
    }
  }

  /** The peer, tracked from now on until it is disconnected and nobody waits for it. */
  #entryOf(peerId: string): Entry {
    const known = this.#entries.get(peerId);
    if (known !== undefined) return known;
    if (this.#gate.room <= 0) {
      throw new PeersError('LIMIT_REACHED', { peerId, limit: 'trackedPeers', value: this.#entries.size });
    }
    const machine = peerMachine.provide({
      actors: {
        dial: fromPromise<void, DialInput>(({ input, signal }) => this.#dial(entry, input, signal)),
        close: fromPromise<void, { readonly peerId: string }>(() => this.#network.release(peerId)),
      },
    });
    const { clock, inspect } = this.#ports;
    const { dialTimeoutMs } = this.#config;
    const connections = new HeldConnections();
    const isConnected = (): boolean => connections.size > 0;
    const entry: Entry = {
      peerId,
      actor: createActor(machine, { id: peerId, clock, input: { peerId, dialTimeoutMs }, ...inspect }),
      connections,
      waiters: new DialWaiters(),
      closers: new Set(),
      dials: new RunningDials({ clock, isConnected, lingerMs: dialTimeoutMs }),
      thrown: undefined,
    };
    this.#entries.set(peerId, entry);
    this.#follow(entry);
    return entry;
  }

  #follow(entry: Entry): void {
    const { actor, connections, peerId } = entry;
    const log = (error: unknown): void => this.#network.log('the machine of a peer failed', error);
    const onCloseFailed = ({ reason }: { readonly reason: string }): void => {
      connections.unmarkAll();
      this.#onClosing(entry, new PeersError('CLOSE_FAILED', { peerId, reason }));
    };
    actor.on(
      'dial.failed',
      safe(({ failure }) => this.#onDialFailed(entry, failure), log),
    );
    actor.on(
      'close.ended',
      safe(() => this.#onClosing(entry), log),
    );
    actor.on('close.failed', safe(onCloseFailed, log));
    actor.start();
    actor.subscribe({ next: safe(() => this.#settle(entry), log), error: log });
  }

  async #dial(entry: Entry, { peerId, addresses }: DialInput, signal: AbortSignal): Promise<void> {
    const endAdmission = this.#gate.admit(addresses);
    try {
      entry.thrown = undefined;
      await entry.dials.run(signal, (own) => this.#network.dial({ peerId, addresses, signal: own }));
    } catch (error) {
      if (!signal.aborted) entry.thrown = error;
      throw error;
    } finally {
      endAdmission();
    }
  }

  #otherPeer(peer: PeerId | string): string {
    const peerId = toPeerId(peer).toString();
    if (peerId === this.#network.peerId) throw new PeersError('OWN_PEER', { peerId });
    return peerId;
  }

  /** Whether a dial may begin; one that joins another is not counted. */
  #checkLimits(peerId: string): void {
    const entries = [...this.#entries.values()];
    const dialing = entries.filter(({ actor }) => actor.getSnapshot().matches('dialing'));
    if (dialing.some((entry) => entry.peerId === peerId)) return;
    this.#gate.checkDial(peerId, { open: this.#openConnections(), pending: dialing.length });
  }

  #openConnections(): number {
    return [...this.#entries.values()].reduce((sum, { connections }) => sum + connections.size, 0);
  }

  #open(peerId: string): ConnectionInfo[] {
    return this.#entries.get(peerId)?.connections.open() ?? [];
  }
}

/** Where the current dial of a peer tries. */
const triedBy = ({ actor }: Entry): readonly string[] => actor.getSnapshot().context.addresses;
