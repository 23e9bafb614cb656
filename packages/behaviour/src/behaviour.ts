import { createActor, fromPromise, waitFor, type ActorRefFrom } from 'xstate';
import type { Libp2p, PeerDiscovery } from '@libp2p/interface';
import {
  type Clock,
  errorText,
  EventHub,
  type EventSource,
  integer,
  resolveConfig,
  sharing,
  systemClock,
} from '@lloom/core';
import type { LocalDiscovery } from '@lloom/discovery';
import { createReplayGuard, messageKeys, type Identity, type OpenReplayGuard } from '@lloom/identity';
import type { Gossip } from '@lloom/gossip';
import type { MetricsSources, NodeMetrics } from '@lloom/metrics';
import type { Rpc } from '@lloom/rpc';
import { createLog, type Log } from '@lloom/transport';
import { openDatastore, type OpenDatastore } from './adapters/datastore.ts';
import { createNode, type NodeServices } from './adapters/libp2p.ts';
import { routingTableOf, type KadRoutingTable } from './adapters/kad.ts';
import { keepKadMode } from './adapters/kadMode.ts';
import { hasOnlyLoopback, localDiscoveryOf } from './adapters/mdns.ts';
import {
  resolveNetworkConfig,
  type NetworkConfig,
  type NodePorts,
  type ResolvedNetworkConfig,
} from './config.ts';
import { BehaviourError } from './errors.ts';
import type { LloomEvents } from './events.ts';
import { Endpoints } from './internal/endpoints.ts';
import { figuresOf, measureNode, sourcesOf } from './internal/figures.ts';
import { portsAndConfig } from './internal/portsAndConfig.ts';
import { relayTraceProtocol } from './internal/relayTraces.ts';
import { checkRuntime } from './internal/runtime.ts';
import { openConnections, type StateSources } from './internal/state.ts';
import { startError } from './internal/startError.ts';
import { agentVersion } from './internal/version.ts';
import { nodeMachine } from './machines/node.machine.ts';
import { debuggingSurface, type DebuggingParts, type DebuggingSurface } from './surface/debugging.ts';
import { discoverySurface, type DiscoverySurface } from './surface/discovery.ts';
import { gossipSurface, type GossipSurface } from './surface/gossip.ts';
import { metricsSurface, type MetricsSurface } from './surface/metrics.ts';
import { natSurface, type NatSurface } from './surface/nat.ts';
import { peersSurface, type PeersSurface } from './surface/peers.ts';
import { rpcSurface, type RpcSurface } from './surface/rpc.ts';
import { stateSurface, type StateSurface } from './surface/state.ts';
import type { KadMetrics } from './types.ts';
import { wire } from './wiring.ts';

/** How to stop a node. */
export interface StopConfig {
  /** How long requests under way may take to end, in ms: a whole number from 0 to a day. @default 5_000 */
  readonly drainMs?: number;
}

/** A node of the network: every package composed, under the names of the specification. */
export interface LloomBehaviour
  extends
    PeersSurface,
    RpcSurface,
    DiscoverySurface,
    GossipSurface,
    NatSurface,
    MetricsSurface,
    DebuggingSurface,
    StateSurface,
    EventSource<LloomEvents> {
  /** The node's own peer id. */
  readonly peerId: string;
  /** The libp2p node underneath. */
  readonly libp2p: Libp2p;
  /** The DHT service underneath. */
  readonly kad: NodeServices['dht'];
  /** The gossipsub service underneath. */
  readonly gossipsub: Gossip['pubsub'];
  /** The rpc service underneath. */
  readonly requestResponse: Rpc;
  /**
   * What sights peers on the local network; its `peer` event repeats with every announcement. `undefined` when it is
   * disabled.
   */
  readonly mdns: PeerDiscovery | undefined;
  /**
   * Stops the node for good: withdraws its offers, refuses new requests with `BUSY`, lets those under way end for
   * `drainMs`, and closes everything. May be called again, and by several callers: whoever gives a time that is over sooner
   * shortens the wait for all, and nobody lengthens it.
   *
   * @throws {ConfigError} for a time that is none; nothing is stopped
   * @throws {BehaviourError} `STOP_FAILED`: it is stopped, but not in an orderly way
   */
  stop(config?: StopConfig): Promise<void>;
}

