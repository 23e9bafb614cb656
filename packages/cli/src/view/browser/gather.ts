import type { ViewState } from '../types.ts';
import type { PeerView } from './types.ts';

/** Puts together what the lists of a node's state tell of each peer: those known, and those connected. */
export function gatherPeers(state: ViewState): ReadonlyMap<string, PeerView> {
  const { peers, connections, gossip } = state.node;
  const listOf = <Value>(lists: Map<string, Value[]>, key: string): Value[] => {
    const list = lists.get(key) ?? [];
    lists.set(key, list);
    return list;
  };
  const connectionsOf = new Map<string, (typeof connections)[number][]>();
  for (const connection of connections) listOf(connectionsOf, connection.peerId).push(connection);
  const meshesOf = new Map<string, string[]>();
  for (const { topic, mesh } of gossip.topics) for (const peer of mesh) listOf(meshesOf, peer).push(topic);
  const scores = new Map(gossip.scores.map(({ peerId, score }) => [peerId, score]));
  const known = new Map(peers.map((peer) => [peer.peerId, peer]));
  const unknown = { roles: [], reputation: 0, isMaintained: false, isBanned: false, services: [] };

  /** `/…/p2p/<relay>/p2p-circuit/…` */
  const relayOf = (address: string): string | undefined => /\/p2p\/([^/]+)\/p2p-circuit/.exec(address)?.[1];

  const viewOf = (peerId: string): PeerView => {
    const own = connectionsOf.get(peerId) ?? [];
    const isRelayed = own.length > 0 && own.every(({ relayed }) => relayed);
    const rtts = own.flatMap(({ rttMs }) => rttMs ?? []);
    return {
      ...unknown,
      ...known.get(peerId),
      peerId,
      isConnected: own.length > 0 || known.get(peerId)?.isConnected === true,
      connections: own,
      relay: isRelayed ? (relayOf(own[0]?.remoteAddress ?? '') ?? 'unknown') : undefined,
      direction: own[0]?.direction,
      rttMs: rtts.length === 0 ? undefined : Math.min(...rtts),
      score: scores.get(peerId),
      meshes: meshesOf.get(peerId) ?? [],
    };
  };
  return new Map([...known.keys(), ...connectionsOf.keys()].map((peerId) => [peerId, viewOf(peerId)]));
}
