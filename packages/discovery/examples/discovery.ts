// Three nodes in one process, on this machine only: one to join through, one that offers a model, one that looks
// for it.
// #region node
import { identify } from '@libp2p/identify';
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht';
import { noise } from '@libp2p/noise';
import { ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { discovery } from '@lloom/discovery';
import { Identity } from '@lloom/identity';
import { createLibp2p } from 'libp2p';

const createNode = (bootstrapPeers: string[]) => {
  const identity = Identity.generate();
  return createLibp2p({
    privateKey: identity.libp2pKey,
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: {
      identify: identify(),
      ping: ping(),
      // Server mode and private addresses: what a DHT on one machine or in one office needs.
      dht: kadDHT({
        protocol: '/lloom/kad/1.0.0',
        clientMode: false,
        peerInfoMapper: passthroughMapper,
        allowQueryWithZeroPeers: true,
      }),
      discovery: discovery({
        bootstrapPeers,
        signer: identity.signer(),
        verifier: identity.verifier(),
      }),
    },
  });
};
// #endregion

const hub = await createNode([]);
const addresses = hub.getMultiaddrs().map((address) => address.toString());
const executor = await createNode(addresses);
const client = await createNode(addresses);

try {
  // #region use
  const offered = executor.services.discovery.events();
  await executor.services.discovery.advertiseService({
    kind: 'executor',
    models: ['demo-small'],
    capacity: 4,
    pricing: { inboundPrice: '500000000000000', outboundPrice: '1000000000000000' },
  });
  for await (const event of offered) {
    if (event.type === 'service:advertised') break;
  }

  await client.services.discovery.bootstrap();
  for (const { peerId, info } of await client.services.discovery.requireModelProviders('demo-small')) {
    console.log(`${peerId} offers`, info);
  }

  await executor.services.discovery.withdrawService('executor');
  console.log('after the withdrawal:', await client.services.discovery.findModelProviders('demo-small'));
  // #endregion
} finally {
  await Promise.all([client.stop(), executor.stop(), hub.stop()]);
}
