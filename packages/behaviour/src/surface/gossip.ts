import { GossipError, type Gossip, type TopicLike } from '@lloom/gossip';
import { descriptorTopic } from '../internal/descriptorChannel.ts';

/** What a node offers of gossip. The topic on which nodes announce what they offer is its own: `INVALID_TOPIC`. */
export interface GossipSurface extends Pick<
  Gossip,
  | 'subscribeTopic'
  | 'unsubscribeTopic'
  | 'publishMessage'
  | 'createTopic'
  | 'topicPeers'
  | 'gossipsubMeshPeers'
  | 'setGossipsubMeshSize'
  | 'peerScores'
> {
  /** The names of the topics that are subscribed, in order, without that on which nodes announce what they offer. */
  subscribedTopics(): readonly string[];
}

/** The calls of gossip, bound to one service. */
export function gossipSurface(gossip: Gossip): GossipSurface {
  const publish = gossip.publishMessage.bind(gossip) as (
    ...args: unknown[]
  ) => ReturnType<Gossip['publishMessage']>;
  return {
    subscribeTopic: async (topic) => gossip.subscribeTopic(foreign(topic)),
    unsubscribeTopic: async (topic) => gossip.unsubscribeTopic(foreign(topic)),
    publishMessage: async (topic: TopicLike, ...rest: unknown[]) => publish(foreign(topic), ...rest),
    createTopic: (name, config) => gossip.createTopic(foreign(name), config),
    subscribedTopics: () => gossip.subscribedTopics().filter((topic) => topic !== descriptorTopic),
    topicPeers: gossip.topicPeers.bind(gossip),
    gossipsubMeshPeers: gossip.gossipsubMeshPeers.bind(gossip),
    setGossipsubMeshSize: gossip.setGossipsubMeshSize.bind(gossip),
    peerScores: gossip.peerScores.bind(gossip),
  };
}

/** @throws {GossipError} `INVALID_TOPIC` for the node's own topic; what is no topic at all gossip refuses */
function foreign<T extends TopicLike>(topic: T): T {
  const name: unknown = typeof topic === 'string' ? topic : (topic as Partial<{ name: string }> | null)?.name;
  if (name !== descriptorTopic) return topic;
  throw new GossipError('INVALID_TOPIC', {
    got: `"${descriptorTopic}"`,
    wanted: "a topic that is not the node's own",
  });
}
