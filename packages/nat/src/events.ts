import type { NatStatus, StaysRelayedReason, UpgradeWay } from './types.ts';

/** What the nat service tells. */
export type NatEvents = {
  /** It is known otherwise than before whether this node can be reached, or under which address. */
  'nat:changed': { readonly status: NatStatus; readonly previous: NatStatus };
  /** A relay keeps a place for this node, which can be reached through it from now on. Renewals are not told. */
  'relay:reserved': {
    readonly relay: string;
    /** Where others can dial, each ending in `/p2p-circuit`. */
    readonly addresses: readonly string[];
    /** When the place ends unless it is renewed, which happens by itself, in ms since 1970. */
    readonly expiresAt: number;
  };
  /** The place at a relay is gone. Unless it was given up, it is asked for again. */
  'relay:lost': {
    readonly relay: string;
    readonly reason: string;
    /** When it is asked for again, in ms since 1970; absent when it is not. */
    readonly retryAt?: number;
  };
  /** There is a connection without a relay to a peer that could only be reached through one. New requests use it. */
  'connection:upgraded': {
    readonly peerId: string;
    readonly how: UpgradeWay;
    /** Where the peer is now. */
    readonly remoteAddress: string;
    /** Since the connection through the relay opened, in ms. */
    readonly tookMs: number;
  };
  /** Connections to the peer go on through a relay. */
  'connection:stays-relayed': {
    readonly peerId: string;
    readonly reason: StaysRelayedReason;
    /** When it is tried again while the connection lasts, in ms since 1970; absent when it is not. */
    readonly retryAt?: number;
  };
};
