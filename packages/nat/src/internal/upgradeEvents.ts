import type { StaysRelayedReason, UpgradeWay } from '../types.ts';

/** What the way of one peer starts with. */
export interface UpgradeInput {
  readonly peerId: string;
  readonly isEnabled: boolean;
  /** Whether the peer has opened the relayed connection: this node acts then, and else the peer. */
  readonly isLead: boolean;
  /** How long it waits before it begins, unless it is told to sooner. */
  readonly patienceMs: number;
  /** Attempts in a row that came to nothing, with the connections before this one. */
  readonly attempt: number;
  /** Where the series of jitters begins. */
  readonly seed: number;
}

/** What happens to a peer that can be reached through a relay. */
export type UpgradeEvent =
  /** There is room for one more attempt. */
  | { readonly type: 'upgrade.begin' }
  /** Somebody waits for it, or the NAT is another one. */
  | { readonly type: 'upgrade.retry' }
  /** The peer has said its addresses. */
  | { readonly type: 'peer.identified'; readonly isLead: boolean }
  /** The peer asks to dial at once. */
  | { readonly type: 'peer.leads' }
  /** There is a connection without a relay. */
  | { readonly type: 'peer.direct'; readonly isInbound: boolean }
  /** There is none any more; the one through the relay goes on. */
  | { readonly type: 'peer.relayed' }
  /** No connection through a relay is left. */
  | { readonly type: 'peer.gone' };

/** What a peer's way tells the service. */
export type UpgradeEmitted =
  /** It would begin. */
  | { readonly type: 'upgrade.wanted' }
  | { readonly type: 'upgrade.done'; readonly how: UpgradeWay }
  | { readonly type: 'upgrade.failed'; readonly reason: StaysRelayedReason; readonly restMs: number | null };

/** What agreeing came to. */
export interface Agreed {
  /** Why there is nothing to punch; null when there is. */
  readonly reason: StaysRelayedReason | null;
}

/** What a punch came to that opened no connection. */
export interface Punched {
  readonly reason: StaysRelayedReason;
}
