import type { DialCall, RelayCandidate } from '../ports.ts';

/** What a relay answers when it is asked for a place. */
export type PlaceAnswer =
  | {
      readonly kind: 'place';
      /** How long it is kept unless it is renewed, by the relay's clock and ours, in ms: may be nonsense. */
      readonly leftMs: number;
      /** Where others can dial this node through the relay, best first. At least one. */
      readonly addresses: readonly string[];
    }
  | {
      readonly kind: 'refused';
      readonly reason: string;
    };

/** How a place is asked for. */
export interface PlaceRequest {
  readonly signal: AbortSignal;
  /** How many addresses may be announced for this relay. */
  readonly maxAddresses: number;
}

/** Hears what becomes of relays. */
export interface RelayListener {
  /** There is a new connection to a peer, one without a relay in between. It may relay or not. */
  connected(peerId: string): void;
  /** A peer says that it relays, over such a connection. `isAgain`: it had spoken of itself on that connection before. */
  met(relay: RelayCandidate, isAgain: boolean): void;
  /** There is no such connection to a peer any more, or it says that it does not relay. */
  gone(peerId: string, reason: string): void;
}

/** What keeping places at relays needs of a network. */
export interface RelayNetwork {
  /** This node's peer id. */
  readonly self: string;
  /** Resolves when there is a connection to the relay without another relay in between. */
  connect(relay: RelayCandidate, call: DialCall): Promise<void>;
  /** Asks for a place over that connection, or for more time. Rejects when the relay does not answer as relays do. */
  reserve(relay: RelayCandidate, request: PlaceRequest): Promise<PlaceAnswer>;
  /** Tells others these addresses, in place of those that were announced for the relay before. */
  announce(relay: string, addresses: readonly string[]): void;
  /** Peers that relay as far as is known, at most 64, those with a connection first. */
  known(): Promise<readonly RelayCandidate[]>;
  /** Until the returned function is called. */
  listen(listener: RelayListener): () => void;
}
