import type { Connection, PeerId } from '@libp2p/interface';
import type { ConnectionManager } from '@libp2p/interface-internal';

/** So soon, in ms, no address has run out of time by itself: libp2p gives each some seconds. */
const soonMs = 3_000;

/**
 * Dials a peer. libp2p has callers share a dial, that to a relay in between as well; one that somebody else gave up may end for
 * this caller, too. Then it is made once more.
 * @throws what libp2p throws
 */
export async function dialShared(
  manager: Pick<ConnectionManager, 'openConnection' | 'getDialQueue'>,
  peer: PeerId,
  signal: AbortSignal,
): Promise<Connection> {
  const isJoined = manager.getDialQueue().some(({ peerId }) => peerId?.equals(peer) === true);
  const late = AbortSignal.timeout(soonMs);
  try {
    return await manager.openConnection(peer, { signal });
  } catch (error) {
    const mayBeOthers = isJoined || !late.aborted;
    if (signal.aborted || !mayBeOthers || !isGivenUp(error)) throw error;
  }
  // What has ended leaves libp2p's queue in this turn. Who joins it before that is never told anything.
  await new Promise((resolve) => setImmediate(resolve));
  return manager.openConnection(peer, { signal });
}

function isGivenUp(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isGivenUp);
  return error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError');
}
