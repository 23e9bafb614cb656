import type { ConnectionManager, TransportManager } from '@libp2p/interface-internal';
import type { ComponentLogger, ConnectionGater, Libp2pEvents, PeerId, PeerStore } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import type { TypedEventTarget } from 'main-event';
import type { Clock, CommonPorts, Inspector, Meter, Random } from '@lloom/core';
import type { Datastore } from 'interface-datastore';

import type { Ban, ConnectionInfo, ConnectionLimits, FactExplanation, PeerRole } from './types.ts';

/** What somebody else knows that a peer offers. Called by `peerInfo`, each time. */
export type ServiceSource = (peerId: string) => readonly unknown[];

/** What the package may be given from outside. */
export interface PeersPorts extends CommonPorts {
  /** What a peer offers. @default nothing is known */
  readonly services?: ServiceSource;
  /** Who is what, and who else is. @default relays are known by their protocol, others not */
  readonly roles?: RoleSource;
  /** Which peers are needed just now. @default only open streams tell */
  readonly usage?: UsageSource;
  /** The routing table of the DHT, from which banned peers are taken. @default they stay there */
  readonly routingTable?: RoutingTable;
  /**
   * Where bans, addresses, maintained peers and reputations are kept over a restart. One node at a time; whoever opened it
   * closes it after the node has stopped. @default in memory
   */
  readonly datastore?: Datastore;
}

/** A peer of a role, and where it may be. */
export interface RoleCandidate {
  readonly peerId: string;
  /** May be empty: then whatever the node knows is tried. */
  readonly addresses: readonly string[];
}

/** Who is what to this node. Filled by `@lloom/discovery`. */
export interface RoleSource {
  /** What a peer is, as far as it has proven. Called for every connected peer at each look. */
  rolesOf(peerId: string): readonly PeerRole[];
  /** Peers of a role, as they are found; the service stops reading when it has enough. May name peers that are connected. */
  find(role: PeerRole, config: { readonly signal: AbortSignal }): AsyncIterable<RoleCandidate>;
}

/** How a peer is used just now. */
export interface PeerUsage {
  /** How many requests are under way with it, in both directions. */
  readonly active: number;
  /** When the last one ended, by the clock's elapsed time; absent when none did. */
  readonly lastUsedAt?: number;
}

/** Which peers are needed. Filled by `@lloom/rpc` and `@lloom/gossip`. */
export interface UsageSource {
  /** `undefined` when nothing was ever under way. Called for every connected peer at each look. */
  usageOf(peerId: string): PeerUsage | undefined;
  /**
   * Whether the pool keeps a peer although nothing is under way with it; limits are kept all the same. Called for every connected
   * peer at each look. @default nobody is
   */
  isNeeded?(peerId: string): boolean;
}

/** The peers that the DHT asks. */
export interface RoutingTable {
  /** Takes a peer out. */
  remove(peerId: string): Promise<void>;
}

/** The ports as the service holds them. */
export interface ResolvedPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly inspect: { readonly inspect?: Inspector };
  readonly meter: Meter | undefined;
  readonly services: ServiceSource;
  readonly roles: RoleSource | undefined;
  readonly usage: UsageSource | undefined;
  readonly routingTable: RoutingTable | undefined;
}

/** What is kept of a reputation. */
export interface StoredReputation {
  /** When `points` held, in ms since 1970. */
  readonly at: number;
  readonly facts: readonly FactExplanation[];
}

/** What is kept of a peer, by kind. */
export interface StoredValues {
  readonly ban: Omit<Ban, 'peerId'>;
  /** In full, the newest last. */
  readonly addresses: readonly string[];
  /** Since when, in ms since 1970. */
  readonly maintained: number;
  readonly reputation: StoredReputation;
}

/** What was kept, by kind and peer, as far as it could be read. */
export type StoredPeers = { readonly [K in keyof StoredValues]: ReadonlyMap<string, StoredValues[K]> };

/** Where what must survive a restart is kept. Later calls for one peer and kind win over earlier ones. */
export interface PeersStore {
  /**
   * Everything. Records that are damaged are told, moved away and left out; the process is warned of whatever is not there.
   * Rejects when nothing can be read.
   */
  load(): Promise<StoredPeers>;
  /** Resolves when it would survive the end of the process. */
  put<K extends keyof StoredValues>(kind: K, peerId: string, value: StoredValues[K]): Promise<void>;
  /** Resolves when it would not come back after the end of the process. */
  delete(kind: keyof StoredValues, peerId: string): Promise<void>;
  /** Resolves when everything that was asked for is done. Never rejects. */
  settled(): Promise<void>;
}

/** What the package needs of the node. libp2p gives it to every service. */
export interface PeersComponents {
  readonly peerId: PeerId;
  readonly peerStore: PeerStore;
  readonly connectionManager: ConnectionManager;
  readonly transportManager: TransportManager;
  readonly connectionGater: ConnectionGater;
  /** What aborts connections whose peer answers slowly; absent when the node was told so. */
  readonly connectionMonitor?: { stop(): void | Promise<void> };
  readonly events: TypedEventTarget<Libp2pEvents>;
  readonly logger: ComponentLogger;
}

