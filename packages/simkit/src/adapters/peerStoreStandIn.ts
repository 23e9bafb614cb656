import { NotFoundError } from '@libp2p/interface';
import type {
  Address,
  Libp2pEvents,
  Peer,
  PeerData,
  PeerId,
  PeerInfo,
  PeerQuery,
  PeerStore,
  PeerUpdate,
  Tag,
  TagOptions,
} from '@libp2p/interface';
import type { TypedEventTarget } from 'main-event';

/** What libp2p lends {@link keepInMemory}. */
export interface PeerStoreComponents {
  readonly peerId: PeerId;
  readonly peerStore: PeerStore;
  readonly events: TypedEventTarget<Libp2pEvents>;
}

/** A tag, and when it is over. */
type Expiring = Tag & { readonly expiry?: bigint };
type Entries<V> = Map<string, V | undefined> | Record<string, V | undefined>;

/**
 * Has a node's peer store keep what it is told as it is, rather than encode, lock and write it, which costs more than anything
 * else that connections do. Nothing of it is kept over a restart, and addresses do not expire.
 *
 * @returns what is known of a peer
 */
export function keepInMemory({
  peerId,
  peerStore,
  events,
}: PeerStoreComponents): (id: PeerId) => Peer | undefined {
  const peers = new Map<string, Peer>();
  const own = peerId.toString();

  const read = (id: PeerId): Peer | undefined => {
    const peer = peers.get(id.toString());
    return peer && withoutExpired(peer);
  };
  const load = async (id: PeerId): Promise<Peer> => {
    const peer = read(id);
    if (peer === undefined) throw notFound();
    return peer;
  };
  const store = (peer: Peer, previous: Peer | undefined): Peer => {
    const name = peer.id.toString();
    peers.set(name, peer);
    if (previous !== undefined && isSame(peer, previous)) return peer;
    const detail: PeerUpdate = previous === undefined ? { peer } : { peer, previous };
    events.safeDispatchEvent(name === own ? 'self:peer:update' : 'peer:update', { detail });
    return peer;
  };
  const all = async ({ filters = [], orders = [], offset = 0, limit }: PeerQuery = {}): Promise<Peer[]> => {
    const others = [...peers].flatMap(([name, peer]) => (name === own ? [] : [withoutExpired(peer)]));
    const wanted = others.filter((peer) => filters.every((isWanted) => isWanted(peer)));
    for (const order of orders) wanted.sort(order);
    return wanted.slice(offset, limit === undefined ? undefined : offset + limit);
  };
  const members: Omit<PeerStore, 'consumePeerRecord'> = {
    all,
    get: load,
    has: async (id) => read(id) !== undefined,
    getInfo: async (id): Promise<PeerInfo> => {
      const { addresses } = await load(id);
      return { id, multiaddrs: addresses.map(({ multiaddr }) => multiaddr) };
    },
    forEach: async (act, query) => {
      for (const peer of await all(query)) act(peer);
    },
    delete: async (id) => {
      if (id.toString() !== own) peers.delete(id.toString());
    },
    save: async (id, data) => store(patched(emptyPeer(id), data), read(id)),
    patch: async (id, data) => {
      const previous = read(id);
      return store(patched(previous ?? emptyPeer(id), data), previous);
    },
    merge: async (id, data) => {
      const previous = read(id);
      return store(merged(previous ?? emptyPeer(id), data), previous);
    },
  };
  Object.assign(peerStore, members);
  return read;
}

/** libp2p asks for peers that are not there as often as for others, and nobody reads where that was. */
function notFound(): NotFoundError {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  const error = new NotFoundError();
  Error.stackTraceLimit = stackTraceLimit;
  return error;
}

const emptyPeer = (id: PeerId): Peer => ({
  ...{ id, addresses: [], protocols: [], metadata: new Map(), tags: new Map() },
});

/** With the given fields in place of its own. */
function patched(peer: Peer, data: PeerData): Peer {
  const { addresses, multiaddrs, metadata, protocols, tags, peerRecordEnvelope } = data;
  const hasAddresses = addresses !== undefined || multiaddrs !== undefined;
  return {
    ...peer,
    ...(hasAddresses && { addresses: distinct(peer.id, addressesOf(data)) }),
    ...(protocols && { protocols: [...new Set(protocols)].toSorted(byText) }),
    ...(metadata && { metadata: added(new Map<string, Uint8Array>(), metadata, (value) => value) }),
    ...(tags && { tags: added(new Map<string, Tag>(), tags, toTag) }),
    ...(peerRecordEnvelope && { peerRecordEnvelope }),
  };
}

