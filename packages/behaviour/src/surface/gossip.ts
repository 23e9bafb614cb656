import type { Gossip } from '@lloom/gossip';
import { descriptorTopic } from '../internal/descriptorChannel.ts';

/** What a node offers of gossip. */
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
  return {
    subscribeTopic: gossip.subscribeTopic.bind(gossip),
    unsubscribeTopic: gossip.unsubscribeTopic.bind(gossip),
    publishMessage: gossip.publishMessage.bind(gossip),
    createTopic: gossip.createTopic.bind(gossip),
    subscribedTopics: () => gossip.subscribedTopics().filter((topic) => topic !== descriptorTopic),
    topicPeers: gossip.topicPeers.bind(gossip),
    gossipsubMeshPeers: gossip.gossipsubMeshPeers.bind(gossip),
    setGossipsubMeshSize: gossip.setGossipsubMeshSize.bind(gossip),
    peerScores: gossip.peerScores.bind(gossip),
  };
}
