import type { Ban } from '../events.ts';
import type { ConnectionInfo, PeerRole, PeersSnapshot } from '../types.ts';

/** What knows of peers. */
export interface SnapshotSources {
  readonly ownPeerId: string;
  readonly connected: readonly string[];
  /** How many connections there are to all of these. */
  readonly openConnections: number;
  readonly bans: readonly Ban[];
  readonly maintained: ReadonlyMap<string, number>;
  /** Those of whom something was heard, or whose addresses were given; the latest last. */
  readonly heardOf: readonly string[];
  connectionsOf(peerId: string): readonly ConnectionInfo[];
  rolesOf(peerId: string): readonly PeerRole[];
  reputationOf(peerId: string): number;
}

/** Peers in short, those first that matter most. Costs nothing for those beyond `limit` but a look at their names. */
export function peersSnapshot(sources: SnapshotSources, limit: number): PeersSnapshot {
  const { connected, bans, maintained, heardOf } = sources;
  const banOf = new Map(bans.map((ban) => [ban.peerId, ban]));
  const known = new Set([...connected, ...banOf.keys(), ...maintained.keys(), ...heardOf.toReversed()]);
  known.delete(sources.ownPeerId);
  const peers = [...known].slice(0, limit).map((peerId) => {
    const ban = banOf.get(peerId);
    return {
      peerId,
      roles: sources.rolesOf(peerId),
      reputation: sources.reputationOf(peerId),
      isMaintained: maintained.has(peerId),
      connections: sources.connectionsOf(peerId),
      ...(ban !== undefined && { ban }),
    };
  });
  return { peers, known: known.size, openConnections: sources.openConnections };
}
