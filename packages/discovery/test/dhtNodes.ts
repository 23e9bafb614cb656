import { identify } from '@libp2p/identify';
import type { PeerId } from '@libp2p/interface';
import { kadDHT, passthroughMapper, type KadDHT } from '@libp2p/kad-dht';
import { ping } from '@libp2p/ping';
import { toPeerId, type Hex } from '@lloom/core';
import { Identity } from '@lloom/identity';
import type { SimHost, TestNetwork } from '@lloom/simkit';
import { createLibp2p } from 'libp2p';
import { boundedDhtDatastore } from '../src/adapters/dhtDatastore.ts';
import { guardedDht } from '../src/adapters/dhtGuard.ts';
import { dhtRecords } from '../src/adapters/dhtRecords.ts';
import type { RoutingTable } from '../src/ports.ts';
import { descriptorFrame } from './fakes.ts';
import { kadProtocol, utf8 } from './kadMessages.ts';

const identityOf = ({ keyBytes }: SimHost): Identity =>
  Identity.fromPrivateKey(`0x${Buffer.from(keyBytes).toString('hex')}` as Hex);

/** A node with a DHT as it is in production, and nothing of Lloom beside it. */
export async function createDhtNode(host: SimHost) {
  const identity = identityOf(host);
  const verifier = identity.verifier({}, { clock: host.clock });
  const datastore = boundedDhtDatastore(host.datastore, { ownPeerId: identity.peerId });
  const node = await createLibp2p({
    privateKey: identity.libp2pKey,
    datastore,
    addresses: { listen: [host.address] },
    ...host.stack,
    connectionManager: { inboundConnectionThreshold: 1_000, maxIncomingPendingConnections: 100 },
    connectionMonitor: { pingInterval: 30_000, pingTimeout: { minTimeout: 25_000, maxTimeout: 25_000 } },
    services: {
      identify: identify(),
      ping: ping({ maxInboundStreams: 8, maxOutboundStreams: 8 }),
      dht: guardedDht(
        kadDHT({
          protocol: kadProtocol,
          clientMode: false,
          peerInfoMapper: passthroughMapper,
          allowQueryWithZeroPeers: true,
          initialQuerySelfInterval: 1,
          alpha: 3,
          disjointPaths: 3,
          reprovide: { validity: 40 * 60_000, threshold: 20 * 60_000, interval: 5 * 60_000 },
          ...dhtRecords({ verifier, clock: host.clock, datastore }),
        }),
      ),
    },
  });
  return Object.assign(node, { identity, datastore });
}

export type DhtNode = Awaited<ReturnType<typeof createDhtNode>>;
export type DhtNetwork = TestNetwork<DhtNode>;

/** The key of a peer's record. */
export const recordKey = (peerId: string): Uint8Array => utf8(`/lloom/descriptor/${peerId}`);

/** A descriptor that somebody signs of itself, now unless said otherwise. */
export const signed = (own: Identity, sequence: number, nowMs = Date.now()): Promise<Uint8Array> =>
  descriptorFrame(own.peerId, [{ kind: 'executor', models: ['demo-small'], capacity: 4 }], {
    descriptor: { sequence },
    signer: own.signer({}, { clock: { ...systemTime, now: () => nowMs } }),
  });

const systemTime = { elapsed: () => 0, setTimeout: () => 0, clearTimeout: () => {} };

/** A routing table as kad-dht has it. */
interface KadTable {
  find(peerId: PeerId): Promise<PeerId | undefined>;
  remove(peerId: PeerId): Promise<void>;
  readonly kb: { toIterable(): Iterable<{ readonly peerId: PeerId }> };
}

const tableOf = (dht: KadDHT): KadTable =>
  (dht as unknown as { readonly routingTable: KadTable }).routingTable;

/** The peers in the routing table of a node's DHT. */
export const listed = ({ services }: Pick<DhtNode, 'services'>): string[] =>
  [...tableOf(services.dht).kb.toIterable()].map(({ peerId }) => peerId.toString());

/** The routing table of a DHT, as the service takes it. */
export const routingTableOf = (dht: KadDHT): RoutingTable => ({
  has: async (peerId) => (await tableOf(dht).find(toPeerId(peerId))) !== undefined,
  remove: (peerId) => tableOf(dht).remove(toPeerId(peerId)),
});

/** Connects every node to the first one, and waits until each has somebody in its routing table. */
export async function connectAll(network: DhtNetwork): Promise<void> {
  const [hub, ...others] = network.nodes.values();
  for (const node of others) await network.run(async () => node.dial(hub!.getMultiaddrs()));
  await network.runUntil(() => [...network.nodes.values()].every((node) => listed(node).length > 0));
}

/** What stands in a datastore under a prefix, and how many bytes that is. */
export async function stored({ datastore }: Pick<DhtNode, 'datastore'>, prefix: string) {
  let [count, bytes] = [0, 0];
  for await (const { key, value } of datastore.query({ prefix })) {
    count += 1;
    bytes += key.toString().length + value.length;
  }
  return { count, bytes };
}
