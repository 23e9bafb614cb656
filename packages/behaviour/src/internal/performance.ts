import type { PerformanceSource } from '@lloom/discovery';
import type { Peers } from '@lloom/peers';
import type { Rpc } from '@lloom/rpc';

/** What knows how well peers have served. */
interface Sources {
  readonly rpc: Pick<Rpc, 'performanceOf'>;
  readonly peers: Pick<Peers, 'connectedPeers' | 'peerInfo' | 'reputationOf'>;
}

/** How well peers have served this node, how far those are that have not and are connected, and what is held of them. */
export function performanceOf(sources: () => Sources): PerformanceSource {
  let connected: ReadonlySet<string> | undefined;
  // Thousands are ranked in one turn, and reading the id of each would take a fifth of a millisecond.
  const isConnected = (peerId: string): boolean => {
    if (connected === undefined) {
      connected = new Set(sources().peers.connectedPeers());
      queueMicrotask(() => (connected = undefined));
    }
    return connected.has(peerId);
  };
  return {
    performanceOf: (peerId) => {
      const { rpc, peers } = sources();
      const reputation = peers.reputationOf(peerId);
      const served = rpc.performanceOf(peerId);
      const known = reputation === 0 ? served : { ...served, reputation };
      if (known?.latencyMs !== undefined || !isConnected(peerId)) return known;
      const roundTrips = peers.peerInfo(peerId)?.connections.flatMap(({ rttMs }) => rttMs ?? []) ?? [];
      return roundTrips.length === 0 ? known : { ...known, roundTripMs: Math.min(...roundTrips) };
    },
  };
}
