import { systemClock, type CommonPorts, type Signer, type Tracer, type Verifier } from '@lloom/core';
import {
  discovery,
  type Discovery,
  type DiscoveryPorts,
  type LocalDiscovery,
  type RoutingTable,
} from '@lloom/discovery';
import { gossip, type Gossip, type GossipPorts, type MessageKeys } from '@lloom/gossip';
import { nat, type Nat, type NatPorts } from '@lloom/nat';
import { peers, type PeerFact, type Peers, type PeersPorts } from '@lloom/peers';
import { rpc, type Rpc, type RpcPorts } from '@lloom/rpc';
import type { Datastore } from 'interface-datastore';
import type { PackagesConfig } from './config.ts';
import { descriptorChannel } from './internal/descriptorChannel.ts';
import { neededPeers } from './internal/neededPeers.ts';
import { performanceOf } from './internal/performance.ts';
import { relaysOf } from './internal/relays.ts';
import { relayTracesOf } from './internal/relayTraces.ts';
import { rolesOf } from './internal/roles.ts';
import { topicPeersOf } from './internal/topicPeers.ts';

/** The services of a node that is being built: there when they are called, not when they are wired. */
export type Services = {
  readonly peers: Peers;
  readonly rpc: Rpc;
  readonly discovery: Discovery;
  readonly gossip: Gossip;
  readonly nat: Nat;
};

/** The ports of every package. */
export interface Ports {
  readonly peers: PeersPorts;
  readonly rpc: RpcPorts;
  readonly discovery: DiscoveryPorts & Pick<Signing, 'signer' | 'verifier'>;
  readonly gossip: GossipPorts;
  readonly nat: NatPorts;
}

/** What signing takes. */
export interface Signing {
  readonly signer: Signer;
  readonly verifier: Verifier;
  readonly keys?: MessageKeys;
}

/** What the node brings itself. */
export interface OwnPorts extends CommonPorts {
  /** Where things are kept over a restart. @default nowhere */
  readonly datastore?: Datastore;
  /** Sights peers on the local network. @default nobody is sighted */
  readonly localDiscovery?: LocalDiscovery | undefined;
  /** The peers that the DHT asks. @default dead and banned ones stay there */
  readonly routingTable?: RoutingTable;
  /** Follows requests across nodes. @default none are followed */
  readonly tracer?: Tracer;
}

/** Who serves whom: the packages meet here and nowhere else, one line a wire. */
export function wire({ keys, ...signing }: Signing, services: () => Services, own: OwnPorts): Ports {
  const { datastore, localDiscovery, routingTable, tracer, ...common } = own;
  const { clock = systemClock } = own;
  // peers -> rpc, discovery, gossip: ReputationSink
  const reputation = {
    report: (peerId: string, fact: PeerFact): void => services().peers.reportPeer(peerId, fact),
  };
  return {
    rpc: {
      ...common,
      // identity -> rpc: Signer, Verifier
      ...signing,
      // the node -> rpc: Datastore, Tracer
      ...(datastore !== undefined && { datastore }),
      // peers, rpc -> rpc: RelayTraces
      ...(tracer !== undefined && { tracer, relayTraces: relayTracesOf(services, clock) }),
      reputation,
      // discovery -> rpc: AlternativeSource
      alternatives: {
        find: (query) => services().discovery.alternativeTo(query),
        search: (query, config) => services().discovery.findAlternative(query, config),
      },
      // nat -> rpc: RelayBudget
      relayBudget: {
        bytesLeft: (peerId, connectionId) => services().nat.bytesLeft(peerId, connectionId),
        makeRoom: (peerId, bytes, config) => services().nat.makeRoom(peerId, bytes, config),
      },
    },
    discovery: {
      ...common,
      // identity -> discovery: Signer, Verifier
      ...signing,
      // peers -> discovery: Dialer
      dialer: {
        dial: async (peerId, addresses, call) =>
          void (await services().peers.dialPeer(peerId, addresses, call)),
      },
      // rpc -> discovery: LoadSource
      load: {
        get load() {
          return services().rpc.load;
        },
      },
      // rpc, peers -> discovery: PerformanceSource
      experience: performanceOf(services),
      reputation,
      // gossip -> discovery: DescriptorChannel
      channel: descriptorChannel(() => services().gossip),
      // the node -> discovery: LocalDiscovery, RoutingTable, Datastore
      ...(localDiscovery !== undefined && { localDiscovery }),
      ...(routingTable !== undefined && { routingTable }),
      ...(datastore !== undefined && { datastore }),
    },
    gossip: {
      ...common,
      // identity -> gossip: MessageKeys
      ...(keys !== undefined && { keys }),
      // peers -> gossip: Dialer
      dialer: {
        dial: async (peerId, addresses, call) =>
          void (await services().peers.dialPeer(peerId, addresses, call)),
      },
      // discovery -> gossip: TopicPeerSource
      topicPeers: topicPeersOf(() => services().discovery),
      // peers -> gossip: ScoreSource
      score: { scoreOf: (peerId) => services().peers.reputationOf(peerId) },
      reputation,
    },
    nat: {
      ...common,
      // peers -> nat: Dialer
      dialer: {
        dial: async (peerId, addresses, call) =>
          void (await services().peers.dialPeer(peerId, addresses, call)),
      },
      // discovery -> nat: RelaySource
      relaySource: relaysOf(() => services().discovery),
    },
    peers: {
      ...common,
      // discovery -> peers: ServiceSource
      services: (peerId) => services().discovery.servicesOf(peerId),
      // discovery -> peers: RoleSource
      roles: rolesOf(() => services().discovery),
      // rpc, gossip, discovery, nat -> peers: UsageSource
      usage: {
        usageOf: (peerId) => services().rpc.usageOf(peerId),
        isNeeded: neededPeers(services),
      },
      // the node -> peers: RoutingTable, Datastore
      ...(routingTable !== undefined && { routingTable }),
      ...(datastore !== undefined && { datastore }),
    },
  };
}

/** The factories of all packages, in the order in which libp2p starts them. */
export function packageServices(configs: Required<PackagesConfig>, ports: Ports) {
  return {
    peers: peers({ ...configs.peers, ...ports.peers }),
    rpc: rpc({ ...configs.rpc, ...ports.rpc }),
    discovery: discovery({ ...configs.discovery, ...ports.discovery }),
    gossip: gossip({ ...configs.gossip, ...ports.gossip }),
    nat: nat({ ...configs.nat, ...ports.nat }),
  };
}
