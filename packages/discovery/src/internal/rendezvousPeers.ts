import { orAbort, type Clock } from '@lloom/core';
import { DiscoveryError } from '../errors.ts';
import type { Network } from '../ports.ts';
import type { FoundPeer } from '../types.ts';
import { startDeadline } from './deadline.ts';
import { rendezvousKey } from './rendezvousNames.ts';

/** Peers that one look-up names; whoever answers a query of the DHT may name any number. */
const maxPeers = 64;

/** What looking for others takes. */
export interface RendezvousPeersPorts {
  readonly clock: Clock;
  readonly network: Pick<Network, 'find' | 'logError' | 'peerId'>;
  readonly timeoutMs: number;
  /** Fires when the service stops; `undefined` while it is not started. */
  readonly stop: () => AbortSignal | undefined;
}

/** Whom the DHT names for a rendezvous, each once and never this node. Never throws. */
export async function* rendezvousPeers(
  { clock, network, timeoutMs, stop }: RendezvousPeersPorts,
  name: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<FoundPeer, void, undefined> {
  const stopping = stop();
  if (stopping === undefined) return;
  const deadline = startDeadline(clock, timeoutMs, [stopping, signal]);
  const named = new Set([network.peerId]);
  let source: AsyncIterator<FoundPeer> | undefined;
  try {
    source = network.find(rendezvousKey(name), { signal: deadline.signal })[Symbol.asyncIterator]();
    while (named.size <= maxPeers) {
      const { done, value } = await orAbort(source.next(), deadline.signal);
      if (done === true) return;
      if (named.has(value.peerId)) continue;
      named.add(value.peerId);
      yield value;
    }
  } catch (error) {
    const isExpected = deadline.signal.aborted || DiscoveryError.is(error, 'NO_DHT');
    if (!isExpected) network.logError('could not look for the peers of a rendezvous', error);
  } finally {
    deadline.clear();
    // Not awaited: it waits for an answer that may never come.
    void Promise.resolve(source?.return?.()).catch(() => undefined);
  }
}
