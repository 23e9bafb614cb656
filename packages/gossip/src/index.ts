/**
 * Publishes to everybody and hears everybody: typed topics over gossipsub, with validation, bounded waits and meshes that
 * mend themselves.
 *
 * @example
 * ```ts
 * const node = await createLibp2p({ ...rest, services: { identify: identify(), gossip: gossip() } });
 * const { gossip: service } = node.services;
 * service.addEventListener('message:received', ({ detail }) => console.log(detail.peerId, detail.message));
 * await service.subscribeTopic(GossipTopic.PriceUpdates);
 * ```
 *
 * @packageDocumentation
 */
import { PubsubRouter, type GossipComponents } from './adapters/router.ts';
import type { Gossip } from './api.ts';
import { resolveGossipConfig, type GossipConfig } from './config.ts';
import { GossipService } from './gossip.ts';
import type { GossipPorts } from './ports.ts';

/**
 * The gossip service, for libp2p's `services`. It brings gossipsub along; the node needs `identify()` beside it.
 *
 * @param config configuration and ports, mixed
 * @throws {ConfigError} `INVALID_CONFIG`, listing every problem
 */
export const gossip = (
  config: GossipConfig & GossipPorts = {},
): ((components: GossipComponents) => Gossip) => {
  const resolved = resolveGossipConfig(config);
  return (components) =>
    new GossipService(resolved, (scoreOf) => new PubsubRouter(components, { ...resolved, scoreOf }));
};

export type { Gossip } from './api.ts';
export type { GossipComponents } from './adapters/router.ts';
export type { GossipConfig } from './config.ts';
export { GossipError, type GossipErrorCode, type GossipErrorData } from './errors.ts';
export type { GossipEvents } from './events.ts';
export type {
  DialCall,
  Dialer,
  GossipPorts,
  MessageKeys,
  PeerFact,
  ReputationSink,
  ScoreSource,
  TopicCandidate,
  TopicPeerSource,
} from './ports.ts';
export {
  GossipTopic,
  type DegradedReason,
  type DropReason,
  type GossipMessageInput,
  type GossipSnapshot,
  type MeshSize,
  type MessageContext,
  type MessagesConfig,
  type PeerScore,
  type PublishConfig,
  type PublishReceipt,
  type SubscriptionState,
  type Topic,
  type TopicCodec,
  type TopicConfig,
  type TopicLike,
  type TopicMessage,
  type TopicSnapshot,
  type TopicValidator,
  type Verdict,
} from './types.ts';