/** One open connection. */
export interface NetworkConnection {
  readonly id: string;
  readonly peerId: string;
  /** How it is now. */
  readonly info: ConnectionInfo;
  /** Whether streams can still be opened on it. */
  readonly isOpen: boolean;
  /** Whether streams are open on it, beside those of background protocols. */
  readonly isInUse: boolean;
  /** When the last of those ended, or the connection was opened, by the clock's elapsed time. */
  readonly lastUsedAt: number;
  /** How far away the peer is, in ms. Rejects when it does not answer before `signal` fires. */
  ping(signal: AbortSignal): Promise<number>;
  /** Closes it: properly within a second, else at once; at once too when it is being closed already. */
  close(): Promise<void>;
}

/** What the peer store holds of a peer. */
export interface PeerRecord {
  readonly peerId: string;
  readonly addresses: readonly string[];
  readonly protocols: readonly string[];
  readonly agentVersion?: string;
  /** The sum of its tags, by which services say how much they hold of it; absent when this record does not tell. */
  readonly value?: number;
}

/** Told of what happens in the network. */
export interface NetworkWatcher {
  opened(connection: NetworkConnection): void;
  /** `error` is what ended it; `undefined` when it was closed properly. */
  closed(connection: NetworkConnection, error: unknown): void;
  /** The peer store holds something new. */
  recorded(record: PeerRecord): void;
}

/** A connection that has passed the handshake and asks to be let in. */
export interface Candidate {
  readonly peerId: string;
  readonly direction: 'inbound' | 'outbound';
  readonly relayed: boolean;
  /** Where it comes from or leads to. */
  readonly remoteAddress: Multiaddr;
}

/** Decides who may be dialled and who may come in. Each answer is why not, or `undefined` for yes. */
export interface Gate {
  /** Before anybody's dial of a peer, before its addresses are looked up. */
  refusesPeer(peerId: string): Promise<string | undefined>;
  /** Before anybody's dial of one address. */
  refusesAddress(address: Multiaddr): string | undefined;
  /** When a connection comes in, before its handshake; `pending` is where those come from whose handshakes are under way. */
  refusesInbound(address: Multiaddr, pending: readonly Multiaddr[]): string | undefined;
  /** When the other side has proven who it is, in both directions; inbound again when the handshake is complete. */
  refusesConnection(candidate: Candidate): string | undefined;
  /** Whether a peer is refused whatever there is room for: it is banned, or has to stay away for a while. */
  isBarred(peerId: string): boolean;
  /** Whether a peer that was lost may be dialled again for the sake of its tags: not who is barred, nor who is maintained. */
  mayRedial(peerId: string): boolean;
  /** Before a peer may reserve this node as its relay, and before this node relays between two. */
  refusesRelaying(peerId: string): string | undefined;
}

/** Whom to dial, and where. */
export interface DialTarget {
  readonly peerId: string;
  /** In full, with `/p2p/<peer id>`. Empty: whatever is known. */
  readonly addresses: readonly string[];
  readonly signal: AbortSignal;
  /** Whether there is to be a new connection even when there is one. */
  readonly isRenewal: boolean;
}

/** What a line of the log tells beside its text, which is always the same. */
export type LogFields = Readonly<Record<string, string | number | boolean>>;

/** Notes a failure. */
export type Log = (text: string, error: unknown, fields?: LogFields) => void;

/** What the network is told of the service. */
export interface NetworkSettings {
  readonly clock: Clock;
  readonly random: Random;
  /** Beginnings of the protocols whose streams are no use of a connection. */
  readonly backgroundProtocols: readonly string[];
}

/** The network, as the service needs it. */
export interface PeerNetwork {
  /** This node's own peer id. */
  readonly peerId: string;
  /** Asks `gate` from now on, for as long as the node lives, beside the gate that the user has set. */
  guard(gate: Gate): void;
  /** Tells of the connections that there are, then of all that happens, until the result is called. */
  watch(watcher: NetworkWatcher): () => void;
  /** Resolves when connected, after `watcher.opened`. Throws a `PeersError` that says why not. */
  dial(target: DialTarget): Promise<void>;
  /** Closes all connections to a peer and takes its keep-alive tags away. */
  release(peerId: string): Promise<void>;
  /** Puts addresses into the peer store as if they were new. */
  remember(peerId: string, addresses: readonly string[]): Promise<void>;
  /** Takes addresses, in full, out of the peer store; the peer may announce them again. */
  forget(peerId: string, addresses: readonly string[]): Promise<void>;
  /** Whether a transport of this node can use an address, or it has to be looked up first. */
  canDial(address: string): boolean;
  /** The addresses that the node is bound to. */
  listenedAddresses(): string[];
  /** Sets what libp2p itself enforces: inbound handshakes, and a total that is beyond ours, which we keep. */
  setLimits(limits: ConnectionLimits): void;
  /** From now on connections are watched by this package and not by libp2p's own monitor, which knows no patience. */
  takeOverMonitoring(): void;
  /** Dials nothing by itself any more, until it is watched anew. */
  drain(): void;
  /** Notes a failure that nobody else is told of. */
  readonly log: Log;
  /** Notes that something has ended. */
  note(text: string, fields: LogFields): void;
  /** Tells whoever runs the node, also one who has turned nothing on. */
  warn(code: string, message: string): void;
}
