import type {
  ComponentLogger,
  ConnectionGater,
  Libp2pEvents,
  PeerId,
  PeerStore,
  PrivateKey,
  TypedEventTarget,
  Upgrader,
} from '@libp2p/interface';
import type {
  AddressManager,
  ConnectionManager,
  Registrar,
  TransportManager,
} from '@libp2p/interface-internal';
import type { CommonPorts } from '@lloom/core';

/** What libp2p lends the service. */
export interface NatComponents {
  readonly peerId: PeerId;
  readonly privateKey: PrivateKey;
  readonly addressManager: AddressManager;
  readonly connectionGater: ConnectionGater;
  readonly connectionManager: ConnectionManager;
  readonly events: TypedEventTarget<Libp2pEvents>;
  readonly logger: ComponentLogger;
  readonly peerStore: PeerStore;
  readonly registrar: Registrar;
  readonly transportManager: TransportManager;
  readonly upgrader: Upgrader;
}

/** What the nat service may be given from outside. */
export interface NatPorts extends CommonPorts {
  /** Opens connections to relays and peers. @default libp2p's connection manager */
  readonly dialer?: Dialer;
  /** Finds relays, and has this one found. @default the peers that this node knows of are asked, and nobody is told */
  readonly relaySource?: RelaySource;
}

/** Opens connections to peers. Filled by `@lloom/peers`. */
export interface Dialer {
  /** Resolves when there is a connection to the peer. `addresses` are tried beside those that are known already. */
  dial(peerId: string, addresses: readonly string[], config: DialCall): Promise<void>;
}

/** How a connection is opened. */
export interface DialCall {
  readonly signal: AbortSignal;
  /** Who named the addresses: the user, or strangers. */
  readonly toldBy: 'user' | 'peers';
}

/** A peer that may relay, and where it may be. */
export interface RelayCandidate {
  readonly peerId: string;
  /** May be empty: then whatever the node knows is tried. */
  readonly addresses: readonly string[];
}

/** Finds relays. Filled by `@lloom/discovery`. */
export interface RelaySource {
  /** As they are found; the service stops reading when it has enough. May name peers that do not relay, and nobody. */
  find(config: { readonly signal: AbortSignal }): AsyncIterable<RelayCandidate>;
  /** Lets others find this node as a relay, until the returned function is called. */
  announce?(): () => void;
}
