import type { DiscoverySnapshot } from '@lloom/discovery';
import type { GossipSnapshot, PeerScore, TopicSnapshot } from '@lloom/gossip';
import type { NetworkMetrics, ProtocolMetrics } from '@lloom/metrics';
import type { NatExplanation } from '@lloom/nat';
import type { Ban, ConnectionInfo, PeerSummary } from '@lloom/peers';
import type { PendingRequest, RpcLoad } from '@lloom/rpc';
import type { NetworkConfig } from './config.ts';

/** What this node has of the DHT. */
export interface KadMetrics {
  /** Records and provided keys that are kept, for this node and for others. */
  readonly storedRecords: number;
  /** The peers that the DHT asks first. */
  readonly routingTableSize: number;
}

/** Where a node stands between its start and its end. */
export type NodeLifecycle = 'starting' | 'running' | 'draining' | 'stopping' | 'stopped' | 'failed';

/** A service that a peer offers, as it last said and signed. */
export interface StateService {
  readonly kind: 'executor' | 'validator';
  /** The first eight models of an executor. */
  readonly models: readonly string[];
}

/** A peer, as a {@link NodeState} shows it. */
export interface StatePeer extends Pick<PeerSummary, 'peerId' | 'roles' | 'reputation' | 'isMaintained'> {
  readonly isConnected: boolean;
  readonly isBanned: boolean;
  readonly services: readonly StateService[];
}

/** A connection, as a {@link NodeState} shows it. */
export interface StateConnection extends ConnectionInfo {
  readonly peerId: string;
}

/** A topic, as a {@link NodeState} shows it. */
export interface StateTopic extends TopicSnapshot {
  /** The peer ids of its mesh, at most 64. */
  readonly mesh: readonly string[];
}

/** The part of the configuration that a {@link NodeState} shows: no paths. */
export interface StateConfig extends Required<
  Pick<
    NetworkConfig,
    | 'listenAddresses'
    | 'announceAddresses'
    | 'bootstrapPeers'
    | 'datastoreSync'
    | 'addressPolicy'
    | 'kadProtocol'
    | 'kadReplicationFactor'
    | 'kadQueryTimeoutMs'
    | 'requestTimeoutMs'
    | 'maxRequestSizeBytes'
    | 'maxConnections'
    | 'maxConnectionsPerPeer'
    | 'enableMdns'
    | 'enableAutonat'
    | 'enableRelay'
    | 'enableMetrics'
    | 'discoveryIntervalMs'
    | 'chainId'
    | 'logLevel'
    | 'maxLogRecordsPerSecond'
  >
> {
  /** Where what outlives the node is kept: nowhere, in a folder, or in a datastore that was given open. */
  readonly datastore: 'memory' | 'folder' | 'given';
  /** The names of the fields that were given for single packages, as `rpc.capacity`; their values are left out. */
  readonly packageFields: readonly string[];
}

/**
 * A node as it stands: for looking at, and for reports of what went wrong. Plain JSON, described by the schema
 * `@lloom/behaviour/schemas/node-state.v1.json`. It names peers, addresses and models; it never holds keys, tokens, contents of
 * requests, answers or messages, the user's reasons for bans, or paths.
 */
export interface NodeState {
  /** Of the schema. Grows when a field goes or changes its meaning; new fields may come without it. */
  readonly version: 1;
  /** When it was taken, in ms since 1970. */
  readonly at: number;
  readonly node: {
    readonly peerId: string;
    /** As peers are told: the program and its version. */
    readonly agentVersion: string;
    readonly nodeVersion: string;
    readonly platform: string;
    /** Since the node was created, in ms. */
    readonly uptimeMs: number;
    readonly state: NodeLifecycle;
  };
  readonly addresses: {
    readonly policy: NonNullable<NetworkConfig['addressPolicy']>;
    /** What the node is bound to. */
    readonly listening: readonly string[];
    /** What peers are told. */
    readonly announced: readonly string[];
    /** Those of them that lead through relays. */
    readonly relayed: readonly string[];
  };
  readonly config: StateConfig;
  /** The protocols that the node serves. */
  readonly protocols: readonly string[];
  /** At most 1,000. */
  readonly connections: readonly StateConnection[];
  /** At most 1,000: the connected first, then the banned, the maintained, and those heard of last. */
  readonly peers: readonly StatePeer[];
  /** At most 1,000, the one that ends first at the front. The user's own reasons are left out. */
  readonly bans: readonly Ban[];
  readonly kad: KadMetrics & {
    /** At most 256 of the peers that the DHT asks first. */
    readonly routingTable: readonly string[];
  };
  readonly gossip: Omit<GossipSnapshot, 'topics'> & {
    readonly topics: readonly StateTopic[];
    /** At most 256, the lowest first. */
    readonly scores: readonly Omit<PeerScore, 'topics'>[];
  };
  readonly rpc: {
    readonly load: RpcLoad;
    /** Requests of others that are read, handled or answered. */
    readonly activeInbound: number;
    /** This node's own, at most 1,000, without their contents. */
    readonly pending: readonly PendingRequest[];
  };
  readonly discovery: DiscoverySnapshot;
  readonly nat: NatExplanation;
  readonly metrics: {
    readonly network: NetworkMetrics;
    /** At most 256. */
    readonly protocols: readonly ProtocolMetrics[];
  };
  /** How many entries each list would have beyond what is shown. */
  readonly leftOut: {
    readonly connections: number;
    readonly peers: number;
    readonly bans: number;
    readonly routingTable: number;
    readonly scores: number;
    readonly pending: number;
    readonly protocols: number;
  };
}
