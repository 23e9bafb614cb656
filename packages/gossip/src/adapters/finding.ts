import type { Peer, PeerId, PeerRouting, PeerStore } from '@libp2p/interface';
import type { ConnectionManager } from '@libp2p/interface-internal';
import { toMultiaddr, toPeerId, withPeerId, type Random } from '@lloom/core';
import type { Multiaddr } from '@multiformats/multiaddr';
import type { TopicCandidate } from '../ports.ts';

/** What finding needs of the node. */
export interface FindingComponents {
  readonly connectionManager: Pick<ConnectionManager, 'openConnection' | 'getConnections'>;
  readonly peerStore: Pick<PeerStore, 'all' | 'get'>;
  readonly peerRouting?: Pick<PeerRouting, 'getClosestPeers'>;
}

/** How one search is made. */
export interface FindConfig {
  readonly signal: AbortSignal;
  readonly random: Random;
}

/** Addresses of one peer that are dialled: others may name any number. */
const maxAddresses = 16;
/** Known peers that are looked at before strangers are. */
const maxKnown = 256;

/**
 * Peers that speak one of the protocols and are not connected; then those of whom only addresses are known, such as the DHT
 * has named; then strangers near a random place of the DHT. libp2p's own random walk is not used: where it finds nobody it asks
 * again in the same turn, for ever.
 */
export async function* findCandidates(
  components: FindingComponents,
  protocols: readonly string[],
  { signal, random }: FindConfig,
): AsyncGenerator<TopicCandidate> {
  const isAway = ({ id, addresses }: Peer): boolean => addresses.length > 0 && !isConnected(components, id);
  const known = await components.peerStore.all({ filters: [isAway], limit: maxKnown, signal });
  const speakers = known.filter(({ protocols: spoken }) => spoken.some((name) => protocols.includes(name)));
  const unheard = known.filter(({ protocols: spoken }) => spoken.length === 0);
  for (const peer of [...shuffled(speakers, random), ...shuffled(unheard, random)])
    yield candidate(peer.id, addressesOf(peer));
  const { peerRouting } = components;
  if (peerRouting === undefined || signal.aborted) return;
  try {
    for await (const { id, multiaddrs } of peerRouting.getClosestPeers(random.bytes(32), { signal }))
      yield candidate(id, multiaddrs);
  } catch (error) {
    const hasNoDht = error instanceof Error && error.name === 'NoPeerRoutersError';
    if (!hasNoDht && !signal.aborted) throw error;
  }
}

/** In an order of chance, or everybody would dial the same ones. */
function shuffled<T>(list: readonly T[], random: Random): T[] {
  const keyed = list.map((entry) => ({ entry, key: random.float() }));
  return keyed.toSorted((a, b) => a.key - b.key).map(({ entry }) => entry);
}

/** Opens a connection, unless there is one. */
export async function dialPeer(
  components: FindingComponents,
  { peerId, addresses }: { readonly peerId: string; readonly addresses: readonly string[] },
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  const peer = toPeerId(peerId);
  if (isConnected(components, peer)) return;
  const given = addresses.map((address) => withPeerId(toMultiaddr(address), peer));
  const stored = (await knownAddresses(components, peer)).map((address) => withPeerId(address, peer));
  const all = new Map([...given, ...stored].map((address) => [address.toString(), address]));
  const target = all.size > 0 ? [...all.values()].slice(0, maxAddresses) : peer;
  await components.connectionManager.openConnection(target, { signal });
}

/** Whether there is a connection that carries gossip: a limited one, over a relay, does not. */
export function isConnected({ connectionManager }: FindingComponents, peerId: PeerId): boolean {
  return connectionManager
    .getConnections(peerId)
    .some(({ status, limits }) => status === 'open' && limits === undefined);
}

async function knownAddresses({ peerStore }: FindingComponents, peerId: PeerId): Promise<Multiaddr[]> {
  try {
    return addressesOf(await peerStore.get(peerId));
  } catch (error) {
    if (error instanceof Error && error.name === 'NotFoundError') return [];
    throw error;
  }
}

const addressesOf = ({ addresses }: Peer): Multiaddr[] => addresses.map(({ multiaddr }) => multiaddr);

function candidate(peerId: PeerId, addresses: readonly Multiaddr[]): TopicCandidate {
  const texts = addresses.slice(0, maxAddresses).map((address) => address.toString());
  return { peerId: peerId.toString(), addresses: texts };
}
