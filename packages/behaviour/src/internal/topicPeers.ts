import type { Discovery } from '@lloom/discovery';
import { GossipTopic, type TopicPeerSource } from '@lloom/gossip';
import { descriptorTopic } from './descriptorChannel.ts';

/** Topics that every node of the network is subscribed to, or may be: whoever is in the DHT will do. */
const common: ReadonlySet<string> = new Set([descriptorTopic, ...Object.values(GossipTopic)]);

/** The subscribers of a topic, as they name themselves in the DHT. Those of common topics are everywhere. */
export function topicPeersOf(
  discovery: () => Pick<Discovery, 'joinRendezvous' | 'rendezvousPeers'>,
): TopicPeerSource {
  return {
    async *find(topic, config) {
      if (!common.has(topic)) yield* discovery().rendezvousPeers(topic, config);
    },
    announce: (topic) => (common.has(topic) ? () => undefined : discovery().joinRendezvous(topic)),
  };
}
