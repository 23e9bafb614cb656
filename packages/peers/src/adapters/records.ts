import type { IdentifyResult, Peer, PeerStore } from '@libp2p/interface';
import { toPeerId } from '@lloom/core';

import type { PeerRecord } from '../ports.ts';

const maxAgentVersionLength = 256;

/** What the peer store holds of a peer. */
export function recordOf(peer: Peer): PeerRecord {
  const agentVersion = peer.metadata.get('AgentVersion');
  return {
    peerId: peer.id.toString(),
    addresses: peer.addresses.map(({ multiaddr: address }) => address.toString()),
    protocols: [...peer.protocols],
    value: valueOf(peer),
    ...(agentVersion !== undefined && agentOf(new TextDecoder().decode(agentVersion))),
  };
}

/** What a peer has said of itself. */
export function recordOfIdentified(result: IdentifyResult): PeerRecord {
  const { peerId, agentVersion, protocols, signedPeerRecord, listenAddrs } = result;
  return {
    peerId: peerId.toString(),
    addresses: (signedPeerRecord?.addresses ?? listenAddrs).map((address) => address.toString()),
    protocols: [...protocols],
    ...(agentVersion !== undefined && agentOf(agentVersion)),
  };
}

/** A peer of the peer store; `undefined` when there is none, or when it cannot be read, which goes to `onError`. */
export async function storedPeer(
  peerStore: PeerStore,
  peerId: string,
  onError: (error: unknown) => void,
): Promise<Peer | undefined> {
  try {
    return await peerStore.get(toPeerId(peerId));
  } catch (error) {
    if (nameOf(error) !== 'NotFoundError') onError(error);
    return undefined;
  }
}

/** What libp2p tells errors apart by. */
export const nameOf = (error: unknown): unknown => (error as { readonly name?: unknown } | undefined)?.name;

function valueOf({ tags }: Peer): number {
  let value = 0;
  for (const tag of tags.values()) value += tag.value;
  return value;
}

const agentOf = (text: string): { readonly agentVersion: string } => ({
  agentVersion: text.slice(0, maxAgentVersionLength),
});
