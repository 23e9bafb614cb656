import type { NatMapping, StaysRelayedReason } from '../types.ts';
import type { Observation } from './mapping.ts';

/** How a peer is connected now. */
export interface PeerLinks {
  /** A connection without a relay. */
  readonly direct?: { readonly address: string; readonly isInbound: boolean };
  /** Its connections through relays. */
  readonly relayed?: {
    /** Whether the peer has opened one of them: then this node leads, as DCUtR says. */
    readonly isInbound: boolean;
    /** Whether the peer has said its addresses. */
    readonly isIdentified: boolean;
  };
}

/** A peer that has said, through a relay, where it is to be dialled at once. Answered by `agree`, or refused. */
export interface PunchCall {
  readonly peerId: string;
  /** The relay's peer id. */
  readonly relay: string;
  /** Ends it. May be called any number of times, also when it has ended. */
  refuse(reason: string): void;
}

/** For whom, and how, a time and addresses are agreed on. */
export interface PunchWish {
  readonly peerId: string;
  /** What is known of the own NAT. Nobody observes a port behind one that is `endpoint-dependent`. */
  readonly mapping: NatMapping;
  /** The call to answer; without it, this node leads. */
  readonly call: PunchCall | undefined;
}

/** What two peers have agreed on. */
export interface PunchPlan {
  /** What observers saw of the local port. */
  readonly seen: readonly Observation[];
  /** Why there is nothing to punch; absent when there is. */
  readonly reason?: StaysRelayedReason;
  /**
   * Dials at the agreed time. Resolves when there is a connection.
   * @throws when nothing came through
   */
  punch(signal: AbortSignal): Promise<void>;
  /** Lets everything go that was held for it. May be called any number of times. */
  end(): void;
}

/** What the way from relayed to direct takes of a network. */
export interface DirectNetwork {
  readonly selfPeerId: string;
  /** The peers with connections through relays. */
  relayedPeers(): readonly string[];
  linksTo(peerId: string): PeerLinks;
  /** Where this node stands, without relays, always in the same order. */
  ownAddresses(): readonly string[];
  /** Tells of each peer whose connections or addresses have changed, until the returned function is called. */
  watch(changed: (peerId: string) => void): () => void;
  /** Has peers ask, those that have said where they are, until the returned function is called. */
  serve(asked: (call: PunchCall) => void): Promise<() => Promise<void>>;
  /**
   * Dials the addresses that the peer has said. Resolves when there is a direct connection.
   * @throws when there is none, or nothing to dial
   */
  dial(peerId: string, signal: AbortSignal): Promise<void>;
  /**
   * Has a port observed, and agrees with the peer, through the relay, on when and where to dial.
   * @throws when the peer does not take part
   */
  agree(wish: PunchWish, signal: AbortSignal): Promise<PunchPlan>;
}
