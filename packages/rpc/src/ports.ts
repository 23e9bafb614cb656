import type { CommonPorts, Signer, Tracer, Verifier } from '@lloom/core';
import type { Datastore } from 'interface-datastore';

/** What the rpc service may be given from outside. */
export interface RpcPorts extends CommonPorts {
  /** Signs answers. @default none: only messages that are signed already, and pings, can be answered */
  readonly signer?: Signer;
  /** Proves requests and answers. @default none: signed requests are refused, and cannot be sent */
  readonly verifier?: Verifier;
  /** Names other providers of a model. @default none: a request stays with the peer that was asked */
  readonly alternatives?: AlternativeSource;
  /**
   * Where accepted requests and their answers are kept over a restart. One service at a time; whoever opened it closes it
   * after the service has stopped. @default in memory
   */
  readonly datastore?: Datastore;
  /** What connections through relays may still carry. @default there are no limits */
  readonly relayBudget?: RelayBudget;
  /** Told of what peers do. @default nobody is told */
  readonly reputation?: ReputationSink;
  /** Follows requests across nodes. @default none are followed */
  readonly tracer?: Tracer;
  /** Has the relays on the way take part in a trace. @default they do not */
  readonly relayTraces?: RelayTraces;
}

/** Tells relays of traced requests that went through them. */
export interface RelayTraces {
  /**
   * A traced request went to the peer through a relay, and has ended. Quick, and never throws.
   *
   * @param traceparent of the attempt whose bytes the relay carried
   */
  carried(way: {
    readonly relay: string;
    readonly peerId: string;
    readonly traceparent: string;
    readonly elapsedMs: number;
  }): void;
}

/** What a peer did. */
export type PeerFact =
  /** It answered a request in time, and proved what was to prove. Pings do not count. */
  | 'SERVED'
  /** It did not: it cannot be reached, is silent, broke off, or failed. Not when it refused, and the caller gave up. */
  | 'REQUEST_FAILED'
  /** Its answer is not signed as it must be, contradicts itself, or is none. Not when a clock is wrong. */
  | 'INVALID_ANSWER'
  /** Its request is not signed as it must be. Not when a clock is wrong, or it came twice. */
  | 'INVALID_REQUEST'
  /** What it sent is nothing that the protocol knows. */
  | 'PROTOCOL_VIOLATION';

/** Told of what peers do, each fact of a peer once a second at most. Filled by `@lloom/peers`. */
export interface ReputationSink {
  report(peerId: string, fact: PeerFact): void;
}

/** Who else is wanted. */
export interface AlternativeQuery {
  /** Whom somebody is to stand in for. */
  readonly peerId: string;
  /** What they must serve. @default any model that the peer serves */
  readonly model?: string;
  /** What they must be able to do beyond chat, as they offer it: `tools` for a request that has some. @default nothing */
  readonly features?: readonly string[];
  /** Peers that are not wanted, beside `peerId`. */
  readonly exclude: readonly string[];
}

/** Names other providers of a model. Filled by `@lloom/discovery`. */
export interface AlternativeSource {
  /** The best one that is known to serve the model now; asks nobody. */
  find(query: AlternativeQuery): string | undefined;
  /** The same, and looks for one when none is known. Rejects only when the signal fires. */
  search(query: AlternativeQuery, config: { readonly signal: AbortSignal }): Promise<string | undefined>;
}

/** What a connection through a relay may still carry. Filled by `@lloom/nat`. */
export interface RelayBudget {
  /**
   * How many bytes still go through to the peer, both ways together; `undefined` for as many as one likes. 0 shortly before a
   * relay ends the connection for its age. Asked for each piece of an answer: it must be quick.
   *
   * @param connectionId the connection that is meant, as libp2p names it. @default the best one to the peer
   */
  bytesLeft(peerId: string, connectionId?: string): number | undefined;
  /**
   * Makes room for so many bytes to the peer: a direct connection, or another one through a relay. Asked before a request is
   * refused that would not fit, or is sent where an answer would hardly fit, and behind an answer that a relay would have cut. Resolves with whether there is room now; a
   * rejection counts as `false`. The signal fires when nobody waits any more, after ten seconds at the latest.
   * @default room cannot be made
   */
  makeRoom?(peerId: string, bytes: number, config: { readonly signal: AbortSignal }): Promise<boolean>;
}

