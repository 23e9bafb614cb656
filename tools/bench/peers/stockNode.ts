import { identify } from '@libp2p/identify';
import { noise } from '@libp2p/noise';
import { ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { dialSignal, inboundConnectionThreshold, type CreateNode } from './node.ts';

/** A node as libp2p's documentation builds it. */
export const create: CreateNode = async ({ maxConnections, isPatient = false }) => {
  const libp2p = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: {
      inboundConnectionThreshold,
      ...(maxConnections !== undefined && { maxConnections }),
    },
    connectionMonitor: { abortConnectionOnPingFailure: !isPatient },
    services: { identify: identify(), ping: ping() },
  });
  return {
    libp2p,
    async dial({ address }) {
      const { remotePeer } = await libp2p.dial(multiaddr(address), { signal: dialSignal() });
      return () => libp2p.hangUp(remotePeer, { signal: dialSignal() });
    },
  };
};
