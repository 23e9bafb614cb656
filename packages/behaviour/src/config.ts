import type { Identify, IdentifyPushComponents } from '@libp2p/identify';
import type { KadDHT, KadDHTComponents, KadDHTInit } from '@libp2p/kad-dht';
import type { Datastore } from 'interface-datastore';
import type { Libp2pOptions } from 'libp2p';
import {
  boolean,
  integer,
  listOf,
  oneOf,
  optional,
  resolveConfig,
  text,
  type Check,
  type Checks,
  type CommonPorts,
  type Tracer,
} from '@lloom/core';
import type { DiscoveryConfig, LocalDiscovery } from '@lloom/discovery';
import type { GossipConfig } from '@lloom/gossip';
import type { MetricsConfig, MetricsPorts } from '@lloom/metrics';
import type { NatConfig } from '@lloom/nat';
import type { PeersConfig } from '@lloom/peers';
import type { RpcConfig } from '@lloom/rpc';
import type { LogLevel, LogSink } from '@lloom/transport';

/** Configuration of single packages. What stands here wins over the fields of {@link NetworkConfig}. */
export interface PackagesConfig {
  readonly rpc?: RpcConfig;
  readonly peers?: PeersConfig;
  readonly discovery?: DiscoveryConfig;
  readonly gossip?: GossipConfig;
  readonly nat?: NatConfig;
  /** Of no effect when `enableMetrics` is false. */
  readonly metrics?: MetricsConfig;
}

/** How a node is set up. Every field is optional for users. */
export interface NetworkConfig {
  /**
   * Where to listen, as multiaddrs. `[]` for a node that only dials.
   * @default any free TCP port, on 127.0.0.1 under the policy `loopback`, else on all interfaces
   */
  readonly listenAddresses?: readonly string[];
  /**
   * Where others are told to dial, instead of the listen addresses.
   * @default [] - the listen addresses
   */
  readonly announceAddresses?: readonly string[];
  /**
   * Peers through which the network is joined, each ending in `/p2p/<peer id>`.
   * @default [] - nobody
   */
  readonly bootstrapPeers?: readonly string[];
  /**
   * Where peers, bans, reputations, DHT records, used nonces and accepted requests are kept over restarts: a folder, for one
   * process at a time.
   * @default in memory
   */
  readonly datastorePath?: string | undefined;
  /**
   * Whether bans, used nonces and whatever else the node's own packages keep there is written to the disk before it counts as
   * kept, which costs some ms each time; what libp2p keeps never is. Of no effect on a datastore that is given open.
   * @default false - what is kept survives the end of the process, not of the machine's power
   */
  readonly datastoreSync?: boolean;
  /**
   * Which addresses may be dialled: `public` refuses private ones that others tell us, `lan` takes all, `loopback`
   * takes 127.0.0.0/8 and ::1 only.
   * @default 'public'
   */
  readonly addressPolicy?: NonNullable<PeersConfig['addressPolicy']>;
  /**
   * Protocol id of the DHT: nodes with another one do not see this network.
   * @default '/lloom/kad/1.0.0' - the specification's `kad_protocol`
   */
  readonly kadProtocol?: string;
  /**
   * On how many peers a DHT record is put.
   * @default 20 - the specification's `kad_replication_factor`
   */
  readonly kadReplicationFactor?: number;
  /**
   * How long a query of the DHT may take, in ms.
   * @default 60_000 - the specification's `kad_query_timeout`
   */
  readonly kadQueryTimeoutMs?: number;
  /**
   * How often gossip mends its meshes, and what a message of it must have. More stands in `packages.gossip`.
   * @default { heartbeatIntervalMs: 1_000, validationMode: 'strict' } - the specification's `gossipsub_config`, whose
   *   heartbeat of 10 s delays what misses the mesh by up to 23 s
   */
  readonly gossipsubConfig?: Pick<GossipConfig, 'heartbeatIntervalMs' | 'validationMode'>;
  /**
   * How long a request may take, in ms, from the call to the last byte.
   * @default 120_000 - the specification's `request_timeout`
   */
  readonly requestTimeoutMs?: number;
  /**
   * The largest request that is sent or read, in bytes.
   * @default 10_485_760 - the specification's `max_request_size`, 10 MiB
   */
  readonly maxRequestSizeBytes?: number;
  /**
   * How many connections this node keeps.
   * @default 200 - the specification's `max_connections`
   */
  readonly maxConnections?: number;
  /**
   * How many connections it keeps to one peer.
   * @default 3 - the specification's `max_connections_per_peer`
   */
  readonly maxConnectionsPerPeer?: number;
  /**
   * Whether this node announces itself on the local network, with its private addresses, and joins the peers that it hears
   * there. mDNS reaches every interface of the machine: under the policy `loopback` it is only admitted where there is none
   * but loopback.
   * @default true - the specification's `enable_mdns`; false under the policy `loopback`
   */
  readonly enableMdns?: boolean;
  /**
   * Whether peers are asked if this node can be reached from outside, and answered when they ask. How stands in
   * `packages.nat.autonat`; `enableAutonat()` and `disableAutonat()` change it on a running node.
   * @default true - the specification's `enable_autonat`
   */
  readonly enableAutonat?: boolean;
  /**
   * Whether relays may be used: to dial others through them, and to be reached through them once this node turns out to be
   * private, or `enableRelayClient()` is called. A node relays for others when `packages.nat.relayServer` or
   * `enableRelayServer()` say so, and not before.
   * @default true - the specification's `enable_relay`
   */
  readonly enableRelay?: boolean;
  /**
   * Whether the node counts what it does: bytes by protocol, requests, messages, and how long they take. What is counted, and how
   * much, stands in `packages.metrics`. `metrics()` of a node without it knows its peers and requests only.
   * @default true - it costs next to nothing
   */
  readonly enableMetrics?: boolean;
  /**
   * What the node logs, from the start; `setLogLevel` changes it while it runs. Whatever `DEBUG` names is logged beside it.
   * @default 'off'
   */
  readonly logLevel?: LogLevel;
  /**
   * How many records the node logs in a second, from 1 to 100,000: so many errors, so many of `info`, and so many of `debug` and
   * `trace` together. One more says how many were left out.
   * @default 1_000 - peers may cause lines
   */
  readonly maxLogRecordsPerSecond?: number;
  /**
   * How often services are looked for again, in ms, give or take a tenth.
   * @default 300_000 - the specification's continuous discovery
   */
  readonly discoveryIntervalMs?: number;
  /**
   * The chain that signatures are bound to. Nodes of one network have the same.
   * @default 1 - Ethereum
   */
  readonly chainId?: number;
  /** Configuration of single packages; wins over the fields above. */
  readonly packages?: PackagesConfig;
}

