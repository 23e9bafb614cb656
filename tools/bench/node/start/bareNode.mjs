// A node of bare libp2p with the modules that a node of ours has, or has something of its own in place of: each as its documentation
// sets it up.
import { autoNATv2 } from '@libp2p/autonat-v2';
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2';
import { dcutr } from '@libp2p/dcutr';
import { gossipsub } from '@libp2p/gossipsub';
import { identify, identifyPush } from '@libp2p/identify';
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht';
import { noise } from '@libp2p/noise';
import { ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { createLibp2p } from 'libp2p';

export const echoProtocol = '/bench/echo/1.0.0';

/** Starts one, which listens on loopback. */
export const startBareNode = () =>
  createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp(), circuitRelayTransport()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    // More than five connections a second from one address would be dropped, and all here are from one.
    connectionManager: { inboundConnectionThreshold: 100 },
    services: {
      identify: identify(),
      identifyPush: identifyPush(),
      ping: ping(),
      dht: kadDHT({ protocol: '/lloom/kad/1.0.0', clientMode: false, peerInfoMapper: passthroughMapper }),
      pubsub: gossipsub(),
      autoNAT: autoNATv2(),
      dcutr: dcutr(),
    },
  });
