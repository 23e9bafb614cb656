import type { DialCall } from '../ports.ts';

/** A connection to a peer, as far as relays are concerned. */
export interface CircuitConnection {
  /** As libp2p names it. */
  readonly id: string;
  /** The relay in between; absent when there is none, or when the address does not name it. */
  readonly relay?: string;
  readonly isRelayed: boolean;
  readonly remoteAddress: string;
  /** In ms since 1970. */
  readonly openedAt: number;
  readonly isOpen: boolean;
  /** Whether it carries nothing but what every connection does, such as identify. */
  readonly isIdle: boolean;
  /** What the relay said that it lets through; `undefined` when it said nothing. Both become less. */
  readonly limits: { readonly bytes?: number; readonly seconds?: number } | undefined;
  /** How many bytes it let through when this node first saw the connection. */
  readonly firstBytes?: number;
  close(): Promise<void>;
}

/** A way to a peer through a relay. */
export interface CircuitWay {
  readonly peerId: string;
  readonly relay: string;
  /** From the relay's address to the peer. */
  readonly address: string;
}

/** Connections of this node, those through relays in particular. */
export interface CircuitNetwork {
  /** Those to a peer that are open. Asked often: it is quick. */
  connectionsTo(peerId: string): readonly CircuitConnection[];
  /** How many open connections go through relays, to whomever. */
  relayedCount(): number;
  /**
   * Opens one more connection. Others that dial the peer meanwhile neither hold it up nor end it.
   *
   * @throws {NatError} `RELAY_DIAL_FAILED`, `PEER_REFUSED`
   */
  dial(way: CircuitWay, call: DialCall): Promise<CircuitConnection>;
  /** Tells of connections that open, until the returned function is called. */
  onOpened(tell: (peerId: string) => void): () => void;
}
