import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { createLibp2p } from 'libp2p';

/** Beyond libp2p's 32 inbound and 64 outbound streams of a protocol, where requests fail. */
export const streamLimits = { maxInboundStreams: 4_096, maxOutboundStreams: 4_096 };

/** A libp2p node on loopback as its documentation builds it. */
export function createStockNode() {
  return createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    // Its pings would fall into some rounds and not into others.
    connectionMonitor: { enabled: false },
  });
}

/** Where a node listens. */
export const addressOf = (node: Awaited<ReturnType<typeof createStockNode>>): string =>
  String(node.getMultiaddrs()[0]);
