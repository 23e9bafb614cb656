import type { ChannelVerdict, DescriptorChannel } from '@lloom/discovery';
import type { Gossip, Topic } from '@lloom/gossip';

/** The topic on which nodes announce what they offer, as signed descriptors. */
export const descriptorTopic = 'lloom/service-descriptors';

/** The channel of discovery over a topic of gossip. */
export function descriptorChannel(gossip: () => Gossip): DescriptorChannel {
  let receive: ((frame: Uint8Array) => Promise<ChannelVerdict>) | undefined;
  let made: Topic<Uint8Array> | undefined;
  const topic = (): Topic<Uint8Array> => {
    const validate = (frame: Uint8Array): ChannelVerdict | Promise<ChannelVerdict> =>
      receive?.(frame) ?? 'ignore';
    // Discovery tells what it learns; the frames themselves are nobody's news.
    return (made ??= gossip().createTopic(descriptorTopic, { validate, isQuiet: true }));
  };
  return {
    publish: async (frame) => {
      // Who is alone has nobody to tell, and says it again within an announcement.
      if (gossip().topicPeers(descriptorTopic).length > 0) await topic().publish(frame, { timeoutMs: 0 });
    },
    subscribe: (next) => {
      receive = next;
      void topic().subscribe();
      return () => {
        receive = undefined;
        void topic().unsubscribe();
      };
    },
  };
}
