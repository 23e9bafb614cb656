import type {
  AnswerPart,
  AnswerPrefix,
  FinishReason,
  JsonObject,
  LlmResponse,
  RequestMessage,
  ResponseMessage,
  SignedMessage,
} from '@lloom/codec';
import type { EvmAddress, Hex } from '@lloom/core';

declare const requestIdBrand: unique symbol;

/** Names a request in this process. Unique among the requests of one node since its start. */
export type RequestId = string & { readonly [requestIdBrand]: 'RequestId' };

/** How one request is made. */
export interface CallConfig {
  /** Cancels the request: here, and at the peer. */
  readonly signal?: AbortSignal;
  /** How long it may take, in ms. @default the service's `timeoutMs` */
  readonly timeoutMs?: number;
  /** How long a connection may take, in ms; 0: as long as the request. @default the service's `dialTimeoutMs` */
  readonly dialTimeoutMs?: number;
  /**
   * How long a sent request may go without one byte of an answer, in ms; 0: no limit of its own.
   * @default the service's `firstByteTimeoutMs`
   */
  readonly firstByteTimeoutMs?: number;
  /**
   * How long an answer that has begun may stand still, in ms; 0: no limit of its own.
   * @default the service's `idleTimeoutMs`
   */
  readonly idleTimeoutMs?: number;
  /**
   * Asks again when it fails, here or elsewhere. `timeoutMs` is for all attempts together. Where another
   * provider is known, a streamed answer that does not begin, or stands still, is given up after its share of that, unless
   * the call's own limits say otherwise; one in one piece only by limits of its own. @default it is asked once
   */
  readonly retry?: RetryStrategy;
  /** Asks another peer beside the first when that is slow. @default nobody beside it */
  readonly hedge?: HedgePolicy;
  /** W3C Trace Context that travels with the request. */
  readonly traceparent?: string;
  /** Travels with the request; at most 4 KiB. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** How a request that fails is made again. */
export interface RetryStrategy {
  /** How often it is sent at most, to whomever; 1 to 100. @default 3 - the specification's `max_attempts` */
  readonly maxAttempts?: number;
  /** How long the first wait is at most, in ms. @default 1_000 - the specification's `initial_delay` */
  readonly initialDelayMs?: number;
  /** How long any wait is at most, in ms. @default 30_000 - the specification's `max_delay` */
  readonly maxDelayMs?: number;
  /** By what each wait is longer than the one before; 1 to 10. @default 2 - the specification's `exponential_base` */
  readonly exponentialBase?: number;
  /**
   * Whether another provider of the model may be asked. `resume`: also when the answer has begun; it goes on where the
   * answer broke off. `beforeOutput`: only as long as nothing was shown. `none`: the same peer is asked again. Pings and
   * custom protocols stay with their peer.
   * @default 'resume'
   */
  readonly failover?: 'resume' | 'beforeOutput' | 'none';
}

/**
 * Asks more than one executor at a time: whoever begins to answer first is kept, the others are cancelled. Costs
 * executors work that nobody pays them, so it is for requests whose first token must not be late.
 */
export interface HedgePolicy {
  /** How long the peer may take to begin its answer before another one is asked as well, in ms. */
  readonly delayMs: number;
  /** How many are asked beside the first at most, one after each delay; 1 to 8. @default 1 */
  readonly maxExtra?: number;
}

/** What is noted of a request under way; see `trackRequest`. */
export interface RequestMetadata {
  readonly peerId: string;
  /** When it ends with `TIMEOUT` at the latest, in ms since 1970. */
  readonly deadlineAt: number;
  /** How often it was made before. */
  readonly retryCount: number;
}

/** A request under way. */
export interface PendingRequest {
  readonly requestId: RequestId;
  /** Who is asked, or was asked last. */
  readonly peerId: string;
  /** `ping`, `llmRequest`, or the name of a custom protocol. */
  readonly method: string;
  /** In ms since 1970. */
  readonly startedAt: number;
  /** In ms since 1970. */
  readonly deadlineAt: number;
  /** Counts from 1. */
  readonly attempt: number;
}

/** The response that belongs to a request. */
export type ResponseTo<M extends RequestMessage> = M extends { readonly type: 'ping' }
  ? Extract<ResponseMessage, { readonly type: 'pong' }>
  : Extract<ResponseMessage, { readonly type: 'llmResponse' }>;

/** Some more text of an answer. */
export interface AnswerChunk {
  /** Counts the chunks from 0. */
  readonly sequence: number;
  readonly text: string;
  /** How many tokens the executor says this is. */
  readonly tokens: number;
  /** Who produced it. */
  readonly peerId: string;
}

/** What one executor did for an answer, and asks for. */
export interface AnswerShare {
  readonly peerId: string;
  /** The address that signed. */
  readonly executor: EvmAddress;
  /** Tokens that it signed for. */
  readonly tokens: number;
  /** Tokens of it that were shown, and that no signature covers: they cost nothing. */
  readonly unsignedTokens: number;
  /** What it asks for, in wei, as a decimal text. */
  readonly totalCost: string;
}

/** As much of an answer as there is. What is signed of it is proven. */
export interface PartialAnswer {
  /** All text that was shown. */
  readonly content: string;
  /** The text by who produced it, with what was signed. */
  readonly parts: readonly AnswerPart[];
  /** What each executor asks for, in the order in which they took part. */
  readonly shares: readonly AnswerShare[];
  /** What all ask for together, in wei, as a decimal text. */
  readonly totalCost: string;
}

/** A whole streamed answer, proven. */
export interface Answer {
  readonly requestId: RequestId;
  /** Who answered, or finished it. */
  readonly peerId: string;
  /** All text. */
  readonly content: string;
  /** The text by who produced it, with what was signed. */
  readonly parts: readonly AnswerPart[];
  /** What each executor asks for, in the order in which they took part: one, unless others went on. */
  readonly shares: readonly AnswerShare[];
  readonly finishReason: FinishReason;
  /**
   * What whoever finished the answer said beyond its text, such as `tool_calls`, signed and proven with it; at most 64 KiB
   * as JSON. An executor of a version that does not know it says nothing. @default nothing
   */
  readonly extra?: JsonObject;
  /** Tokens that were read, as the executors count them: whoever goes on reads the answer so far as well. */
  readonly inboundTokens: number;
  /** Tokens that were produced, as the executors count them. */
  readonly outboundTokens: number;
  /** What all executors ask for together, in wei, as a decimal text. */
  readonly totalCost: string;
  /** The model that finished it. */
  readonly modelUsed: string;
  /** keccak-256 of the request's payload bytes. */
  readonly requestDigest: Hex;
  /** What was signed when the executor answered in one piece; then no part has a signature of its own. */
  readonly response?: SignedMessage<LlmResponse>;
}

/**
 * An answer as it arrives. Iterate to see the text; await `result` for the proven whole. Executors sign on the way, and
 * what is signed is proven as it arrives; text since the last signature is shown before it is proven, and nothing is owed
 * for it until it is. A reader that pauses pauses the executor. Ending the iteration early cancels the request.
 */
export interface AnswerStream extends AsyncIterable<AnswerChunk> {
  readonly requestId: RequestId;
  /** What has been shown so far, also when the answer has failed. */
  readonly soFar: PartialAnswer;
  /** Resolves when everything has arrived and is proven; reads the rest by itself when nobody iterates. */
  readonly result: Promise<Answer>;
}

/** What a streaming handler gives: text, text with its token count, or what it comes to. */
export type AnswerPiece = string | { readonly text: string; readonly tokens?: number } | AnswerTotals;

/**
 * What an answer comes to: the last piece of a stream. May be given before, too: what it comes to so far, for the
 * signatures on the way.
 */
export interface AnswerTotals {
  /** @default 'stop' */
  readonly finishReason?: FinishReason;
  /**
   * What the answer has beyond its text, such as `tool_calls`: an object that JSON can carry, of at most 64 KiB and 64
   * levels. Signed with the end; a later one replaces it. @default nothing
   */
  readonly extra?: JsonObject;
  /** Tokens of the question. @default 0 */
  readonly inboundTokens?: number;
  /** Tokens of the answer so far. @default the sum over the pieces */
  readonly outboundTokens?: number;
  /** In wei, as a decimal text. @default '0' */
  readonly totalCost?: string;
  /** @default the model asked for */
  readonly modelUsed?: string;
}

/** What answers a request: a message, or an {@link LlmResponse} that the service signs. */
export type AnswerMessage =
  | ResponseMessage
  | {
      readonly type: 'llmResponse';
      readonly response: SignedMessage<LlmResponse> | Omit<LlmResponse, 'requestDigest'>;
    };

/** What a handler may give back. `undefined`: it answers through the channel. */
export type HandlerResult = AnswerMessage | AsyncIterable<AnswerPiece> | undefined | void;

/** What a handler is told beside the request. */
export interface HandlerContext {
  /** Who asks: the peer at the other end of the connection. */
  readonly peerId: string;
  /** Fires when the client is gone, its time is over, or the node stops: stop working. */
  readonly signal: AbortSignal;
  readonly channel: ResponseChannel;
  /** Whether the client takes the answer in chunks. */
  readonly stream: boolean;
  /**
   * The answer so far, when it began elsewhere: go on behind it, and give its text no second time. `maxTokens` and
   * `maxPrice` of the request are for the whole answer. Only handlers that can continue are given one; see `serve`.
   */
  readonly prefix: AnswerPrefix | undefined;
  /** What travelled with the request. */
  readonly metadata: Readonly<Record<string, string>>;
  /** W3C Trace Context of the client, when it gave one. */
  readonly traceparent: string | undefined;
}

/** How a handler serves. */
export interface ServeConfig {
  /**
   * Whether it can go on with what another executor began; see `HandlerContext.prefix`. Otherwise such requests are
   * refused as `CANNOT_CONTINUE`.
   * @default false
   */
  readonly canContinue?: boolean;
}

/** How busy this node is with requests of others. */
export interface RpcLoad {
  /** How many requests are worked on at the same time. */
  readonly capacity: number;
  /** How many more would be started at once. */
  readonly freeSlots: number;
  /** How many wait for a slot. */
  readonly queueDepth: number;
}

/** How often something may be done: in bursts of `requests`, and as many every `perMs` in the long run. */
export interface RateLimit {
  readonly requests: number;
  readonly perMs: number;
}

/** A request of this node, as a {@link Middleware} sees it. */
export interface OutboundCall {
  readonly requestId: RequestId;
  /** Who is asked first. */
  readonly peerId: string;
  /** `ping`, `llmRequest`, or the name of a custom protocol. */
  readonly method: string;
  /** What is asked; the value itself for a custom protocol. */
  readonly request: unknown;
  /** What travels with it so far. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** A request of a peer, as a {@link Middleware} sees it. Its signature, when it has one, is proven. */
export interface InboundCall {
  readonly requestId: RequestId;
  readonly peerId: string;
  /** `ping`, `llmRequest`, or the name of a custom protocol. */
  readonly method: string;
  /** What is asked; the value itself for a custom protocol. */
  readonly request: unknown;
  readonly metadata: Readonly<Record<string, string>>;
  readonly traceparent: string | undefined;
  /** Fires when no answer is wanted any more. */
  readonly signal: AbortSignal;
}

/**
 * What stands around every request, for whoever checks who may ask, counts, or notes. The one that was added first is
 * the outermost. What it throws behind `next` is noted and changes nothing.
 */
export interface Middleware {
  /**
   * Around a request of this node, once however often it is retried. `next` sends it, with more metadata when given, and
   * settles as the request does. What it throws before `next` ends the request with `MIDDLEWARE_FAILED`, unsent; so does
   * returning without having called `next`.
   */
  outbound?(
    call: OutboundCall,
    next: (metadata?: Readonly<Record<string, string>>) => Promise<unknown>,
  ): Promise<void>;
  /**
   * Around a request of a peer, once however often it is sent again. `next` has it answered, and resolves with how it
   * ended: `answered`, or another last state of its machine. Throw a `Refusal` before `next` to refuse it with a code;
   * anything else that it throws is `REMOTE` for the client.
   */
  inbound?(call: InboundCall, next: () => Promise<string>): Promise<void>;
}

/** A signed question to a model. */
export type LlmRequestMessage = Extract<RequestMessage, { readonly type: 'llmRequest' }>;

/** Serves requests. Signed ones have been verified before it is called; pings do not reach it. */
export type Handler = (
  request: LlmRequestMessage,
  context: HandlerContext,
) => HandlerResult | Promise<HandlerResult>;

/** Where an inbound request is answered, once. */
export interface ResponseChannel {
  readonly requestId: RequestId;
  readonly peerId: string;
  /** Fires when no answer is wanted any more. */
  readonly signal: AbortSignal;
  /** Whether an answer would be dropped. */
  readonly closed: boolean;
  /**
   * Answers. An unsigned `LlmResponse` is signed.
   * @throws {RpcError} `CHANNEL_CLOSED` when it was answered or nobody waits; `MISSING_PORT` without a signer
   */
  respond(message: AnswerMessage): Promise<void>;
  /**
   * Answers with an error: a text for people, or a `Refusal` with a code.
   * @throws {RpcError} `CHANNEL_CLOSED`
   */
  fail(error: string | Error): Promise<void>;
  /**
   * Answers piece by piece, and signs on the way and at the end.
   * @throws {RpcError} `CHANNEL_CLOSED`, `MISSING_PORT`; or what the iterable threw, after the client was told
   */
  stream(pieces: AsyncIterable<AnswerPiece>): Promise<void>;
}

/** Between values and their bytes. */
export interface Codec<T> {
  /** The bytes of a value. */
  encode(value: T): Uint8Array;
  /** The value of some bytes; throws when they are none. */
  decode(bytes: Uint8Array): T;
}

/** What the handler of a custom protocol is told beside the request. */
export interface ProtocolContext {
  /** Fires when the client is gone, its time is over, or the node stops: stop working. */
  readonly signal: AbortSignal;
  /** W3C Trace Context of the client, when it gave one. */
  readonly traceparent: string | undefined;
}

/** A protocol of one's own: one request, one response. Nothing of it is signed; the connection proves who asks. */
export interface CustomProtocol<Request = unknown, Response = unknown> {
  /** Begins with `/`, and ends best with its version: `/my/protocol/1.0.0`. At most 256 bytes. */
  readonly protocolName: string;
  readonly request: Codec<Request>;
  readonly response: Codec<Response>;
  /**
   * Answers a request. Throws a `Refusal` to refuse it with a code; whatever else it throws is `REMOTE` for the client.
   * @default none: the protocol is known for calling, and not served
   */
  handleRequest?(peerId: string, request: Request, context: ProtocolContext): Response | Promise<Response>;
}
