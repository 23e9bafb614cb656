import { BoundedMap } from './boundedMap.ts';

/** How many peers are remembered. */
const maxPeers = 1_024;
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

  /** The last connection to a peer was closed for being idle. */
  closed(peerId: string, now: number): void {
    this.#peers.set(peerId, { closedAt: now, patience: this.patienceOf(peerId) });
  }

  /** There is a connection to a peer; soon is within `withinMs` of the closing. */
  seen(
    peerId: string,
    { openedAt, withinMs }: { readonly openedAt: number; readonly withinMs: number },
  ): void {
    const { closedAt, patience } = this.#peers.get(peerId) ?? {};
    if (closedAt === undefined || patience === undefined || openedAt < closedAt) return;
    if (openedAt - closedAt > withinMs) this.#peers.delete(peerId);
    else this.#peers.set(peerId, { closedAt: undefined, patience: Math.min(2 * patience, maxPatience) });
  }

  /** How many times as long as others a peer may be idle. */
  patienceOf(peerId: string): number {
    return this.#peers.get(peerId)?.patience ?? 1;
  }
}
