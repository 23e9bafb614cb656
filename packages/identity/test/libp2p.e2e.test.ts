import { identify } from '@libp2p/identify';
import { noise } from '@libp2p/noise';
import { ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { createLibp2p } from 'libp2p';
import { expect, test } from 'vitest';

import { evmAddressOf, Identity } from '../src/index.ts';

async function startNode(identity: Identity) {
  return createLibp2p({
    privateKey: identity.libp2pKey,
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), ping: ping() },
  });
}

test('two libp2p nodes with keys of identities connect, and each knows the address of the other', async () => {
  const [alice, bob] = [Identity.generate(), Identity.generate()];
  const nodes = await Promise.all([startNode(alice), startNode(bob)]);
  try {
    const [dialer, listener] = nodes;
    expect(dialer.peerId.toString()).toBe(alice.peerId);
    const connection = await dialer.dial(listener.getMultiaddrs());
    expect(connection.remotePeer.toString()).toBe(bob.peerId);
    expect(evmAddressOf(connection.remotePeer.toString())).toBe(bob.evmAddress);
    expect(await dialer.services.ping.ping(listener.peerId)).toBeGreaterThanOrEqual(0);
  } finally {
    for (const node of nodes) await node.stop();
  }
});
