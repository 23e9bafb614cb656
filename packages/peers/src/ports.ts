import type { ConnectionManager, TransportManager } from '@libp2p/interface-internal';
import type { ComponentLogger, ConnectionGater, Libp2pEvents, PeerId, PeerStore } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import type { TypedEventTarget } from 'main-event';
import type { CommonPorts } from '@lloom/core';

import type { ConnectionInfo, ConnectionLimits } from './types.ts';

/** What somebody else knows that a peer offers. Called by `peerInfo`, each time. */
export type ServiceSource = (peerId: string) => readonly unknown[];

/** What the package may be given from outside. */
export interface PeersPorts extends CommonPorts {
  /** What a peer offers. @default nothing is known */
  readonly services?: ServiceSource;
}

/** What the package needs of the node. libp2p gives it to every service. */
export interface PeersComponents {
  readonly peerId: PeerId;
  readonly peerStore: PeerStore;
  readonly connectionManager: ConnectionManager;
  readonly transportManager: TransportManager;
  readonly connectionGater: ConnectionGater;
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
  /** Closes it: properly within a second, else at once; at once too when it is being closed already. */
  close(): Promise<void>;
}

/** What the peer store holds of a peer. */
export interface PeerRecord {
  readonly peerId: string;
  readonly addresses: readonly string[];
  readonly protocols: readonly string[];
  readonly agentVersion?: string;
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
}

/** Decides who may be dialled and who may come in. Each answer is why not, or `undefined` for yes. */
export interface Gate {
  /** Before anybody's dial of a peer, before its addresses are looked up. */
  refusesPeer(peerId: string): Promise<string | undefined>;
  /** Before anybody's dial of one address. */
  refusesAddress(address: Multiaddr): string | undefined;
  /** When a connection comes in, before its handshake; `pending` handshakes are under way beside it. */
  refusesInbound(address: Multiaddr, pending: number): string | undefined;
  /** When the other side has proven who it is, in both directions; inbound again when the handshake is complete. */
  refusesConnection(candidate: Candidate): string | undefined;
}

/** Whom to dial, and where. */
export interface DialTarget {
  readonly peerId: string;
  /** In full, with `/p2p/<peer id>`. Empty: whatever is known. */
  readonly addresses: readonly string[];
  readonly signal: AbortSignal;
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
  /** The addresses that the node is bound to. */
  listenedAddresses(): string[];
  /** Sets what libp2p itself enforces: the total, and inbound handshakes. */
  setLimits(limits: ConnectionLimits): void;
  /** Notes a failure that nobody else is told of. */
  log(message: string, error: unknown): void;
}
