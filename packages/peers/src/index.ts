/**
 * Connections of a libp2p node: dials that say why they fail, disconnects that last, limits that hold, one rule for
 * which addresses may be dialled, and what is known of each peer.
 *
 * @example
 * ```ts
 * const node = await createLibp2p({ ...transports, services: { identify: identify(), peers: peers({ maxConnections: 50 }) } });
 * await node.services.peers.dialPeer(peerId, ['/dns4/node.example/tcp/4001']);
 * ```
 *
 * @packageDocumentation
 */
import { libp2pNetwork } from './adapters/libp2p.ts';
import { peersStoreOf } from './adapters/store.ts';
import type { Peers } from './api.ts';
import type { PeersConfig } from './config.ts';
import { createPeers } from './peers.ts';
import type { PeersComponents, PeersPorts } from './ports.ts';

export type { Peers } from './api.ts';
export type { AddressPolicy, PeersConfig } from './config.ts';
export {
  PeersError,
  type DialAttempt,
  type DialReason,
  type PeersErrorCode,
  type PeersErrorData,
} from './errors.ts';
export type { Ban, CloseCause, CloseCode, ConnectionEndpoint, PeersEvents } from './events.ts';
export type {
  PeersComponents,
  PeersPorts,
  PeerUsage,
  RoleCandidate,
  RoleSource,
  RoutingTable,
  ServiceSource,
  UsageSource,
} from './ports.ts';
export type {
  ConnectionInfo,
  ConnectionLimits,
  ConnectionPoolConfig,
  DialConfig,
  FactExplanation,
  PeerExplanation,
  PeerFact,
  PeerInfo,
  PeerRole,
  PeersSnapshot,
  PeerSummary,
  PoolExplanation,
  Protection,
  RoleTargets,
} from './types.ts';

/**
 * Makes the service of a node: `createLibp2p({ services: { peers: peers() } })`. Its rules for addresses hold from
 * then on for every dial of that node, whoever dials; give each node a `connectionGater` object of its own.
 *
 * @throws {ConfigError} listing every problem of the configuration
 */
export function peers(config: PeersConfig & PeersPorts = {}): (components: PeersComponents) => Peers {
  return (components) => createPeers(config, (settings) => libp2pNetwork(components, settings), peersStoreOf);
}
