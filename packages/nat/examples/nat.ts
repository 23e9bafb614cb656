// Three nodes on this machine: one that can be reached finds it out and relays; one that listens nowhere is reached through it.
// #region node
import { identify } from '@libp2p/identify';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { isPublic, nat } from '@lloom/nat';
import { createLibp2p } from 'libp2p';

const createNode = (listen: string[], enableHolePunching = true) =>
  createLibp2p({
    addresses: { listen },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: {
      identify: identify(),
      // Loopback is no global address: on the internet the default is right.
      nat: nat({ autonat: { onlyGlobalIps: false }, enableHolePunching }),
    },
  });
// #endregion

const relay = await createNode(['/ip4/127.0.0.1/tcp/0']);
const hidden = await createNode([], false);
const client = await createNode(['/ip4/127.0.0.1/tcp/0'], false);
try {
  // #region status
  const service = relay.services.nat;
  const known = new Promise<void>((resolve) =>
    service.addEventListener('nat:changed', ({ detail }) => {
      console.log(`others say: ${detail.status.kind}`);
      if (isPublic(detail.status)) resolve();
    }),
  );
  await client.dial(relay.getMultiaddrs());
  await known;
  if (isPublic(service.natStatus())) await service.enableRelayServer();
  // #endregion

  // #region relayed
  const reserved = new Promise((resolve) =>
    hidden.services.nat.addEventListener('relay:reserved', resolve, { once: true }),
  );
  await hidden.services.nat.enableRelayClient({ relays: relay.getMultiaddrs().map(String) });
  await reserved;
  console.log(`reached at ${hidden.services.nat.relayAddresses().join()}`);

  const [relayAddress] = relay.getMultiaddrs();
  const connection = await client.services.nat.dialPeerThroughRelay(hidden.peerId, relayAddress!);
  console.log(`through ${connection?.relay}, which carries ${connection?.limits?.bytes} bytes more`);
  // #endregion
} finally {
  await Promise.all([client.stop(), hidden.stop(), relay.stop()]);
}
