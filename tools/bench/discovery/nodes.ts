import { Identity, LloomBehaviour } from '@lloom/behaviour';
import { identify } from '@libp2p/identify';
import type { PeerId } from '@libp2p/interface';
import { kadDHT, passthroughMapper, type KadDHT } from '@libp2p/kad-dht';
import { noise } from '@libp2p/noise';
import { ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { CID } from 'multiformats/cid';
import * as raw from 'multiformats/codecs/raw';
import { sha256 } from 'multiformats/hashes/sha2';

/** The model that is looked for. */
export const wantedModel = 'demo-small';

/** How many executors serve it. */
export const wantedCount = 8;

/** Where a network is joined: addresses of its hub. */
export type Hub = readonly string[];

/** Far beyond any step of a node. */
const stepMs = 40_000;

/** The key under which executors of the wanted model are in the DHT as a program on bare kad-dht has it. */
export const stockKey = async (): Promise<CID> =>
  CID.createV1(raw.code, await sha256.digest(new TextEncoder().encode(`bench/${wantedModel}`)));

/** A signal for one step. */
export const soon = (): AbortSignal => AbortSignal.timeout(stepMs);

/** A node with everything that users get, on loopback. */
export const createNode = (bootstrapPeers: Hub): Promise<LloomBehaviour> =>
  LloomBehaviour.create(Identity.generate(), { addressPolicy: 'loopback', bootstrapPeers });

/** Where others reach a node. */
export const addressesOf = (node: LloomBehaviour): string[] =>
  node.listenedAddresses().map((address) => `${address}/p2p/${node.peerId}`);

/** Offers a model; resolves when the offer is in the DHT, under the stock key as well when it is the wanted one. */
export async function offer(node: LloomBehaviour, model: string, price: string): Promise<void> {
  const published = new Promise((resolve, reject) => {
    node.addEventListener('service:advertised', resolve, { once: true });
    soon().addEventListener('abort', () => reject(new Error('An offer did not get into the DHT')));
  });
  const pricing = { inboundPrice: price, outboundPrice: price };
  await node.advertiseService({ kind: 'executor', models: [model], capacity: 4, pricing });
  await published;
  if (model !== wantedModel) return;
  for await (const _ of node.kad.provide(await stockKey(), { signal: soon() }));
}

/** A node on libp2p's own parts that takes part in the same DHT. */
export interface StockNode {
  /** Everybody whom the DHT names under the stock key, asked to the end. */
  findProviders(): Promise<string[]>;
  stop(): Promise<void>;
}

/** Creates one; it has joined when the promise resolves. */
export async function createStockNode(hub: Hub): Promise<StockNode> {
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: {
      identify: identify(),
      ping: ping(),
      // The defaults leave loopback out, and wait before the first query and on an empty routing table.
      dht: kadDHT({
        protocol: '/lloom/kad/1.0.0',
        clientMode: false,
        peerInfoMapper: passthroughMapper,
        kBucketSize: 20,
        alpha: 3,
        disjointPaths: 3,
        initialQuerySelfInterval: 1,
        allowQueryWithZeroPeers: true,
      }),
    },
  });
  const { dht } = node.services;
  try {
    await node.dial(
      hub.map((address) => multiaddr(address)),
      { signal: soon() },
    );
    await join(dht, node.peerId);
  } catch (error) {
    await node.stop();
    throw error;
  }
  return {
    async findProviders() {
      const found = new Set<string>();
      try {
        for await (const event of dht.findProviders(await stockKey(), { signal: soon() })) {
          if (event.name === 'PROVIDER') for (const { id } of event.providers) found.add(id.toString());
        }
      } catch (error) {
        // Its queries throw after partial results, and what was found counts.
        process.stderr.write(`findProviders threw: ${String(error)}\n`);
      }
      return [...found];
    },
    stop: async () => node.stop(),
  };
}

/** Looks up the own id, again until there is somebody: the DHT takes the hub in when it has answered a ping. */
async function join(dht: KadDHT, self: PeerId): Promise<void> {
  const { bytes } = self.toMultihash();
  for (const signal = soon(); !signal.aborted;) {
    for await (const event of dht.getClosestPeers(bytes, { signal })) {
      if (event.name === 'PEER_RESPONSE') return drain(dht, bytes);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('A stock node found nobody');
}

async function drain(dht: KadDHT, key: Uint8Array): Promise<void> {
  for await (const _ of dht.getClosestPeers(key, { signal: soon() }));
}
