import { identify } from '@libp2p/identify';
import { ping } from '@libp2p/ping';
import { Identity } from '@lloom/identity';
import { metrics, type NodeMetrics } from '@lloom/metrics';
import { rpc, type RpcConfig, type RpcPorts } from '@lloom/rpc';
import { createStack } from '@lloom/transport';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';

/** What of a node is measured. */
interface Watched {
  /** What counts. @default everything that a node counts, for that is how it is run; `undefined` for nothing */
  readonly figures?: NodeMetrics | undefined;
}

/** A node on loopback with the rpc service, which counts, its limits raised to what the rows have in flight. */
export async function createLloomNode(
  config: RpcConfig & RpcPorts = {},
  { figures }: Watched = { figures: metrics() },
) {
  const identity = Identity.generate();
  const node = await createLibp2p({
    privateKey: identity.libp2pKey,
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    ...createStack(),
    ...(figures && { metrics: figures.libp2p }),
    connectionMonitor: { enabled: false },
    // All clients have one address, of which libp2p takes five connections a second.
    connectionManager: { inboundConnectionThreshold: 1_024 },
    services: {
      identify: identify(),
      ping: ping(),
      rpc: rpc({
        signer: identity.signer(),
        verifier: identity.verifier(),
        ...(figures && { meter: figures.meter }),
        maxInboundRequests: 1_024,
        maxInboundRequestsPerPeer: 1_024,
        maxPendingRequestsPerPeer: 1_024,
        capacity: 1_024,
        maxRequestSizeBytes: 16 * 1024 * 1024,
        ...config,
      }),
    },
  });
  return { identity, rpc: node.services.rpc, node, close: async () => node.stop() };
}

/** What a server of these nodes gives: where it listens. */
export const serverOf = ({ node, close }: Awaited<ReturnType<typeof createLloomNode>>) => ({
  address: String(node.getMultiaddrs()[0]),
  close,
});

/** A node that is connected to a server. */
export async function connectLloomNode(address: string, config?: RpcConfig & RpcPorts, watched?: Watched) {
  const created = await createLloomNode(config, watched);
  const { remotePeer } = await created.node.dial(multiaddr(address));
  return { ...created, peerId: remotePeer.toString() };
}
