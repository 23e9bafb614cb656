import { identify } from '@libp2p/identify';
import { gossip } from '@lloom/gossip';
import { messageKeys } from '@lloom/identity';
import { metrics } from '@lloom/metrics';
import { createStack } from '@lloom/transport';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { keyOf } from './keys.ts';
import { connectionManager, connectionMonitor, dialSignal, topic, type CreateNode } from './node.ts';

/** A node with the gossip service on the tuned stack, which counts unless the plan says otherwise. */
export const createNode: CreateNode = async (plan, onMessage) => {
  const { maxMessagesPerSecond, stack } = plan;
  const figures = stack === 'uncounted' ? undefined : metrics();
  const node = await createLibp2p({
    privateKey: await keyOf(plan),
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    ...createStack(),
    ...(figures && { metrics: figures.libp2p }),
    connectionMonitor,
    connectionManager,
    services: {
      identify: identify(),
      gossip: gossip({
        keys: messageKeys(),
        ...(figures && { meter: figures.meter }),
        ...(plan.isHub && { profile: 'bootstrapper' }),
        ...(maxMessagesPerSecond !== undefined && {
          maxMessagesPerSecond,
          maxMessageBurst: maxMessagesPerSecond,
        }),
      }),
    },
  });
  const service = node.services.gossip;
  service.addEventListener('message:received', ({ detail: { message } }) => {
    if (message.type === 'custom') onMessage(message.value as Uint8Array);
  });
  await service.subscribeTopic(topic);
  return {
    address: String(node.getMultiaddrs()[0]),
    async dial(address) {
      await node.dial(multiaddr(address), { signal: dialSignal() });
    },
    async publish(payload) {
      await service.publishMessage(topic, payload);
    },
    connections: () => node.getPeers().length,
    topicPeers: () => service.topicPeers(topic).length,
  };
};
