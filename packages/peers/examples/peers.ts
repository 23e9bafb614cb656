// Two plain libp2p nodes on this machine: one dials the other, looks at it, and disconnects for good.
// #region use
import assert from 'node:assert/strict';
import { identify } from '@libp2p/identify';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { peers, PeersError } from '@lloom/peers';
import { createLibp2p } from 'libp2p';

const createNode = () =>
  createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), peers: peers({ addressPolicy: 'loopback', maxConnectionsPerPeer: 1 }) },
  });

const [alice, bob] = await Promise.all([createNode(), createNode()]);
try {
  const events = alice.services.peers.events();
  const identified = new Promise((resolve) => alice.addEventListener('peer:identify', resolve));

  const connection = await alice.services.peers.dialPeer(bob.peerId, bob.getMultiaddrs());
  console.log(`connected over ${connection.transport}, ${connection.direction}`);

  await identified;
  const info = alice.services.peers.peerInfo(bob.peerId);
  console.log(`bob is ${info?.agentVersion} and speaks ${info?.protocols.join(', ')}`);

  await alice.services.peers.disconnectPeer(bob.peerId);
  assert.deepEqual(alice.services.peers.connectedPeers(), []);

  // Nothing leaves this machine: the policy forbids it, also to the user.
  const refused = await alice.services.peers
    .dialPeer(bob.peerId, ['/ip4/10.0.0.1/tcp/4001'])
    .catch((error) => error);
  assert(PeersError.is(refused, 'ADDRESS_REFUSED'));
  console.log(refused.message);

  for await (const event of events) {
    if (event.type === 'connection:established') console.log(event.type, event.endpoint.remoteAddress);
    if (event.type !== 'connection:closed') continue;
    console.log(event.type, event.cause?.code);
    break;
  }
} finally {
  await Promise.all([alice.stop(), bob.stop()]);
}
// #endregion