/** Two ways of bytes between two peers. */
export interface ByteStream {
  /** The next bytes; `undefined` when the peer ended its side properly. Bytes that nobody reads stop the sender. */
  read(): Promise<Uint8Array | undefined>;
  /** Resolves when more may be written: a peer that does not read stops it. */
  write(bytes: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** Ends this side; what was written still arrives. */
  closeWrite(signal?: AbortSignal): Promise<void>;
  /** Ends both sides at once. */
  abort(reason: Error): void;
  /** Resolves when both sides are closed, however that came about. */
  readonly closed: Promise<void>;
  /** The connection that carries it, as libp2p names it. @default unknown */
  readonly connectionId?: string | undefined;
  /** The peer id of the relay that carries it. @default none */
  readonly relay?: string | undefined;
}

/** The one long stream of a session. */
export interface SessionLink {
  /** Hands bytes over. `false`: the network takes no more until `onDrain` is called. Never throws. */
  write(parts: readonly Uint8Array[]): boolean;
  /** Calls `act` when this turn of the event loop is over: what was written in it leaves together. */
  defer(act: () => void): void;
  /** Nothing is read until {@link resume}. */
  pause(): void;
  /** Reads again. */
  resume(): void;
  /** Ends this side; what was written still arrives. Never rejects. */
  close(): Promise<void>;
  /** Ends both sides at once. */
  abort(reason: Error): void;
  /** Sets who is told. Called once, in the turn in which the link was given. */
  attach(user: SessionLinkUser): void;
  /** The connection that carries it, as libp2p names it. @default unknown */
  readonly connectionId?: string | undefined;
  /** The peer id of the relay that carries it. @default none */
  readonly relay?: string | undefined;
}

/** What a session is told of its stream. */
export interface SessionLinkUser {
  /** Bytes have come. */
  onBytes(bytes: Uint8Array): void;
  /** The network takes bytes again. */
  onDrain(): void;
  /** Both sides are closed, or the peer has closed its own. Once, and last. */
  onClosed(reason: Error): void;
  /** A better connection to the peer is open: what begins from now on belongs there. Once; may come from `attach`. */
  onSuperseded?(): void;
}

/** Which request something is done for. */
export interface RequestRef {
  readonly requestId: string;
  readonly signal: AbortSignal;
}

/** What stands beside a line of the log. */
export type LogFields = Readonly<Record<string, string | number>>;

/** The network, as the service needs it. */
export interface Network {
  /**
   * A session with a peer, over a new connection when there is none; `undefined` when the peer speaks no sessions.
   * Throws an `RpcError` that says why not.
   */
  openSession(peerId: string, request: RequestRef): Promise<SessionLink | undefined>;
  /** A stream to a peer, over a new connection when there is none. Throws an `RpcError` that says why not. */
  open(peerId: string, request: RequestRef & { readonly protocol: string }): Promise<ByteStream>;
  /** Calls the hosts for each session and stream that a peer opens, synchronously, before its first byte is lost. */
  serve(hosts: NetworkHosts): Promise<void>;
  /** Takes no more sessions and streams. */
  unserve(): Promise<void>;
  /** Takes streams of one more protocol. */
  handle(protocol: string, onStream: NetworkHosts['onStream']): Promise<void>;
  /** Takes them no more. */
  unhandle(protocol: string): Promise<void>;
  /** Resolves when peers have received what they were answered, or when the signal aborts. Never rejects. */
  flush(signal: AbortSignal): Promise<void>;
  /** This node's own peer id. */
  readonly peerId: string;
  /** Notes a failure that nobody else is told of. @param fields what it is about, where that is known */
  log(message: string, error: unknown, fields?: LogFields): void;
  /** Whether anybody reads {@link Network.trace}. Asked for every request. */
  readonly isTraced: boolean;
  /** One line about one request, without its content. */
  trace(message: string, fields: LogFields): void;
}

/** Who takes what peers open. */
export interface NetworkHosts {
  readonly onStream: (stream: ByteStream, peerId: string) => void;
  /** Absent: sessions are not offered. */
  readonly onSession?: ((link: SessionLink, peerId: string) => void) | undefined;
}
