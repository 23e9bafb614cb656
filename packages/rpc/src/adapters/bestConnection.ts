import type { Connection } from '@libp2p/interface';

/**
 * How good a connection is, for comparing: a direct one is better than one through a relay, and that better than one with
 * limits, of which the one is best that carries most. 0: it carries nothing more.
 */
export function worthOf({ status, direct, limits }: Connection): number {
  if (status !== 'open') return 0;
  if (limits === undefined) return direct ? Infinity : Number.MAX_VALUE;
  const { bytes, seconds = 1 } = limits;
  if (seconds <= 0) return 0;
  return bytes === undefined ? Number.MAX_SAFE_INTEGER : Number(bytes);
}

/** The best of the connections to one peer, the oldest of equals; `undefined` when none carries anything. */
export function bestOf(connections: readonly Connection[]): Connection | undefined {
  let best: Connection | undefined;
  let most = 0;
  for (const connection of connections) {
    const worth = worthOf(connection);
    if (worth <= most) continue;
    best = connection;
    most = worth;
  }
  return best;
}
