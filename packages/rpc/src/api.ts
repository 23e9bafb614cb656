import type { RequestMessage } from '@lloom/codec';
import type { EventSource } from '@lloom/core';
import type { PeerId } from '@libp2p/interface';
import type { RpcEvents } from './events.ts';
import type {
  AnswerMessage,
  AnswerStream,
  CallConfig,
  CustomProtocol,
  Handler,
  LlmRequestMessage,
  Middleware,
  PendingRequest,
  RequestId,
  RequestMetadata,
  ResponseChannel,
  ResponseTo,
  RetryStrategy,
  RpcLoad,
  ServeConfig,
} from './types.ts';

/** Requests to other peers, and answers to theirs. */
export interface Rpc extends EventSource<RpcEvents> {
  /**
   * Asks a peer and waits for its answer. What was signed is proven before it is handed on.
   *
   * @throws {RpcError} how it failed; `data.outcome` and the code say what is not known
   * @throws {AddressError} `INVALID_PEER_ID`
   * @throws {CodecError} `INVALID_FIELD` when the message cannot be encoded; {ConfigError} when the call is none
   * @example
   * ```ts
   * const pong = await node.services.rpc.request(peerId, { type: 'ping' }, { timeoutMs: 5_000 });
   * ```
   */
  request<M extends RequestMessage>(
    peerId: PeerId | string,
    message: M,
    call?: CallConfig,
  ): Promise<ResponseTo<M>>;
  /**
   * Asks a peer and gives its answer as it arrives. Errors come out of the iteration and of `result`.
   *
   * @throws {RpcError} `TOO_LARGE`, `AUDIENCE_MISMATCH`, `MISSING_PORT`, `PENDING_LIMIT`, `STOPPED` at once
   * @throws {AddressError} `INVALID_PEER_ID` at once; {CodecError} `INVALID_FIELD`, {ConfigError} as well
   * @example
   * ```ts
   * const answer = node.services.rpc.stream(peerId, { type: 'llmRequest', request: signed });
   * for await (const { text } of answer) process.stdout.write(text);
   * console.log((await answer.result).totalCost);
   * ```
   */
  stream(peerId: PeerId | string, message: LlmRequestMessage, call?: CallConfig): AnswerStream;
  /**
   * Asks a peer and returns at once; the outcome is told by `response:received` or `request:failed`.
   *
   * @throws {RpcError} `TOO_LARGE`, `AUDIENCE_MISMATCH`, `MISSING_PORT`, `PENDING_LIMIT`, `STOPPED` at once
   * @throws {AddressError} `INVALID_PEER_ID` at once; {CodecError} `INVALID_FIELD`, {ConfigError} as well
   */
  sendRequest(peerId: PeerId | string, message: RequestMessage, call?: CallConfig): RequestId;
  /**
   * Asks a peer and returns at once. When it fails it is asked again as the strategy says, of the peer or of another
   * provider of the model; each time is told by `request:retrying`, the outcome by `response:received` or
   * `request:failed`.
   *
   * @throws what {@link sendRequest} throws
   * @example
   * ```ts
   * const requestId = rpc.sendRequestWithRetry(peerId, message, { maxAttempts: 3, initialDelayMs: 1_000 });
   * ```
   */
  sendRequestWithRetry(
    peerId: PeerId | string,
    message: RequestMessage,
    strategy: RetryStrategy,
    call?: CallConfig,
  ): RequestId;
  /**
   * Makes a request once more, of the same peer: one of {@link sendRequest} or {@link sendRequestWithRetry} that has
   * failed within the last five minutes, or one that is under way, which ends as `CANCELLED`
   * unless it is answered within a second. The idempotency key stays
   * the same: a peer that has run it answers without running it again.
   *
   * @returns the id of the new request
   * @throws {RpcError} `UNKNOWN_REQUEST`; and what {@link sendRequest} throws
   */
  retryRequest(requestId: RequestId): RequestId;
  /**
   * Makes a request once more, as {@link retryRequest} does, of another peer. It is signed again for that one.
   *
   * @returns the id of the new request
   * @throws {RpcError} `UNKNOWN_REQUEST`; `AUDIENCE_MISMATCH` by `request:failed` when it is signed by another key than this
   * node's; and what {@link sendRequest} throws
   * @throws {AddressError} `INVALID_PEER_ID`
   */
  resendRequest(requestId: RequestId, peerId: PeerId | string): RequestId;
  /**
   * Notes what a caller knows of a request under way: it ends with `TIMEOUT` at `deadlineAt` unless it has ended before,
   * and {@link pendingRequests} tells the rest. Every request is tracked without it, too.
   *
   * @throws {RpcError} `UNKNOWN_REQUEST` unless it is under way, at that peer
   * @throws {ConfigError} when the metadata is none
   */
  trackRequest(requestId: RequestId, metadata: RequestMetadata): void;
  /**
   * Another provider of a model: of the one that is named, of the one that a request asked for, or else of any that the
   * peer serves. Only those are named that are known to serve it now and that do not fail.
   *
   * @throws {RpcError} `UNKNOWN_REQUEST`
   * @throws {AddressError} `INVALID_PEER_ID`
   */
  findAlternativePeer(
    peerId: PeerId | string,
    about?: { readonly requestId?: RequestId; readonly model?: string },
  ): string | undefined;
  /**
   * Puts a middleware around all requests from now on.
   * @returns takes it away again
   * @throws {ConfigError} when it has neither function
   * @example
   * ```ts
   * const remove = rpc.use({ outbound: (call, next) => next({ ...call.metadata, token }) });
   * ```
   */
  use(middleware: Middleware): () => void;
  /**
   * Takes a protocol of one's own: serves it, when it has a handler, and knows it for calling. Peers learn of it through
   * identify, and call it over a session or over a stream of its own.
   *
   * @throws {RpcError} `PROTOCOL_EXISTS`
   * @throws {ConfigError} when it has no name or no codecs
   * @example
   * ```ts
   * await rpc.addProtocol({ protocolName: '/my/echo/1.0.0', request: json, response: json, handleRequest: (_, value) => value });
   * ```
   */
  addProtocol<Request, Response>(protocol: CustomProtocol<Request, Response>): Promise<void>;
  /**
   * Serves it no more. Requests under way are answered.
   * @throws {RpcError} `UNKNOWN_PROTOCOL`
   */
  removeProtocol(protocolName: string): Promise<void>;
  /**
   * Asks a peer by a protocol of one's own: the protocol, or the name of one that was added.
   *
   * @throws {RpcError} how it failed; `UNSUPPORTED_PROTOCOL` when the peer does not serve it; `UNKNOWN_PROTOCOL` when
   * nothing of that name was added here
   * @throws {ConfigError} when it has no name or no codecs
   * @throws {AddressError} `INVALID_PEER_ID`; what the codec throws for a request that it cannot encode
   * @example
   * ```ts
   * const answer = await rpc.callProtocol(peerId, echo, { hello: 'world' }, { timeoutMs: 5_000 });
   * ```
   */
  callProtocol<Request, Response>(
    peerId: PeerId | string,
    protocol: CustomProtocol<Request, Response> | string,
    request: Request,
    call?: CallConfig,
  ): Promise<Response>;
  /**
   * How well a peer has served this node: the means of its answers that came well and were proven, the latest counting a
   * fifth. `latencyMs` is from sending a question to the first byte of the answer, with or without chunks.
   * `tokensPerSecond` is of answers in chunks, after the first one, of at least 8 tokens and 50 ms; the peer counts its
   * tokens itself, and looks slow to a reader that is slower. Of 1,024 peers at most, those known longest are forgotten first.
   * Pings and other protocols do not count.
   *
   * `underWay` is how many requests of this node it has now. `isAvoided`: others are the better choice now, because it fails
   * (`avoidAfterFailures`), has said that it has no room, has refused what it offers three times in a row, or owes the first word
   * of a streamed answer for three times as long as usual: a second at least, five when nothing is known of it. Silence and
   * refusals count until it speaks or answers again, or for `avoidMs` after the last request. `undefined` when nothing of all that is known.
   */
  performanceOf(peerId: string):
    | {
        readonly latencyMs?: number;
        readonly tokensPerSecond?: number;
        readonly underWay?: number;
        readonly isAvoided?: boolean;
      }
    | undefined;
  /**
   * How a peer is used: how many requests are under way with it in both directions, pings and other protocols too, and when the
   * last one ended, by the elapsed time of the port `clock`. Quick. `undefined` when nothing was under way; of peers with
   * nothing under way 4,096 at most are remembered, those used longest ago are forgotten first.
   */
  usageOf(peerId: string): { readonly active: number; readonly lastUsedAt?: number } | undefined;
  /** The requests of this node that are under way. */
  pendingRequests(): PendingRequest[];
  /** How busy this node is with requests of others. */
  readonly load: RpcLoad;
  /** How many requests of others are being read, handled or answered. */
  readonly activeInbound: number;
  /**
   * Serves requests: the door of an executor. One handler at a time; the last one counts. Pings are answered by the
   * service.
   *
   * @returns takes the handler away again
   * @throws {ConfigError} when it is no function
   */
  serve(handler: Handler, config?: ServeConfig): () => void;
  /**
   * Answers through a channel.
   * @throws {RpcError} `CHANNEL_CLOSED`, `MISSING_PORT`
   */
  sendResponse(channel: ResponseChannel, message: AnswerMessage): Promise<void>;
  /**
   * Answers through a channel with an error.
   * @throws {RpcError} `CHANNEL_CLOSED`
   */
  sendErrorResponse(channel: ResponseChannel, message: string): Promise<void>;
  /**
   * Refuses new requests of others with `BUSY` and resolves when those under way have ended and the answers have
   * reached who asked, or after `drainMs`. Peers that say nothing at all are given two seconds of it. For a stop that
   * loses nothing.
   * @throws {ConfigError} unless it is a time from 0 to a day
   */
  drain(drainMs: number): Promise<void>;
}
