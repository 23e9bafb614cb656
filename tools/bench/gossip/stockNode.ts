import { gossipsub } from '@libp2p/gossipsub';
import { identify } from '@libp2p/identify';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { keyOf } from './keys.ts';
import { connectionManager, connectionMonitor, dialSignal, topic, type CreateNode } from './node.ts';

/** A node as libp2p's documentation builds it, which signs and wants signatures, as gossipsub does by default. */
export const createNode: CreateNode = async (plan, onMessage) => {
  const node = await createLibp2p({
    privateKey: await keyOf(plan),
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor,
    connectionManager,
    services: {
      identify: identify(),
      // More than ten peers at one address score so low that they are not heard at all.
      pubsub: gossipsub(plan.countsAddresses ? {} : { scoreParams: { IPColocationFactorWeight: 0 } }),
    },
  });
  const { pubsub } = node.services;
  pubsub.addEventListener('message', ({ detail }) => onMessage(detail.data));
  pubsub.subscribe(topic);
  return {
    address: String(node.getMultiaddrs()[0]),
    async dial(address) {
      await node.dial(multiaddr(address), { signal: dialSignal() });
    },
    async publish(payload) {
      await pubsub.publish(topic, payload);
    },
    connections: () => node.getPeers().length,
    topicPeers: () => pubsub.getSubscribers(topic).length,
  };
};