/** With the given fields beside its own. */
function merged(peer: Peer, data: PeerData): Peer {
  const { addresses, multiaddrs, metadata, protocols, tags, peerRecordEnvelope } = data;
  const hasAddresses = addresses !== undefined || multiaddrs !== undefined;
  const isNew = protocols?.some((protocol) => !peer.protocols.includes(protocol)) === true;
  return {
    ...peer,
    ...(hasAddresses && { addresses: distinct(peer.id, [...peer.addresses, ...addressesOf(data)]) }),
    ...(isNew && { protocols: [...new Set([...peer.protocols, ...protocols!])].toSorted(byText) }),
    ...(metadata && { metadata: added(new Map(peer.metadata), metadata, (value) => value) }),
    ...(tags && { tags: added(new Map(peer.tags), tags, toTag) }),
    ...(peerRecordEnvelope && { peerRecordEnvelope }),
  };
}

const byText = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

const addressesOf = ({ addresses = [], multiaddrs = [] }: PeerData): Address[] => [
  ...multiaddrs.map((multiaddr) => ({ multiaddr, isCertified: false })),
  ...addresses,
];

/** Each address once, without the id of its peer, certified when one of its like is. */
function distinct(id: PeerId, addresses: readonly Address[]): Address[] {
  const known = new Map<string, Address>();
  const suffix = `/p2p/${id.toString()}`;
  for (const { multiaddr, isCertified } of addresses) {
    const isLong = multiaddr.toString().endsWith(suffix);
    const address = isLong ? multiaddr.decapsulate(suffix) : multiaddr;
    const text = address.toString();
    const before = known.get(text);
    known.set(text, { multiaddr: address, isCertified: isCertified || before?.isCertified === true });
  }
  if (known.size < 2) return [...known.values()];
  return [...known].toSorted(([a], [b]) => byText(a, b)).map(([, address]) => address);
}

/** Entries with others added; one without a value goes. */
function added<V, W>(entries: Map<string, W>, given: Entries<V>, read: (value: V) => W): Map<string, W> {
  for (const [key, value] of given instanceof Map ? given : Object.entries(given)) {
    if (value === undefined || value === null) entries.delete(key);
    else entries.set(key, read(value));
  }
  return entries;
}

function toTag({ value = 0, ttl, expiry }: TagOptions & { readonly expiry?: bigint }): Expiring {
  const until = ttl === undefined ? expiry : BigInt(Date.now() + ttl);
  return until === undefined ? { value } : { value, expiry: until };
}

function withoutExpired(peer: Peer): Peer {
  const now = Date.now();
  const isOver = ({ expiry }: Expiring): boolean => expiry !== undefined && expiry < BigInt(now);
  if (![...peer.tags.values()].some(isOver)) return peer;
  return { ...peer, tags: new Map([...peer.tags].filter(([, tag]) => !isOver(tag))) };
}

function isSame(a: Peer, b: Peer): boolean {
  return (
    a.peerRecordEnvelope === b.peerRecordEnvelope &&
    isSameList(a.addresses, b.addresses, isSameAddress) &&
    isSameList(a.protocols, b.protocols, Object.is) &&
    isSameMap(
      a.tags,
      b.tags,
      (one: Expiring, other: Expiring) => one.value === other.value && one.expiry === other.expiry,
    ) &&
    isSameMap(a.metadata, b.metadata, (one, other) => Buffer.compare(one, other) === 0)
  );
}

const isSameAddress = (a: Address, b: Address): boolean =>
  a.isCertified === b.isCertified && a.multiaddr.equals(b.multiaddr);

function isSameList<T>(a: readonly T[], b: readonly T[], isEqual: (a: T, b: T) => boolean): boolean {
  return a === b || (a.length === b.length && a.every((entry, index) => isEqual(entry, b[index]!)));
}

function isSameMap<V>(
  a: ReadonlyMap<string, V>,
  b: ReadonlyMap<string, V>,
  isEqual: (a: V, b: V) => boolean,
): boolean {
  return (
    a === b ||
    (a.size === b.size && [...a].every(([key, value]) => b.has(key) && isEqual(value, b.get(key)!)))
  );
}
