import type { PricingInfo, ServiceType } from '@lloom/codec';
import type { Discovery } from '@lloom/discovery';
import type { Gossip } from '@lloom/gossip';
import type { Nat } from '@lloom/nat';
import type { Ban, Peers } from '@lloom/peers';
import type { Rpc } from '@lloom/rpc';
import type { ResolvedNetworkConfig } from '../config.ts';
import type {
  NodeState,
  StateConfig,
  StateConnection,
  StatePeer,
  StateService,
  StateTopic,
} from '../types.ts';
import { ownReasonOf } from './banReason.ts';

/** Beyond these, lists are cut. */
const limits = { peers: 1_000, routingTable: 256, scores: 256, protocols: 256, mesh: 64, models: 8 };

/** What a state is read from. */
export interface StateSources {
  readonly config: ResolvedNetworkConfig;
  readonly datastore: StateConfig['datastore'];
  readonly node: () => NodeState['node'];
  readonly now: () => number;
  readonly announced: () => readonly string[];
  readonly protocols: () => readonly string[];
  readonly routingTable: (limit: number) => readonly string[];
  readonly kad: () => Pick<NodeState['kad'], 'storedRecords' | 'routingTableSize'>;
  readonly metrics: () => NodeState['metrics'];
  readonly services: () => {
    readonly peers: Pick<Peers, 'snapshot' | 'bannedPeers' | 'listenedAddresses'>;
    readonly rpc: Pick<Rpc, 'pendingRequests' | 'load' | 'activeInbound'>;
    readonly discovery: Pick<Discovery, 'snapshot' | 'servicesOf'>;
    readonly gossip: Pick<Gossip, 'snapshot' | 'gossipsubMeshPeers' | 'peerScores'>;
    readonly nat: Pick<Nat, 'explainNat' | 'relayAddresses'>;
  };
}

/** A list that may be too long, and by how much it is. */
const cut = <T>(all: readonly T[], limit: number): readonly [shown: readonly T[], leftOut: number] => [
  all.slice(0, limit),
  Math.max(0, all.length - limit),
];

/** A node as it stands: every field by its name, so that nothing gets in that nobody has thought of. */
export function stateOf(sources: StateSources): NodeState {
  const { peers, rpc, discovery, gossip, nat } = sources.services();
  const known = peers.snapshot(limits.peers);
  const connections = connectionsOf(known).slice(0, limits.peers);
  const [bans, bansOut] = cut(peers.bannedPeers(), limits.peers);
  const kad = sources.kad();
  const routingTable = sources.routingTable(limits.routingTable);
  const byScore = gossip.peerScores().toSorted((a, b) => a.score - b.score);
  const [scores, scoresOut] = cut(byScore, limits.scores);
  const [pending, pendingOut] = cut(rpc.pendingRequests(), limits.peers);
  const metrics = sources.metrics();
  const [protocols, protocolsOut] = cut(metrics.protocols, limits.protocols);
  const { topics, ...gossiping } = gossip.snapshot();
  const { advertisements, ...offering } = discovery.snapshot();
  const state: NodeState = {
    version: 1,
    at: sources.now(),
    node: sources.node(),
    addresses: {
      policy: sources.config.addressPolicy,
      listening: peers.listenedAddresses(),
      announced: sources.announced(),
      relayed: nat.relayAddresses(),
    },
    config: configOf(sources),
    protocols: sources.protocols().slice(0, limits.protocols),
    connections: connections.map((one) => connectionOf(one)),
    peers: known.peers.map((peer) => peerOf(peer, discovery.servicesOf(peer.peerId))),
    bans: bans.map((ban) => banOf(ban)),
    kad: { ...kad, routingTable },
    gossip: {
      ...gossiping,
      topics: topics.map((topic) => topicOf(topic, gossip.gossipsubMeshPeers(topic.topic))),
      scores: scores.map(({ topics: _, ...score }) => score),
    },
    rpc: {
      load: rpc.load,
      activeInbound: rpc.activeInbound,
      pending: pending.map(({ requestId, peerId, method, startedAt, deadlineAt, attempt }) => {
        return { requestId, peerId, method, startedAt, deadlineAt, attempt };
      }),
    },
    discovery: {
      ...offering,
      advertisements: advertisements.map(({ service, state: at }) => ({
        service: offerOf(service),
        state: at,
      })),
    },
    nat: nat.explainNat(),
    metrics: { network: metrics.network, protocols },
    leftOut: {
      connections: known.openConnections - connections.length,
      peers: known.known - known.peers.length,
      bans: bansOut,
      routingTable: Math.max(0, kad.routingTableSize - routingTable.length),
      scores: scoresOut,
      pending: pendingOut,
      protocols: protocolsOut,
    },
  };
  // Plain, and nobody else's: what is absent is no field, and what changes later does not change it.
  return JSON.parse(JSON.stringify(state)) as NodeState;
}

