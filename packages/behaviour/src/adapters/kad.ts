import { kadDHT, passthroughMapper, removePrivateAddressesMapper, type KadDHT } from '@libp2p/kad-dht';
import type { PeerId } from '@libp2p/interface';
import type { Datastore } from 'interface-datastore';
import { toPeerId, type Clock, type Verifier } from '@lloom/core';
import { dhtRecords, guardedDht, type RoutingTable } from '@lloom/discovery';
import type { ResolvedNetworkConfig } from '../config.ts';
import { stopsAfterStart } from './startStop.ts';

/** What the DHT of a node is built from. */
export interface KadParts {
  readonly config: Pick<ResolvedNetworkConfig, 'addressPolicy' | 'kadProtocol' | 'kadReplicationFactor'>;
  /** Proves the records that others put. */
  readonly verifier: Verifier;
  readonly clock?: Clock;
  /** The datastore of the node. */
  readonly datastore: Datastore;
}

/** The DHT service of a node: a server from its start, with room for descriptors and what peers provide. */
export function createKad({ config, ...ports }: KadParts): ReturnType<typeof kadDHT> {
  const create = kadDHT({
    protocol: config.kadProtocol,
    kBucketSize: config.kadReplicationFactor,
    // In client mode, the default without a public address, a local network would have no DHT at all.
    clientMode: false,
    peerInfoMapper: config.addressPolicy === 'public' ? removePrivateAddressesMapper : passthroughMapper,
    alpha: 3,
    disjointPaths: 3,
    initialQuerySelfInterval: 1,
    // Without this a query on an empty routing table waits for three minutes.
    allowQueryWithZeroPeers: true,
    // Holders forget an address after an hour, so provide three times within it.
    reprovide: { validity: 40 * 60_000, threshold: 20 * 60_000, interval: 5 * 60_000 },
    ...dhtRecords(ports),
  });
  return stopsAfterStart(guardedDht(create));
}

/** What of kad-dht's routing table is used. Its types do not show it, so that another version may not have it. */
interface KadTable {
  find(peerId: PeerId): Promise<PeerId | undefined>;
  remove(peerId: PeerId): Promise<void>;
  readonly size: number;
  readonly kb: { toIterable(): Iterable<{ readonly peerId: PeerId }> };
}

/** The routing table of a DHT, as the node itself sees it. */
export interface KadRoutingTable extends RoutingTable {
  /** How many peers are in it. */
  readonly size: number;
  /** Some of them, at most `limit`. */
  peerIds(limit: number): readonly string[];
}

/**
 * The routing table of a DHT. Where the DHT does not have one as it is expected, nobody is in it.
 *
 * @param dht gives the DHT; asked at every call, so that it may be made later
 */
export function routingTableOf(dht: () => KadDHT): KadRoutingTable {
  const table = (): Partial<KadTable> => {
    const { routingTable } = dht() as { readonly routingTable?: Partial<KadTable> };
    return routingTable ?? {};
  };
  return {
    has: async (peerId) => (await table().find?.(toPeerId(peerId))) !== undefined,
    remove: async (peerId) => table().remove?.(toPeerId(peerId)),
    get size() {
      return table().size ?? 0;
    },
    peerIds: (limit) => {
      const peers: string[] = [];
      for (const { peerId } of table().kb?.toIterable?.() ?? []) {
        if (peers.length >= limit) break;
        peers.push(peerId.toString());
      }
      return peers;
    },
  };
}
