import type { ComponentLogger, Libp2pEvents, PeerDiscovery, PeerId } from '@libp2p/interface';
import type { AddressManager } from '@libp2p/interface-internal';
import type { Clock, CommonPorts, Inspector, Meter, Random, Signer, Verifier } from '@lloom/core';
import type { Datastore } from 'interface-datastore';
import type { TypedEventTarget } from 'main-event';
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
  /** Carries descriptors to everybody, and brings those of others. @default only connected peers are told, and asked */
  readonly channel?: DescriptorChannel;
  /** Tells how well peers have served this node, for the choice among them. @default nothing is known */
  readonly experience?: PerformanceSource;
  /** Told of what peers do. @default nobody is told */
  readonly reputation?: ReputationSink;
  /** The routing table of the DHT, from which dead peers are taken. @default they stay there */
  readonly routingTable?: RoutingTable;
  /** Sights peers on the local network, such as `mdns()` of `@libp2p/mdns`. @default nobody is sighted */
  readonly localDiscovery?: LocalDiscovery;
  /**
   * Where known peers, their descriptors and the own sequence number are kept over a restart. Whoever opened it closes it
   * after the service has stopped. @default in memory
   */
  readonly datastore?: Datastore;
}

/** What a receiver of a message from others makes of it: pass it on, drop it, or drop it and blame the sender. */
export type ChannelVerdict = 'accept' | 'ignore' | 'reject';

/** Carries signed descriptors to everybody. Filled by `@lloom/gossip`. */
export interface DescriptorChannel {
  /** Sends a descriptor frame to everybody who listens. */
  publish(frame: Uint8Array): Promise<void>;
  /**
   * Calls `receive` with each frame of others, and passes it on as the verdict says. `receive` never rejects. The returned
   * function ends it.
   */
  subscribe(receive: (frame: Uint8Array) => Promise<ChannelVerdict>): () => void;
}

/** How well a peer has served this node. What is not known is absent. */
export interface PeerPerformance {
  /** From a request to the first byte of its answer, in ms. */
  readonly latencyMs?: number;
  /** A round trip over an open connection, in ms. Counts only where no candidate has a `latencyMs`. */
  readonly roundTripMs?: number;
  /** How fast its answers come. */
  readonly tokensPerSecond?: number;
  /** How many requests of this node it has now. With as many as its whole capacity it counts as busy, whatever it announced. */
  readonly underWay?: number;
  /** Whether others are the better choice now, as when it is silent or fails: it comes behind all others. */
  readonly isAvoided?: boolean;
  /**
   * What is held of it, from -100 to 100. Below 0 it loses in the choice, at -20 it comes behind all others that are as free, and
   * at -50 it is not chosen. Above 0 it gains nothing: who is known already must not keep others out.
   */
  readonly reputation?: number;
}

/** Tells how well peers have served this node. Filled by `@lloom/rpc` and `@lloom/peers`. */
export interface PerformanceSource {
  performanceOf(peerId: string): PeerPerformance | undefined;
}

/** What a peer did: what it says of itself is not signed as it must be. Not when a clock is wrong. */
export type PeerFact = 'INVALID_DESCRIPTOR';

/** Told of what peers do, each fact of a peer once a second at most. Filled by `@lloom/peers`. */
export interface ReputationSink {
  report(peerId: string, fact: PeerFact): void;
}

/** The peers that the DHT asks. */
export interface RoutingTable {
  has(peerId: string): Promise<boolean>;
  /** Takes a peer out; it comes back by itself when it connects again. */
  remove(peerId: string): Promise<void>;
}

/** Makes what sights peers on the local network; the service starts and stops it. */
export type LocalDiscovery = (components: LocalDiscoveryComponents) => PeerDiscovery;

/** What the node lends to it. */
export interface LocalDiscoveryComponents {
  readonly peerId: PeerId;
  readonly addressManager: AddressManager;
  readonly events: TypedEventTarget<Libp2pEvents>;
  readonly logger: ComponentLogger;
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
  /**
   * Who named the addresses: the user of this node; neighbours on the local network, whose addresses are private by nature; or
   * strangers, whose word on where to dial is not to be trusted.
   */
  readonly toldBy: 'user' | 'neighbours' | 'peers';
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
  readonly meter: Meter | undefined;
  readonly channel: DescriptorChannel | undefined;
  readonly experience: PerformanceSource | undefined;
  readonly reputation: ReputationSink | undefined;
  readonly routingTable: RoutingTable | undefined;
  readonly localDiscovery: LocalDiscovery | undefined;
  readonly datastore: Datastore | undefined;
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

/** The exchanges of one frame for one frame that a node answers. */
export type Exchange = 'descriptor' | 'announce' | 'registry';

/** A frame for a peer, and what is to be made of it. */
export interface ExchangeRequest {
  readonly exchange: Exchange;
  readonly frame: Uint8Array;
  /** Ends the exchange, and the waiting for its turn. */
  readonly signal: AbortSignal;
  /** Called when the frame is on its way; the answer may be long in coming. */
  readonly onSent?: () => void;
}

/** The answer to a frame of a peer. */
export type ExchangeHandler = (peerId: string, request: Uint8Array) => Promise<Uint8Array>;

/** Told of peers on the local network. */
export interface LocalWatcher {
  /** A peer announced itself, perhaps not for the first time. */
  onSighting(peer: FoundPeer): void;
}

/** What the network reports while the service runs. */
export interface Watcher {
  /** A peer that takes part in the DHT was identified. */
  onPeer(peer: FoundPeer): void;
  /** A connected peer says that it wants to be told what this node offers. */
  onListener(peerId: string): void;
  /** The last connection to a peer is closed. */
  onDisconnect(peerId: string): void;
  /** The own addresses may have changed. */
  onAddresses(): void;
}

/** Where a peer is, in its own words. */
export interface Relocation {
  readonly addresses: readonly string[];
  /** Where it said before that it was, and says so no more. */
  readonly former: readonly string[];
  /** Whether somebody is about to dial it: otherwise a peer without an entry in the peer store gets none. */
  readonly isWanted: boolean;
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
  /** The ids of all peers that are connected now. */
  connectedPeers(): ReadonlySet<string>;
  /** Keeps the addresses of a bootstrap peer in the peer store, fresh from now on. */
  remember(peerId: string, addresses: readonly string[]): Promise<void>;
  /** Has a peer dialled where it says that it is, unless it is connected: then it tells that over its connection. */
  relocate(peerId: string, relocation: Relocation): Promise<void>;
  /** Whether a peer says to take part in the DHT of this network; asks it, over a connection that exists. */
  isMember(peerId: string, config: { readonly signal: AbortSignal }): Promise<boolean>;
  /** The frame that a peer answers, over a connection that exists. */
  ask(peerId: string, request: ExchangeRequest): Promise<Uint8Array>;
  /** The connected peers that say to answer an exchange. */
  listeners(exchange: Exchange): Promise<readonly string[]>;
  /** Answers peers from now on. */
  serve(exchange: Exchange, answer: ExchangeHandler): Promise<void>;
  /** Answers nobody any more, and ends what is under way. */
  unserve(): Promise<void>;
  /** Reports until the returned function is called. */
  watch(watcher: Watcher): () => void;
  /** Sights peers on the local network until the returned function is called. */
  watchLocal(watcher: LocalWatcher): Promise<() => Promise<void>>;
  log(text: string, fields: LogFields): void;
  logError(text: string, error: unknown, fields?: LogFields): void;
}

/** What a line of the log tells beside its text, which is always the same. */
export type LogFields = Readonly<Record<string, string | number>>;
