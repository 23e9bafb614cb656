import type { Address, Connection, PeerId, PeerStore } from '@libp2p/interface';
import type { ConnectionManager } from '@libp2p/interface-internal';

/** What calling peers takes. */
export interface DhtCallsComponents {
  readonly peerStore: Pick<PeerStore, 'get'>;
  readonly connectionManager: Pick<ConnectionManager, 'getConnections'>;
}

/** The DHT does not run over limited connections, as those through relays are. */
const isUsable = ({ limits }: Connection): boolean => limits === undefined;

const isRelayed = ({ multiaddr }: Address): boolean =>
  multiaddr.getComponents().some(({ name }) => name === 'p2p-circuit');

/**
 * Rejects for a peer that the DHT reaches through a relay. Beside a limited connection libp2p would open the next one for every
 * query, which costs the relay, and close it as one that leads the same way, with whatever the peer has begun to send on it.
 */
export async function refuseRelayed(
  { connectionManager, peerStore }: DhtCallsComponents,
  peerId: PeerId,
): Promise<void> {
  const open = connectionManager.getConnections(peerId).filter(({ status }) => status === 'open');
  if (open.some(isUsable)) return;
  if (open.length > 0) throw new Error('the peer is reached through a relay');
  const known = await knownAddresses(peerStore, peerId);
  // With direct ones among them libp2p dials: others that want the same peer join its dial, and need all addresses.
  if (known.length > 0 && known.every(isRelayed))
    throw new Error('the peer can be reached through a relay only');
}

async function knownAddresses(
  peerStore: DhtCallsComponents['peerStore'],
  peerId: PeerId,
): Promise<readonly Address[]> {
  try {
    return (await peerStore.get(peerId)).addresses;
  } catch (error) {
    if (error instanceof Error && error.name === 'NotFoundError') return [];
    throw error;
  }
}
