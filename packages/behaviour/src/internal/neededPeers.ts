import type { Discovery } from '@lloom/discovery';
import type { Gossip } from '@lloom/gossip';
import type { Nat } from '@lloom/nat';
import type { Peers } from '@lloom/peers';

/** What knows who is needed. */
interface Sources {
  readonly discovery: Pick<Discovery, 'bootstrapPeers'>;
  readonly gossip: Pick<Gossip, 'gossipsubMeshPeers' | 'subscribedTopics'>;
  readonly nat: Pick<Nat, 'isNeeded'>;
  readonly peers: Pick<Peers, 'connectedPeers'>;
}

/**
 * Whether this node needs a peer to stay although it asks it for nothing: messages of gossip come and go through those in a mesh,
 * a node that loses its last bootstrap peer joins the network anew, and one behind a NAT is reached through its relays.
 */
export function neededPeers(sources: () => Sources): (peerId: string) => boolean {
  let needed: ReadonlySet<string> | undefined;
  return (peerId) => {
    if (needed === undefined) {
      // All connected peers are looked at in one turn.
      needed = new Set([...bootstrapPeerOf(sources()), ...neighboursOf(sources())]);
      queueMicrotask(() => (needed = undefined));
    }
    return needed.has(peerId) || sources().nat.isNeeded(peerId);
  };
}

/** The first that is connected: one is enough. */
function bootstrapPeerOf({ discovery, peers }: Sources): string[] {
  const addresses = discovery.bootstrapPeers();
  if (addresses.length === 0) return [];
  const connected = new Set(peers.connectedPeers());
  const ids = addresses.map((address) => address.slice(address.lastIndexOf('/') + 1));
  return ids.filter((id) => connected.has(id)).slice(0, 1);
}

const neighboursOf = ({ gossip }: Sources): string[] =>
  gossip.subscribedTopics().flatMap((topic) => [...gossip.gossipsubMeshPeers(topic)]);
