import type { KadDHT } from '@libp2p/kad-dht';
import type { Libp2p, PeerUpdate, Stream } from '@libp2p/interface';
import { safe } from '@lloom/core';
import { dhtClientProtocol, type RoutingTable } from '@lloom/discovery';
import type { NatStatus } from '@lloom/nat';

/** What the mode of a DHT depends on, and what it changes. */
export interface KadModeParts {
  readonly libp2p: Pick<Libp2p, 'addEventListener' | 'handle' | 'status' | 'unhandle'>;
  readonly dht: () => Pick<KadDHT, 'getMode' | 'setMode'>;
  readonly kadProtocol: string;
  readonly routingTable: Pick<RoutingTable, 'remove'>;
  readonly onError: (error: unknown) => void;
}

/**
 * Keeps whom nobody can reach out of DHTs: this node asks and is not asked from the moment in which it is found to be
 * private, until it is found to be otherwise; and peers that have done so leave the routing table, which stock kad-dht keeps
 * them in. Queries do not go over limited connections, so such a server fails everybody who asks it.
 *
 * @returns what is to be told each status
 */
export function keepKadMode({
  libp2p,
  dht,
  kadProtocol,
  routingTable,
  onError,
}: KadModeParts): (status: NatStatus) => Promise<void> {
  const clientProtocol = dhtClientProtocol(kadProtocol);
  const speaks = (peer: PeerUpdate['peer'] | undefined): boolean =>
    peer?.protocols.includes(kadProtocol) === true;
  const onUpdate = safe(({ detail: { peer, previous } }: CustomEvent<PeerUpdate>) => {
    if (speaks(previous) && !speaks(peer)) routingTable.remove(peer.id.toString()).catch(onError);
  }, onError);
  libp2p.addEventListener('peer:update', onUpdate);
  const set = async (mode: 'client' | 'server'): Promise<void> => {
    if (libp2p.status !== 'started' || dht().getMode() === mode) return;
    await dht().setMode(mode);
    if (mode === 'server') await libp2p.unhandle(clientProtocol);
    else await libp2p.handle(clientProtocol, reset, { runOnLimitedConnection: true });
  };
  let last = Promise.resolve();
  return ({ kind }) => (last = last.then(() => set(kind === 'private' ? 'client' : 'server')).catch(onError));
}

const reset = (stream: Stream): void => stream.abort(new Error('nothing is said over this protocol'));
