import { draw } from '@lloom/core';

import type { PeersFailure } from '../errors.ts';
import { redialDelay, type RedialPolicy } from './redialDelay.ts';

/** Which peer a machine is about. */
export interface PeerInput {
  readonly peerId: string;
  readonly dialTimeoutMs: number;
  readonly redial: RedialPolicy;
  /** Begins the series of chances that spread the pauses before redials. */
  readonly seed: number;
}

/** What a machine remembers. */
export interface PeerContext extends PeerInput {
  /** Where the current dial tries; empty for whatever is known. */
  readonly addresses: readonly string[];
  /** Ids of the open connections. */
  readonly connections: readonly string[];
  /** When the first of them was opened, by the clock's elapsed time. */
  readonly connectedAt: number;
  readonly isMaintained: boolean;
  readonly isBanned: boolean;
  /** How many dials in a row have failed, or led to a connection that was lost at once. */
  readonly failures: number;
  /** How long the peer rests before it is dialled again. */
  readonly pauseMs: number;
}

/** What happens to a peer: wishes in the imperative, facts in the past; `at` by the clock's elapsed time. */
export type PeerEvent =
  | { readonly type: 'peer.dial'; readonly addresses: readonly string[] }
  | { readonly type: 'peer.maintain' }
  | { readonly type: 'peer.release' }
  | { readonly type: 'peer.disconnect' }
  | { readonly type: 'peer.ban' }
  | { readonly type: 'peer.unban' }
  | { readonly type: 'peer.forget' }
  | { readonly type: 'dial.cancel' }
  | { readonly type: 'connection.opened'; readonly connectionId: string; readonly at: number }
  | { readonly type: 'connection.closed'; readonly connectionId: string; readonly at: number };

/** What the service is told beside the state. */
export type PeerEmitted =
  | { readonly type: 'dial.failed'; readonly failure: PeersFailure }
  | { readonly type: 'close.ended' }
  | { readonly type: 'close.failed'; readonly reason: string };

/** What `dial` is given. */
export interface DialInput {
  readonly peerId: string;
  readonly addresses: readonly string[];
}

/** How long closing all connections may take; the network ends each within a second. */
export const closeTimeoutMs = 5_000;

/** It took longer. */
export const closeTimeoutError = (): Error => new Error(`it took longer than ${closeTimeoutMs} ms`);

/** A connection that lasted so long was a success, unless redials are further apart than that. */
const provenMs = 60_000;

/** A connection more. */
export function withOpened(
  { connections, connectedAt }: PeerContext,
  { connectionId, at }: { readonly connectionId: string; readonly at: number },
): Partial<PeerContext> {
  return {
    connections: [...connections.filter((id) => id !== connectionId), connectionId],
    connectedAt: connections.length === 0 ? at : connectedAt,
  };
}

/** The last connection is gone. One that was lost at once counts as a failed dial, so that the peer is not pestered. */
export function withLost({ connectedAt, failures, redial }: PeerContext, at: number): Partial<PeerContext> {
  const isProven = at - connectedAt >= Math.min(provenMs, redial.redialMaxDelayMs);
  return { connections: [], failures: isProven ? 0 : failures + 1 };
}

/** A dial has failed. That this node has no room for another one says nothing about the peer. */
export function withFailure({ failures }: PeerContext, error: unknown): Partial<PeerContext> {
  const isOurs = (error as { readonly code?: unknown } | undefined)?.code === 'LIMIT_REACHED';
  return { failures: failures + (isOurs ? 0 : 1) };
}

/** A pause before the next redial. */
export function withPause({ redial, failures, seed }: PeerContext): Partial<PeerContext> {
  const { chance, seed: next } = draw(seed);
  return { pauseMs: redialDelay(redial, failures, chance), seed: next };
}

/** Nothing has happened yet. */
export const contextOf = (input: PeerInput): PeerContext => ({
  ...input,
  addresses: [],
  connections: [],
  connectedAt: 0,
  isMaintained: false,
  isBanned: false,
  failures: 0,
  pauseMs: 0,
});
