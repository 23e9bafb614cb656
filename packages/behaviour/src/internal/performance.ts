import type { PerformanceSource } from '@lloom/discovery';
import type { Peers } from '@lloom/peers';
import type { Rpc } from '@lloom/rpc';

/** What knows how well peers have served. */
interface Sources {
  readonly rpc: Pick<Rpc, 'performanceOf'>;
  readonly peers: Pick<Peers, 'connectedPeers' | 'peerInfo'>;
}

/** How well peers have served this node, and how far those are that have not and are connected. */
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
      const known = rpc.performanceOf(peerId);
      if (known?.latencyMs !== undefined || !isConnected(peerId)) return known;
      const roundTrips = peers.peerInfo(peerId)?.connections.flatMap(({ rttMs }) => rttMs ?? []) ?? [];
      return roundTrips.length === 0 ? known : { ...known, roundTripMs: Math.min(...roundTrips) };
    },
  };
}