/** What carries bytes between nodes: the fields of the same names of libp2p's own configuration. */
export type NetworkStack = Required<
  Pick<Libp2pOptions, 'transports' | 'connectionEncrypters' | 'streamMuxers'>
> &
  Pick<Libp2pOptions, 'logger'>;

/** What a node may be given beside its configuration. It counts for itself, so that it takes no `meter`. */
export interface NodePorts extends Omit<CommonPorts, 'meter'> {
  /**
   * Where the node's figures are registered, such as the registry of an application. Several nodes may share one: each of their
   * figures then carries the label `node`, with the end of the node's peer id. Of no effect when `enableMetrics` is false.
   * @default one of its own
   */
  readonly registry?: NonNullable<MetricsPorts['registry']>;
  /**
   * Follows requests across nodes, such as `openTelemetry()`.
   * @default none are followed, which costs nothing
   */
  readonly tracer?: Tracer;
  /**
   * Takes what the node logs, such as `jsonLines(write)`.
   * @default lines of text on stderr
   */
  readonly log?: LogSink;
  /**
   * What carries the bytes. The node dials and listens through it alone. What the node logs goes to its logger as well, without one
   * to libp2p's. Beside it there is no mDNS, unless `localDiscovery` is given.
   * @default TCP, Noise and Yamux, as `createStack` of `@lloom/transport` sets them up
   */
  readonly stack?: NetworkStack;
  /**
   * An open datastore in place of `datastorePath`; whoever opened it closes it, after the node was stopped. Kept for
   * this node alone.
   */
  readonly datastore?: Datastore;
  /**
   * What sights peers on the local network in place of mDNS, such as `localDiscovery` of a simulated host. Started and
   * stopped with the node, when `enableMdns` holds.
   * @default mDNS
   */
  readonly localDiscovery?: LocalDiscovery;
  /**
   * What stands in for libp2p's own services, in simulations of very many nodes, such as `standIns` of a simulated host.
   * @default libp2p's own
   */
  readonly services?: NetworkServices;
}

/** What may stand in for libp2p's own services. */
export interface NetworkServices {
  /** In place of `identify()` and `identifyPush()`. It has to dispatch `peer:identify`, and to fill the peer store. */
  readonly identify?: (components: IdentifyPushComponents) => Identify;
  /** In place of `kadDHT()`: it speaks `protocol`, and puts things on `kBucketSize` peers. */
  readonly dht?: (
    components: KadDHTComponents,
    config: Required<Pick<KadDHTInit, 'protocol' | 'kBucketSize'>>,
  ) => KadDHT;
}

/** A complete configuration. */
export type ResolvedNetworkConfig = Readonly<Required<NetworkConfig>>;