/** Connections that are open, with the peers they lead to. */
interface OpenConnections {
  /** Those of a thousand peers at most. */
  readonly shown: readonly StateConnection[];
  /** How many there are, those included that are not shown. */
  readonly total: number;
}

/** The connections that are open. */
export function openConnections(peers: Pick<Peers, 'snapshot'>): OpenConnections {
  const known = peers.snapshot(limits.peers);
  return { shown: connectionsOf(known), total: known.openConnections };
}

const connectionsOf = ({ peers }: ReturnType<Peers['snapshot']>): StateConnection[] =>
  peers.flatMap(({ peerId, connections }) => connections.map((one) => ({ peerId, ...one })));

const topicOf = (topic: Omit<StateTopic, 'mesh'>, mesh: readonly string[]): StateTopic => ({
  ...topic,
  mesh: mesh.slice(0, limits.mesh),
});

function connectionOf(connection: StateConnection): StateConnection {
  const {
    peerId,
    direction,
    remoteAddress,
    transport,
    relayed,
    limits: bounds,
    openedAt,
    rttMs,
  } = connection;
  return {
    ...{ peerId, direction, remoteAddress, transport, relayed, openedAt },
    ...(bounds !== undefined && { limits: bounds }),
    ...(rttMs !== undefined && { rttMs }),
  };
}

type KnownPeer = ReturnType<Peers['snapshot']>['peers'][number];

function peerOf(peer: KnownPeer, services: readonly ServiceType[]): StatePeer {
  const { peerId, roles, reputation, isMaintained, connections, ban } = peer;
  return {
    ...{ peerId, roles, reputation, isMaintained },
    isConnected: connections.length > 0,
    isBanned: ban !== undefined,
    services: services.map((service) => serviceOf(service)),
  };
}

function serviceOf(service: ServiceType): StateService {
  const models = service.kind === 'executor' ? service.models.slice(0, limits.models) : [];
  return { kind: service.kind, models };
}

/** As it is announced: what else the user's object may hold is not. */
function offerOf(service: ServiceType): ServiceType {
  if (service.kind === 'validator') return { kind: 'validator', stake: service.stake };
  const { kind, models, capacity, pricing, modelPricing } = service;
  const { freeSlots, queueDepth, contextLength, features, region } = service;
  return {
    ...{ kind, models, capacity },
    ...(pricing && { pricing: priceOf(pricing) }),
    ...(modelPricing && { modelPricing: Object.fromEntries(Object.entries(modelPricing).map(pricesOf)) }),
    ...(freeSlots !== undefined && { freeSlots }),
    ...(queueDepth !== undefined && { queueDepth }),
    ...(contextLength !== undefined && { contextLength }),
    ...(features && { features }),
    ...(region !== undefined && { region }),
  };
}

const priceOf = ({ inboundPrice, outboundPrice }: PricingInfo): PricingInfo => ({
  inboundPrice,
  outboundPrice,
});

const pricesOf = ([model, price]: [string, PricingInfo]): [string, PricingInfo] => [model, priceOf(price)];

function banOf(ban: Ban): Ban {
  const { peerId, since, until, by } = ban;
  const reason = ownReasonOf(ban);
  return { peerId, since, until, by, ...(reason !== undefined && { reason }) };
}

function configOf({ config, datastore }: StateSources): StateConfig {
  const fields = Object.entries(config.packages).flatMap(([name, given]) =>
    Object.keys((given ?? {}) as object).map((field) => `${name}.${field}`),
  );
  const { listenAddresses, announceAddresses, bootstrapPeers, datastoreSync, addressPolicy } = config;
  const { kadProtocol, kadReplicationFactor, kadQueryTimeoutMs, discoveryIntervalMs, chainId } = config;
  const { requestTimeoutMs, maxRequestSizeBytes, maxConnections, maxConnectionsPerPeer } = config;
  const { enableMdns, enableAutonat, enableRelay, enableMetrics } = config;
  const { logLevel, maxLogRecordsPerSecond } = config;
  return {
    ...{ listenAddresses, announceAddresses, bootstrapPeers, datastore, datastoreSync, addressPolicy },
    ...{ kadProtocol, kadReplicationFactor, kadQueryTimeoutMs, discoveryIntervalMs, chainId },
    ...{ requestTimeoutMs, maxRequestSizeBytes, maxConnections, maxConnectionsPerPeer },
    ...{ enableMdns, enableAutonat, enableRelay, enableMetrics, logLevel, maxLogRecordsPerSecond },
    packageFields: fields.toSorted(),
  };
}
