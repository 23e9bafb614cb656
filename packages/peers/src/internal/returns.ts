import { BoundedMap } from './boundedMap.ts';
import type { ConnectionPlan } from './poolView.ts';

/** How many peers are remembered. */
const maxPeers = 1_024;
/** Whoever comes back within that time, or the idle time if that is longer, is needed by somebody. */
const soonMs = 60_000;
/** How many times as long as others a peer may be idle at most. */
const maxPatience = 16;

interface Return {
  /** When the pool closed its last connection; `undefined` once it has come back. */
  readonly closedAt: number | undefined;
  readonly patience: number;
}

/**
 * Peers that came back soon after the pool had closed their connection for being idle: some part of one of the two nodes needs
 * them. Each time they may be idle for twice as long, so that whoever dials and the pool do not undo each other for ever.
 */
export class Returns {
  readonly #peers = new BoundedMap<Return>(maxPeers);

  /** Connections were closed: remembers who has lost the last one for being idle. */
  closed(
    closings: ConnectionPlan['close'],
    { now, connected }: { readonly now: number; connected: () => Iterable<{ readonly peerId: string }> },
  ): void {
    const idle = new Set(closings.filter(({ cause }) => cause.code === 'IDLE').map(({ peerId }) => peerId));
    if (idle.size === 0) return;
    for (const { peerId } of connected()) idle.delete(peerId);
    for (const peerId of idle) this.#peers.set(peerId, { closedAt: now, patience: this.patienceOf(peerId) });
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

  /** How many times as long as others a peer may be idle. */
  patienceOf(peerId: string): number {
    return this.#peers.get(peerId)?.patience ?? 1;
  }
}
