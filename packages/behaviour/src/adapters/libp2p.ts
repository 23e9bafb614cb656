import {
  identify,
  identifyPush,
  type Identify,
  type IdentifyPush,
  type IdentifyPushComponents,
} from '@libp2p/identify';
import type { KadDHT } from '@libp2p/kad-dht';
import { ping, type Ping } from '@libp2p/ping';
import { createLibp2p } from 'libp2p';
import type { ComponentLogger, Libp2p, PrivateKey } from '@libp2p/interface';
import type { Datastore } from 'interface-datastore';
import { boundedDhtDatastore } from '@lloom/discovery';
import type { NodeMetrics } from '@lloom/metrics';
import { createStack } from '@lloom/transport';
import {
  packageConfigs,
  type NetworkServices,
  type NetworkStack,
  type ResolvedNetworkConfig,
} from '../config.ts';
import { nearFirst, nothingNear } from './dialOrder.ts';
import { createKad } from './kad.ts';
import { endWaiting } from './startStop.ts';
import { agentVersion, version } from '../internal/version.ts';
import { packageServices, type Ports, type Services } from '../wiring.ts';

/** The libp2p services of a node. */
export type NodeServices = Services & {
  readonly identify: Identify;
  /** Absent where something stands in for `identify`: that does both. */
  readonly identifyPush?: IdentifyPush;
  readonly ping: Ping;
  readonly dht: KadDHT;
};

/** What a node is built from. */
export interface NodeParts {
  readonly peerId: string;
  readonly privateKey: PrivateKey;
  readonly config: ResolvedNetworkConfig;
  readonly ports: Ports;
  readonly datastore: Datastore;
  readonly stack?: NetworkStack | undefined;
  readonly standIns?: NetworkServices | undefined;
  /** What the node and all in it log to. */
  readonly logger: ComponentLogger;
  /** Counts what goes over connections. */
  readonly metrics?: NodeMetrics['libp2p'] | undefined;
}

/** A node that was built. */
export interface BuiltNode {
  readonly libp2p: Libp2p<NodeServices>;
  /** How many records of the DHT it keeps. */
  readonly storedRecords: () => number;
  /** Drops what libp2p would do in some seconds. For a node that is stopped. */
  readonly endWaiting: () => void;
}

/** How long the peer store keeps an address that nobody confirms, and a peer without one. */
const maxAddressAgeMs = 7 * 86_400_000;
const maxPeerAgeMs = 30 * 86_400_000;

/**
 * How long a change of this node's addresses or protocols waits for the next one before peers are told. Nodes change
 * both in their first two seconds, and every telling costs each peer the check of a signature.
 */
const pushDelayMs = 3_000;

/**
 * How often libp2p pings every connection where `@lloom/peers` does not, and how long the answer may take: a dead one ends within
 * a minute.
 */
const pingIntervalMs = 30_000;
const pingMs = 25_000;
const pingStreams = 8;

/** A libp2p node with all packages, not started yet: while it starts, its services call one another. */
export async function createNode({
  peerId,
  privateKey,
  config,
  ports,
  datastore,
  stack,
  standIns = {},
  logger,
  metrics,
}: NodeParts): Promise<BuiltNode> {
  const isLocal = config.addressPolicy !== 'public';
  const bounded = boundedDhtDatastore(datastore, { ownPeerId: peerId });
  const { verifier, clock } = ports.discovery;
  const configs = packageConfigs(config);
  const { maxConnections = config.maxConnections, pingIntervalMs: ownPingsMs } = configs.peers;
  const { kadProtocol: protocol, kadReplicationFactor: kBucketSize } = config;
  const lasting: object[] = [];
  const libp2p = await createLibp2p<NodeServices>({
    start: false,
    privateKey,
    datastore: bounded,
    nodeInfo: { name: 'lloom', version, userAgent: agentVersion },
    addresses: { listen: [...config.listenAddresses], announce: [...config.announceAddresses] },
    ...(stack ?? createStack()),
    logger,
    ...(metrics !== undefined && { metrics }),
    connectionManager: {
      // Until `@lloom/peers` sets what it keeps.
      maxConnections,
      maxIncomingPendingConnections: 100,
      // libp2p dials relayed addresses last, after seconds for each direct one that is dropped.
      addressSorter: stack === undefined ? nearFirst(config) : nothingNear,
      // libp2p's 5 connections a second from one address turn whole offices and every local network away.
      inboundConnectionThreshold: isLocal ? 1_000 : 50,
    },
    // A peer that computes for seconds does not answer pings; it is not dead. A machine that is gone says nothing at all,
    // and TCP would try for a quarter of an hour.
    connectionMonitor: {
      enabled: ownPingsMs === 0,
      pingInterval: pingIntervalMs,
      pingTimeout: { minTimeout: pingMs, maxTimeout: pingMs },
    },
    peerStore: { maxAddressAge: maxAddressAgeMs, maxPeerAge: maxPeerAgeMs },
    connectionGater: {},
    services: {
      ...identification(standIns, lasting),
      // The DHT pings beside the monitor; a ping too many would end a good connection.
      ping: ping({ maxInboundStreams: pingStreams, maxOutboundStreams: pingStreams }),
      dht:
        standIns.dht === undefined
          ? createKad({ config, verifier, datastore: bounded, ...(clock && { clock }) })
          : (components) => standIns.dht!(components, { protocol, kBucketSize }),
      ...packageServices(configs, ports),
    },
  });
  return {
    libp2p,
    storedRecords: () => bounded.storedRecords,
    endWaiting: () => endWaiting(...lasting),
  };
}

/** What tells peers who this node is. `lasting` takes what works on beyond the end of the node. */
function identification({ identify: standIn }: NetworkServices, lasting: object[]) {
  if (standIn !== undefined) {
    return {
      identify: (components: IdentifyPushComponents): Identify => {
        lasting.push(components.addressManager);
        return standIn(components);
      },
    };
  }
  const push = identifyPush({ debounce: pushDelayMs });
  return {
    identify: identify(),
    identifyPush: (components: IdentifyPushComponents): IdentifyPush => {
      const service = push(components);
      lasting.push(components.addressManager, service);
      return service;
    },
  };
}
