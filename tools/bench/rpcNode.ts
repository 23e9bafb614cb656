import { identify } from '@libp2p/identify';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { Identity } from '@lloom/identity';
import { rpc } from '@lloom/rpc';
import { createLibp2p } from 'libp2p';

/** What everybody does on libp2p: a stream for each message, which the peer sends back. */
export const echoProtocol = '/bench/echo/1.0.0';

/** A node on loopback with the rpc service. */
export async function createBenchNode() {
  const identity = Identity.generate();
  const node = await createLibp2p({
    privateKey: identity.libp2pKey,
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: {
      identify: identify(),
      rpc: rpc({ signer: identity.signer(), verifier: identity.verifier() }),
    },
  });
  return { node, identity };
}
