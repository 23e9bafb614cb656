import { identify } from '@libp2p/identify';
import { noise } from '@libp2p/noise';
import { ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { peers } from '@lloom/peers';
import { createLibp2p } from 'libp2p';
import { dialSignal, inboundConnectionThreshold, type CreateNode } from './node.ts';

/** A node with the service, its limits as they come. */
export const create: CreateNode = async ({ stack, maxConnections }) => {
  const parts =
    stack === 'tuned'
      ? (await import('@lloom/transport')).createStack()
      : { transports: [tcp()], connectionEncrypters: [noise()], streamMuxers: [yamux()] };
  const libp2p = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    ...parts,
    connectionManager: { inboundConnectionThreshold },
    services: {
      identify: identify(),
      ping: ping(),
      peers: peers({ addressPolicy: 'loopback', ...(maxConnections !== undefined && { maxConnections }) }),
    },
  });
  const service = libp2p.services.peers;
  return {
    libp2p,
    peers: service,
    async dial({ peerId, address }) {
      await service.dialPeer(peerId, [address], { signal: dialSignal() });
      return () => service.disconnectPeer(peerId);
    },
  };
};
