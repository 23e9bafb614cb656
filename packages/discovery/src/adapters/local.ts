import { isStartable } from '@libp2p/interface';
import type {
  IdentifyResult,
  Libp2pEvents,
  Peer,
  PeerDiscovery,
  PeerId,
  PeerInfo,
  PeerStore,
} from '@libp2p/interface';
import { orAbort, safe, toPeerId } from '@lloom/core';
import type { TypedEventTarget } from 'main-event';
import { dhtClientProtocol } from '../internal/dhtClient.ts';
import type { LocalWatcher } from '../ports.ts';

/** Addresses of one announcement that are read. */
const maxAddresses = 64;

/**
 * Starts what sights peers, and reports each sighting until the returned function is called. That one resolves when it is
 * stopped. The same module may be started again afterwards.
 *
 * @param onError told of what the watcher throws
 * @throws what the module says when it cannot be started
 */
export async function watchLocal(
  module: PeerDiscovery,
  watcher: LocalWatcher,
  onError: (error: unknown) => void,
): Promise<() => Promise<void>> {
  // The module repeats its event with every announcement; libp2p's own `peer:discovery` comes once for each peer.
  const onPeer = safe(({ detail }: CustomEvent<PeerInfo>) => {
    const addresses = detail.multiaddrs.slice(0, maxAddresses).map((address) => address.toString());
    watcher.onSighting({ peerId: detail.id.toString(), addresses });
  }, onError);
  module.addEventListener('peer', onPeer);
  const stop = async (): Promise<void> => {
    module.removeEventListener('peer', onPeer);
    if (!isStartable(module)) return;
    await module.beforeStop?.();
    await module.stop();
    await module.afterStop?.();
  };
  if (!isStartable(module)) return stop;
  try {
    await module.beforeStart?.();
    await module.start();
    await module.afterStart?.();
  } catch (error) {
    module.removeEventListener('peer', onPeer);
    throw error;
  }
  return stop;
}

/** Where a peer's protocols are learned. */
export interface MemberComponents {
  readonly peerStore: Pick<PeerStore, 'get'>;
  readonly events: TypedEventTarget<Libp2pEvents>;
}

/** What libp2p notes of a peer that has told its protocols; before, it knows those of single streams at most. */
const identified = 'AgentVersion';

/**
 * Whether a connected peer says to take part in a DHT, if only to ask. Right after a connection was opened its protocols are not known:
 * then they are waited for.
 *
 * @throws the reason of the signal when it fires first
 */
export async function isMember(
  { events, peerStore }: MemberComponents,
  peer: { readonly peerId: string; readonly kadProtocol: string },
  { signal }: { readonly signal: AbortSignal },
): Promise<boolean> {
  const peerId = toPeerId(peer.peerId);
  const names = [peer.kadProtocol, dhtClientProtocol(peer.kadProtocol)];
  const takesPart = (protocols: readonly string[]): boolean => names.some((name) => protocols.includes(name));
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const onIdentify = ({ detail }: CustomEvent<IdentifyResult>): void => {
    if (detail.peerId.equals(peerId)) resolve(takesPart(detail.protocols));
  };
  // Listens before it looks: what is learned in between is in the store.
  events.addEventListener('peer:identify', onIdentify);
  try {
    const known = await knownPeer(peerStore, peerId);
    if (known !== undefined && takesPart(known.protocols)) return true;
    return known?.metadata.has(identified) === true ? false : await orAbort(promise, signal);
  } finally {
    events.removeEventListener('peer:identify', onIdentify);
  }
}

async function knownPeer(peerStore: Pick<PeerStore, 'get'>, peerId: PeerId): Promise<Peer | undefined> {
  try {
    return await peerStore.get(peerId);
  } catch (error) {
    if (error instanceof Error && error.name === 'NotFoundError') return undefined;
    throw error;
  }
}
