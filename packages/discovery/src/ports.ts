import type { Clock, CommonPorts, Inspector, Random, Signer, Verifier } from '@lloom/core';
import type { FoundPeer } from './types.ts';

/** What the discovery service may be given from outside. */
export interface DiscoveryPorts extends CommonPorts {
  /** Signs the offers of this node, with the node's own key. @default none: nothing can be advertised */
  readonly signer?: Signer;
  /** Proves the offers of others. @default none: nothing can be found */
  readonly verifier?: Verifier;
  /** Opens connections. @default libp2p's connection manager */
  readonly dialer?: Dialer;
  /** Tells how busy this node is, for its offer as an executor. @default the offer says what it was advertised with */
  readonly load?: LoadSource;
}

/** How busy this node is with requests of others. Filled by `@lloom/rpc`. */
export interface LoadSource {
  readonly load: {
    /** How many requests are worked on at the same time. */
    readonly capacity: number;
    /** How many more would be started at once. */
    readonly freeSlots: number;
    /** How many wait for a slot. */
    readonly queueDepth: number;
  };
}

/** Opens connections to peers. */
export interface Dialer {
  /**
   * Resolves when there is a connection to the peer, an old one or a new one. `addresses` are to be tried beside those
   * that are known already; there may be none.
   */
  dial(peerId: string, addresses: readonly string[], config: DialCall): Promise<void>;
}

/** How a connection is opened. */
export interface DialCall {
  readonly signal: AbortSignal;
  /** Who named the addresses: the user of this node, or strangers, whose word on where to dial is not to be trusted. */
  readonly toldBy: 'user' | 'peers';
}

/** The ports as the service holds them. */
export interface ResolvedPorts {
  readonly inspect: Inspector | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly signer: Signer | undefined;
  readonly verifier: Verifier | undefined;
  readonly dialer: Dialer | undefined;
  readonly load: LoadSource | undefined;
}

/** The DHT, by the names of keys. */
export interface Directory {
  /**
   * Tells the DHT that this node provides a key; gives the number of peers that took it.
   * @throws {DiscoveryError} `NO_DHT`
   */
  provide(key: string, config: { readonly signal: AbortSignal }): Promise<number>;
  /** Stops telling it. What others have heard they keep until it expires. */
  retire(key: string): Promise<void>;
  /**
   * The peers that the DHT names for a key, this node included.
   * @throws {DiscoveryError} `NO_DHT`
   */
  find(key: string, config: { readonly signal: AbortSignal }): AsyncIterable<FoundPeer>;
  /**
   * Looks up this node's own id, which fills the routing tables here and there; gives the number of peers found.
   * @throws {DiscoveryError} `NO_DHT`
   */
  findSelf(config: { readonly signal: AbortSignal }): Promise<number>;
}

/** What the network reports while the service runs. */
export interface Watcher {
  /** A peer that takes part in the DHT was identified. */
  onPeer(peer: FoundPeer): void;
  /** The last connection to a peer is closed. */
  onDisconnect(peerId: string): void;
  /** The own addresses may have changed. */
  onAddresses(): void;
}

/** The network, as the service needs it. */
export interface Network extends Directory, Dialer {
  /** The own peer id. */
  readonly peerId: string;
  /** What this node runs. */
  readonly agentVersion: string | undefined;
  /** Where this node can be reached; empty until it listens. */
  addresses(): readonly string[];
  isConnected(peerId: string): boolean;
  /** Keeps the addresses of a bootstrap peer in the peer store, fresh from now on. */
  remember(peerId: string, addresses: readonly string[]): Promise<void>;
  /** The bytes of a peer's descriptor frame, over a connection that exists. */
  ask(peerId: string, config: { readonly signal: AbortSignal }): Promise<Uint8Array>;
  /** Answers peers that ask for a descriptor frame. */
  serve(answer: () => Promise<Uint8Array>): Promise<void>;
  /** Answers nobody any more, and ends what is under way. */
  unserve(): Promise<void>;
  /** Reports until the returned function is called. */
  watch(watcher: Watcher): () => void;
  log(text: string, fields: Readonly<Record<string, string | number>>): void;
  logError(text: string, error: unknown): void;
}