/** What a stop may be given, and how long it waits otherwise. */
const stopRules = {
  checks: { drainMs: integer(0, 86_400_000) },
  defaults: { drainMs: 5_000 },
};

/** The composition behind {@link LloomBehaviour}. */
class Node extends EventHub<LloomEvents> {
  readonly #identity: Identity;
  readonly #config: ResolvedNetworkConfig;
  readonly #ports: NodePorts;
  readonly #clock: Clock;
  readonly #logger: Log;
  readonly #figures: NodeMetrics | undefined;
  readonly #endpoints: Endpoints;
  readonly #routingTable: KadRoutingTable;
  readonly #createdAt: number;
  readonly #ended = new AbortController();
  readonly #actor: ActorRefFrom<typeof nodeMachine>;
  #datastore: OpenDatastore | undefined;
  #replayGuard: OpenReplayGuard | undefined;
  #libp2p: Libp2p<NodeServices> | undefined;
  #mdns: PeerDiscovery | undefined;
  #storedRecords = (): number => 0;
  #endWaiting = (): void => undefined;
  #withdrawn: Promise<unknown> | undefined;
  #error: unknown;

  constructor(identity: Identity, config: ResolvedNetworkConfig, ports: NodePorts) {
    super((error, type) => this.#note(`a listener of ${type} failed`, error));
    this.#identity = identity;
    this.#config = config;
    this.#ports = ports;
    const noteError = async (act: () => Promise<void>): Promise<void> => {
      try {
        await act();
      } catch (error) {
        this.#error = error;
        throw error;
      }
    };
    const machine = sharing(nodeMachine).provide({
      actors: {
        startNode: fromPromise(() => noteError(() => this.#start())),
        drainNode: fromPromise(({ input }: { input: { drainMs: number } }) => this.#drain(input.drainMs)),
        stopNode: fromPromise(() => noteError(() => this.#stop())),
      },
    });
    const { clock = systemClock, inspect, log: sink, stack } = ports;
    this.#clock = clock;
    this.#createdAt = clock.elapsed();
    this.#logger = createLog({
      ...{ level: config.logLevel, maxRecordsPerSecond: config.maxLogRecordsPerSecond },
      ...{ node: identity.peerId, clock },
      ...(sink && { sink }),
      ...(stack?.logger && { beneath: stack.logger }),
    });
    this.#figures = figuresOf(config, ports, this.#sources);
    this.#endpoints = new Endpoints(this.#figures);
    this.#routingTable = routingTableOf(() => this.#services().dht);
    this.#actor = createActor(machine, { id: `node ${identity.peerId}`, clock, ...(inspect && { inspect }) });
  }

  async start(): Promise<LloomBehaviour> {
    this.#actor.start();
    const { value } = await waitFor(this.#actor, (snapshot) => !snapshot.matches('starting'));
    if (value === 'failed' || this.#libp2p === undefined) throw startError(this.#error, this.#config);
    const libp2p = this.#libp2p;
    const { dht, peers, rpc, discovery, gossip, nat } = libp2p.services;
    const measured = metricsSurface({
      ...{ figures: this.#figures, sources: this.#sources, endpoints: this.#endpoints },
      kad: () => this.#kad(),
    });
    const calls = {
      ...rpcSurface(rpc),
      ...discoverySurface(discovery),
      ...gossipSurface(gossip),
      ...natSurface(nat),
      ...debuggingSurface(this.#debugged(measured)),
      ...stateSurface(this.#shown(libp2p, measured)),
    };
    return Object.assign(withLive(withLive(this, peersSurface(peers)), measured), calls, {
      peerId: this.#identity.peerId,
      libp2p,
      kad: dht,
      gossipsub: gossip.pubsub,
      requestResponse: rpc,
      mdns: this.#mdns,
    });
  }

  async stop(config?: StopConfig): Promise<void> {
    const { drainMs } = resolveConfig('stop', stopRules, config);
    if (this.#actor.getSnapshot().status === 'active') {
      this.#actor.send({ type: 'node.stop', drainMs, drainEndsAtMs: this.#clock.elapsed() + drainMs });
    }
    const { value } = await waitFor(this.#actor, (snapshot) => snapshot.status === 'done');
    if (value === 'failed') {
      throw new BehaviourError('STOP_FAILED', { reason: errorText(this.#error) }, { cause: this.#error });
    }
  }

  async #start(): Promise<void> {
    const { datastorePath, datastoreSync, chainId } = this.#config;
    const { stack, datastore: given, inspect, random, tracer, services: standIns } = this.#ports;
    const clock = { clock: this.#clock };
    const common = { ...clock, ...(inspect && { inspect }), ...(random && { random }) };
    const place = { path: datastorePath, isSynced: datastoreSync, nowMs: this.#clock.now() };
    this.#datastore = await openDatastore(given, place);
    const { datastore, damage } = this.#datastore;
    try {
      // What is kept in memory does not survive a restart, and those who rely on it must know.
      const isKept = datastorePath !== undefined || given !== undefined;
      const kept = isKept ? { datastore } : {};
      this.#replayGuard = await createReplayGuard({ ...kept, ...clock });
      const signing = {
        signer: this.#identity.signer({ chainId }, common),
        verifier: this.#identity.verifier({ chainId }, { ...clock, replayGuard: this.#replayGuard }),
        keys: messageKeys(),
      };
      const sight = await localDiscoveryOf(this.#config, this.#ports);
      const localDiscovery: LocalDiscovery | undefined =
        sight && ((components) => (this.#mdns = sight(components)));
      const figures = this.#figures;
      const routingTable = this.#routingTable;
      const measuring = figures && { meter: figures.meter };
      const own = { ...common, ...kept, ...measuring, localDiscovery, routingTable };
      const ports = wire(signing, () => this.#services(), tracer === undefined ? own : { ...own, tracer });
      const { peerId, libp2pKey: privateKey } = this.#identity;
      measureNode(figures?.meter, { peerId, nodeVersion: process.version, kad: () => this.#kad() });
      const { libp2p, storedRecords, endWaiting } = await createNode({
        ...{ peerId, privateKey, config: this.#config, ports, datastore, stack, standIns },
        ...{ logger: this.#logger, metrics: figures?.libp2p },
      });
      this.#libp2p = libp2p;
      this.#storedRecords = storedRecords;
      this.#endWaiting = endWaiting;
      if (damage !== undefined) this.#note(damage.message, damage.error);
      const { peers, rpc, discovery, gossip, nat } = this.#services();
      for (const service of [peers, rpc, discovery, gossip, nat]) service.forwardTo(this);
      await rpc.addProtocol(relayTraceProtocol(() => this.#services(), tracer, this.#clock));
      const setKadMode = keepKadMode({
        libp2p,
        dht: () => this.#services().dht,
        kadProtocol: this.#config.kadProtocol,
        routingTable,
        onError: (error) => this.#note('the mode of the DHT could not be kept', error),
      });
      nat.addEventListener('nat:changed', ({ detail }) => void setKadMode(detail.status));
      await libp2p.start();
    } catch (error) {
      await this.#stop();
      throw error;
    }
  }

  /** Once more with less time where somebody is in a hurry. */
  async #drain(drainMs: number): Promise<void> {
    const { peers, rpc, discovery } = this.#services();
    peers.drain();
    this.#withdrawn ??= Promise.all([
      discovery.withdrawService('executor'),
      discovery.withdrawService('validator'),
    ]);
    await Promise.all([this.#withdrawn, rpc.drain(drainMs)]);
  }

  async #stop(): Promise<void> {
    this.#ended.abort();
    try {
      await this.#libp2p?.stop();
    } finally {
      this.#endWaiting();
      this.close();
      await this.#endpoints.close();
      await this.#replayGuard?.close();
      await this.#datastore?.close();
    }
  }

  readonly #sources: MetricsSources = sourcesOf(() => this.#libp2p?.services);

  #kad(): KadMetrics {
    return { storedRecords: this.#storedRecords(), routingTableSize: this.#routingTable.size };
  }

  #debugged(measured: MetricsSurface): DebuggingParts {
    const { inspect } = this.#ports;
    return {
      ...{ log: this.#logger, events: this, clock: this.#clock, inspect, signal: this.#ended.signal },
      metrics: () => measured.metrics(),
      kadMetrics: () => this.#kad(),
      routingTable: () => this.#routingTable.peerIds(this.#routingTable.size),
      connections: () => openConnections(this.#services().peers),
    };
  }

  #shown(libp2p: Libp2p, measured: MetricsSurface): StateSources {
    const { datastore } = this.#ports;
    const folder = this.#config.datastorePath === undefined ? 'memory' : 'folder';
    const { peerId } = this.#identity;
    const { platform, version: nodeVersion } = process;
    return {
      config: this.#config,
      datastore: datastore === undefined ? folder : 'given',
      node: () => ({
        ...{ peerId, agentVersion, nodeVersion, platform },
        uptimeMs: Math.round(this.#clock.elapsed() - this.#createdAt),
        state: this.#actor.getSnapshot().value,
      }),
      now: () => this.#clock.now(),
      announced: () => libp2p.getMultiaddrs().map(String),
      protocols: () => libp2p.getProtocols(),
      routingTable: (limit) => this.#routingTable.peerIds(limit),
      kad: () => this.#kad(),
      metrics: () => ({ network: measured.metrics(), protocols: measured.protocolMetrics() }),
      services: () => this.#services(),
    };
  }

  #services(): NodeServices {
    if (this.#libp2p === undefined)
      throw new BehaviourError('START_FAILED', { reason: 'its services are not there yet' });
    return this.#libp2p.services;
  }

  #note(message: string, error: unknown): void {
    this.#logger.forComponent('lloom:behaviour').error('%s - %e', message, error);
  }
}

/** Adds properties to an object as they are: what a getter gives may change. */
function withLive<T extends object, Added extends object>(target: T, added: Added): T & Added {
  return Object.defineProperties(target, Object.getOwnPropertyDescriptors(added)) as T & Added;
}

/** Nodes of the network. */
export const LloomBehaviour = {
  /**
   * Starts a node. When the promise resolves it listens; it joins the network through its bootstrap peers by itself.
   *
   * @param identity who the node is
   * @param config every field is optional; ports for time, chance and inspection may stand beside it
   * @throws {ConfigError} listing every problem
   * @throws {BehaviourError} `UNSUPPORTED_RUNTIME`, `LISTEN_FAILED`, `DATASTORE_FAILED`, `START_FAILED`
   * @throws {AddressError} for a bootstrap address that cannot be used
   * @example
   * ```ts
   * const behaviour = await LloomBehaviour.create(Identity.generate(), { addressPolicy: 'loopback' });
   * try {
   *   console.log(behaviour.listenedAddresses());
   * } finally {
   *   await behaviour.stop();
   * }
   * ```
   */
  async create(identity: Identity, config: NetworkConfig & NodePorts = {}): Promise<LloomBehaviour> {
    checkRuntime(process.versions.node);
    const { ports, config: resolved } = portsAndConfig(config, (network, { localDiscovery }) =>
      resolveNetworkConfig(network, () => localDiscovery !== undefined || hasOnlyLoopback()),
    );
    return new Node(identity, resolved, ports).start();
  },
};
