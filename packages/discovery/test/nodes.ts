import { identify } from '@libp2p/identify';
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht';
import { noise } from '@libp2p/noise';
import { ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { Identity } from '@lloom/identity';
import { createLibp2p, type Libp2pOptions } from 'libp2p';
import { discovery, type Discovery, type DiscoveryConfig, type DiscoveryPorts } from '../src/index.ts';

/** A DHT that works between nodes of one machine. */
export const createDht = () =>
  kadDHT({
    protocol: '/lloom/kad/1.0.0',
    clientMode: false,
    peerInfoMapper: passthroughMapper,
    allowQueryWithZeroPeers: true,
    initialQuerySelfInterval: 1,
    alpha: 3,
    disjointPaths: 3,
  });

/** What all nodes have in common. They never leave this machine. */
const base = (port: number): Libp2pOptions => ({
  addresses: { listen: [`/ip4/127.0.0.1/tcp/${port}`] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  connectionManager: { inboundConnectionThreshold: 10_000, maxIncomingPendingConnections: 1_000 },
  connectionGater: { denyDialMultiaddr: (address) => !address.toString().startsWith('/ip4/127.0.0.1/') },
});

/** How a node of a test differs. */
export interface NodeConfig extends DiscoveryConfig, DiscoveryPorts {
  readonly identity?: Identity;
  /** @default any free one */
  readonly port?: number;
  readonly start?: boolean;
  /** A key of libp2p's own kind, which is cheap to read: it cannot advertise. */
  readonly onlyAsks?: boolean;
  readonly peerStore?: Libp2pOptions['peerStore'];
}

/** A node with a DHT and the discovery service. */
export async function createNode(given: NodeConfig = {}) {
  const { identity = Identity.generate(), port = 0, start = true, peerStore = {}, ...others } = given;
  const { onlyAsks = false, ...config } = others;
  const ports = { verifier: identity.verifier(), ...(!onlyAsks && { signer: identity.signer() }) };
  return createLibp2p({
    ...base(port),
    ...(!onlyAsks && { privateKey: identity.libp2pKey }),
    peerStore,
    start,
    services: {
      identify: identify(),
      ping: ping(),
      dht: createDht(),
      // Searches end when everybody was asked, however slow this machine is today.
      discovery: discovery({ settleMs: 60_000, ...ports, ...config }),
    },
  });
}

/** A node with the discovery service, but without a DHT. */
export async function createNodeWithoutDht(identity = Identity.generate()) {
  const ports = { signer: identity.signer(), verifier: identity.verifier() };
  return createLibp2p({
    ...base(0),
    privateKey: identity.libp2pKey,
    services: { identify: identify(), ping: ping(), discovery: discovery(ports) },
  });
}

/** The address of a node, with its peer id. */
export function addressOf(node: { getMultiaddrs(): { toString(): string }[] }): string {
  const [address] = node.getMultiaddrs();
  if (address === undefined) throw new Error('the node does not listen');
  return address.toString();
}

/** The next event of a name; rejects when the node stops meanwhile. */
export async function next(service: Discovery, type: string): Promise<object> {
  for await (const event of service.events()) {
    if (event.type === type) return event;
  }
  throw new Error(`the events ended before ${type}`);
}