/** What holds when a field is not given; each has its source beside it in {@link NetworkConfig}. */
export const networkDefaults: ResolvedNetworkConfig = Object.freeze({
  listenAddresses: [],
  announceAddresses: [],
  bootstrapPeers: [],
  datastorePath: undefined,
  datastoreSync: false,
  addressPolicy: 'public',
  kadProtocol: '/lloom/kad/1.0.0',
  kadReplicationFactor: 20,
  kadQueryTimeoutMs: 60_000,
  gossipsubConfig: Object.freeze({ heartbeatIntervalMs: 1_000, validationMode: 'strict' }),
  requestTimeoutMs: 120_000,
  maxRequestSizeBytes: 10 * 1024 * 1024,
  maxConnections: 200,
  maxConnectionsPerPeer: 3,
  enableMdns: true,
  enableAutonat: true,
  enableRelay: true,
  enableMetrics: true,
  logLevel: 'off',
  maxLogRecordsPerSecond: 1_000,
  discoveryIntervalMs: 300_000,
  chainId: 1,
  packages: {},
});

const dayMs = 86_400_000;
const address = text(/^\//, 'an address that begins with "/"');
const loopbackAddress = text(
  /^\/(?:ip4\/127\.|ip6\/::1\/)/,
  'an address of this machine alone, as the policy "loopback" demands: /ip4/127.… or /ip6/::1/…',
);
const objectWith =
  (...known: readonly string[]): Check =>
  (value) => {
    const isKnown =
      typeof value === 'object' && value !== null && Object.keys(value).every((key) => known.includes(key));
    return isKnown ? undefined : `an object with ${known.join(', ')}`;
  };

const checks: Checks<Required<NetworkConfig>> = {
  listenAddresses: listOf(address, 64),
  announceAddresses: listOf(address, 64),
  bootstrapPeers: listOf(address, 256),
  datastorePath: optional(text(/./, 'a path')),
  datastoreSync: boolean,
  addressPolicy: oneOf('public', 'lan', 'loopback'),
  kadProtocol: text(/^\/.{1,255}$/, 'a protocol id that begins with "/"'),
  kadReplicationFactor: integer(1, 100),
  kadQueryTimeoutMs: integer(1, dayMs),
  gossipsubConfig: objectWith('heartbeatIntervalMs', 'validationMode'),
  requestTimeoutMs: integer(1, dayMs),
  maxRequestSizeBytes: integer(1, 2 ** 28 - 1),
  maxConnections: integer(1, 100_000),
  maxConnectionsPerPeer: integer(1, 1_000),
  enableMdns: boolean,
  enableAutonat: boolean,
  enableRelay: boolean,
  enableMetrics: boolean,
  logLevel: oneOf('off', 'error', 'info', 'debug', 'trace'),
  maxLogRecordsPerSecond: integer(1, 100_000),
  discoveryIntervalMs: integer(1, dayMs),
  chainId: integer(1),
  packages: objectWith('rpc', 'peers', 'discovery', 'gossip', 'nat', 'metrics'),
};

/**
 * A complete configuration from a partial one.
 *
 * @param isConfined whether mDNS would stay on this machine
 * @throws {ConfigError} listing every problem
 */
export function resolveNetworkConfig(
  input: NetworkConfig = {},
  isConfined: () => boolean = () => false,
): ResolvedNetworkConfig {
  const isLoopback = input.addressPolicy === 'loopback';
  const confinedMdns: Check = (value) =>
    value === true && !isConfined()
      ? 'false under the policy "loopback": mDNS reaches every interface, and this machine has others'
      : boolean(value);
  const loopbackChecks = {
    ...checks,
    listenAddresses: listOf(loopbackAddress, 64),
    enableMdns: confinedMdns,
  };
  const rules = isLoopback ? loopbackChecks : checks;
  const defaults = {
    ...networkDefaults,
    listenAddresses: [`/ip4/${isLoopback ? '127.0.0.1' : '0.0.0.0'}/tcp/0`],
    enableMdns: !isLoopback,
  };
  return resolveConfig<Required<NetworkConfig>>('network', { checks: rules, defaults }, input);
}

/** What each package is told: the node's fields under the package's names, and what the user gave for it on top. */
export function packageConfigs(config: ResolvedNetworkConfig): Required<PackagesConfig> {
  const { packages } = config;
  return {
    rpc: {
      timeoutMs: config.requestTimeoutMs,
      maxRequestSizeBytes: config.maxRequestSizeBytes,
      ...packages.rpc,
    },
    peers: {
      addressPolicy: config.addressPolicy,
      maxConnections: config.maxConnections,
      maxConnectionsPerPeer: config.maxConnectionsPerPeer,
      ...packages.peers,
    },
    discovery: {
      bootstrapPeers: config.bootstrapPeers,
      kadProtocol: config.kadProtocol,
      kadReplicationFactor: config.kadReplicationFactor,
      queryTimeoutMs: config.kadQueryTimeoutMs,
      discoveryIntervalMs: config.discoveryIntervalMs,
      ...packages.discovery,
    },
    gossip: { ...networkDefaults.gossipsubConfig, ...config.gossipsubConfig, ...packages.gossip },
    nat: { enableAutonat: config.enableAutonat, enableRelay: config.enableRelay, ...packages.nat },
    metrics: { ...packages.metrics },
  };
}
