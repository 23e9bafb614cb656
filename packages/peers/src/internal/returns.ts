import { BoundedMap } from './boundedMap.ts';
import type { ConnectionPlan } from './poolView.ts';

/** How many peers are remembered. */
const maxPeers = 1_024;
/**
 * Whoever comes back within that time, or the idle time if that is longer, is needed by somebody. A little more than the five
 * minutes in which the DHT looks itself up, and gossip for more neighbours when it found none.
 */
const soonMs = 360_000;
/** How many times as long as others a peer may be idle, or one too many, at most: of 15 s that is a quarter of an hour. */
const maxPatience = 64;

interface Return {
  /** When the pool closed its last connection; `undefined` once it has come back. */
  readonly closedAt: number | undefined;
  readonly patience: number;
}

/**
 * Peers that came back soon after their connection had been closed for being idle, or one too many: some part of one of the two
 * nodes needs them. Each time they may stay unused for twice as long, so that whoever dials and the pool do not undo each other
 * for ever.
 */
export class Returns {
  readonly #peers = new BoundedMap<Return>(maxPeers);

  /** Connections were closed: remembers who has lost the last one for being idle or one too many. */
  closed(
    closings: ConnectionPlan['close'],
    { now, connected }: { readonly now: number; connected: () => Iterable<{ readonly peerId: string }> },
  ): void {
    const lost = new Set(
      closings
        .filter(({ cause: { code } }) => code === 'IDLE' || code === 'LIMIT')
        .map(({ peerId }) => peerId),
    );
    if (lost.size === 0) return;
    for (const { peerId } of connected()) lost.delete(peerId);
    for (const peerId of lost) this.#peers.set(peerId, { closedAt: now, patience: this.patienceOf(peerId) });
  }

  /** There is a connection to a peer. */
  seen(
    peerId: string,
    { openedAt, idleTimeoutMs }: { readonly openedAt: number; readonly idleTimeoutMs: number },
  ): void {
    const { closedAt, patience } = this.#peers.get(peerId) ?? {};
    if (closedAt === undefined || patience === undefined || openedAt < closedAt) return;
    if (openedAt - closedAt > Math.max(idleTimeoutMs, soonMs)) this.#peers.delete(peerId);
    else this.#peers.set(peerId, { closedAt: undefined, patience: Math.min(2 * patience, maxPatience) });
  }

  /** How many times as long as others a peer may stay unused. */
  patienceOf(peerId: string): number {
    return this.#peers.get(peerId)?.patience ?? 1;
  }
}
