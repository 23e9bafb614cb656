import type {
  AnswerPart,
  FinishReason,
  LlmResponse,
  RequestMessage,
  ResponseMessage,
  SignedMessage,
} from '@lloom/codec';
import type { Hex } from '@lloom/core';

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
  /** W3C Trace Context that travels with the request. */
  readonly traceparent?: string;
  /** Travels with the request; at most 4 KiB. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A request under way. */
export interface PendingRequest {
  readonly requestId: RequestId;
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
  readonly finishReason: FinishReason;
  readonly inboundTokens: number;
  readonly outboundTokens: number;
  /** In wei, as a decimal text. */
  readonly totalCost: string;
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
  /** What travelled with the request. */
  readonly metadata: Readonly<Record<string, string>>;
  /** W3C Trace Context of the client, when it gave one. */
  readonly traceparent: string | undefined;
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
