import { isCodedError, LloomError, type CodeTable } from '@lloom/core';

/** How far a request had come. */
export type RequestStage = 'dialing' | 'sending' | 'awaiting' | 'receiving' | 'verifying';

interface RequestRef {
  readonly requestId: string;
  readonly peerId: string;
}

interface Said extends RequestRef {
  /** What the peer wrote, cut at 256 characters. For people; never act on it. */
  readonly remoteMessage: string;
}

/** The data of each {@link RpcError} code. */
export interface RpcErrorData {
  /** The whole request took too long. The peer may have run it unless the stage is `dialing`. */
  TIMEOUT: RequestRef & { readonly stage: RequestStage; readonly waitedMs: number; readonly limitMs: number };
  /** No connection in time; nothing was sent. */
  DIAL_TIMEOUT: RequestRef & { readonly limitMs: number };
  /** Sent, and not one byte of an answer in time. The peer may have run it. */
  FIRST_BYTE_TIMEOUT: RequestRef & { readonly limitMs: number };
  /** The answer began and then stood still. The peer has run at least a part of it. */
  IDLE_TIMEOUT: RequestRef & { readonly limitMs: number };
  /** The caller's signal fired. The peer was told to stop, and may have run it. */
  CANCELLED: RequestRef & { readonly stage: RequestStage };
  /** No connection; nothing was sent. `reason` says why for each address tried. */
  DIAL_FAILED: RequestRef & { readonly reason: string };
  /** The peer speaks no protocol of ours; nothing was sent. */
  UNSUPPORTED_PROTOCOL: RequestRef & { readonly protocol: string };
  /** The connection or stream ended before the answer did. With `outcome` unknown, the peer may have run it. */
  CONNECTION_CLOSED: RequestRef & {
    readonly stage: RequestStage;
    readonly outcome: 'not sent' | 'unknown';
    readonly reason: string;
  };
  /** The peer ended the exchange properly, without an answer. It may have run the request. */
  OMITTED: RequestRef;
  /** The peer's answer cannot be read. It has probably run the request. */
  INVALID_RESPONSE: RequestRef & { readonly reason: string };
  /** Request or response is beyond a limit, on this side or on the peer's. An oversized request was not run. */
  TOO_LARGE: RequestRef & {
    readonly what: 'request' | 'response';
    readonly by: 'this node' | 'the peer';
    readonly sizeBytes?: number;
    readonly limitBytes?: number;
  };
  /** The answer is not signed by the peer that was asked, or does not fit the request. It was not handed on. */
  SIGNATURE_INVALID: RequestRef & { readonly reason: string };
  /** The request is signed for another executor, and cannot be signed again here. Nothing was sent. */
  AUDIENCE_MISMATCH: RequestRef & { readonly signedFor: string; readonly peer: string };
  /** Output had begun when the request failed, and nobody could go on with it. */
  PARTIAL_ANSWER: RequestRef & {
    /** Tokens that were shown. */
    readonly tokens: number;
    /** Those of them that are signed, and cost something. */
    readonly signedTokens: number;
    /** What is owed for them, in wei, as a decimal text. */
    readonly totalCost: string;
    /** The code of the last failure, which is the `cause`. */
    readonly failure: RpcErrorCode;
  };
  /** Too many requests of this node are under way. Nothing was sent. */
  PENDING_LIMIT: { readonly limit: number };
  /** The peer has failed too often and is left alone for a while. Nothing was sent. */
  PEER_AVOIDED: { readonly peerId: string; readonly retryAfterMs: number };
  /** The peer's handler failed, answered with an error, or was stopped. It may have run the request. */
  REMOTE: Said;
  /** The peer serves nothing: no handler. It did not run the request. */
  NO_HANDLER: Said;
  /** The peer has no room now. It did not run the request. */
  BUSY: Said & { readonly retryAfterMs?: number; readonly queueDepth?: number };
  /** The peer takes no more from this node for a while. It did not run the request. */
  RATE_LIMITED: Said & { readonly retryAfterMs?: number };
  /**
   * The peer refused the request's signature; `reason` is its code, such as `EXPIRED`, or `UNKNOWN`. It did not run
   * the request.
   */
  SIGNATURE_REFUSED: Said & { readonly reason: string };
  /** The peer does not serve the model. It did not run the request. */
  MODEL_UNAVAILABLE: Said;
  /** The answer would cost more than `maxPrice`. The peer did not run the request. */
  PRICE_EXCEEDED: Said;
  /** The peer could not read the request. It did not run it. */
  INVALID_REQUEST: Said;
  /** The peer does not know this kind of request. It did not run it. */
  UNSUPPORTED_MESSAGE: Said;
  /** The peer knows the idempotency key from another request. It did not run this one. */
  IDEMPOTENCY_CONFLICT: Said;
  /** The peer cannot go on with what another one began. It did not run the request. */
  CANNOT_CONTINUE: Said;
  /**
   * The peer had accepted the request and lost it: it restarted, or gave it up when its client was gone. It does not run
   * it again, and nothing is owed beyond what it signed.
   */
  REQUEST_LOST: Said;
  /**
   * The request, or the rest of its answer, would not fit through the relay. Said by this node, nothing was sent; said by
   * the peer, the answer may have begun.
   */
  RELAY_LIMIT: RequestRef & {
    readonly by: 'this node' | 'the peer';
    /** What the relay still carries, where this node knows. */
    readonly bytesLeft?: number;
    /** What the peer wrote, cut at 256 characters. */
    readonly remoteMessage?: string;
  };
  /** A middleware of this node threw, or did not go on. Nothing was sent. The `cause` is what it threw. */
  MIDDLEWARE_FAILED: RequestRef & { readonly reason: string };
  /** The channel has been answered or its client is gone. The answer was dropped. */
  CHANNEL_CLOSED: { readonly requestId: string; readonly reason: ChannelClosedReason };
  /** No request of that id is under way or kept. */
  UNKNOWN_REQUEST: { readonly requestId: string };
  /** A protocol of that name is registered already, by this service or by another user of the node. */
  PROTOCOL_EXISTS: { readonly protocol: string };
  /** No protocol of that name was added. */
  UNKNOWN_PROTOCOL: { readonly protocol: string };
  /** The service was given nobody who signs or verifies. Nothing was sent, or no answer was. */
  MISSING_PORT: { readonly port: 'signer' | 'verifier' };
  /** The node is stopped or stopping. Requests under way may have been run. */
  STOPPED: { readonly requestId?: string };
}

/** Closed codes of {@link RpcError}. */
export type RpcErrorCode = keyof RpcErrorData;

/** Why a channel takes no answer. */
export type ChannelClosedReason = 'answered' | 'client gone' | 'deadline' | 'stopped';

const about = ({ peerId }: { peerId: string }): string => `"${peerId.slice(0, 6)}…${peerId.slice(-6)}"`;
const refused = (why: string) => (data: Said) => `Request to ${about(data)} was refused: ${why}`;
const askAnother = 'Ask another peer.';

const table: CodeTable<RpcErrorData> = {
  TIMEOUT: {
    message: (d) =>
      `Request to ${about(d)} timed out while ${d.stage}: waited ${d.waitedMs} ms, limit is ${d.limitMs} ms`,
    retryable: true,
    hint: 'The peer may run it all the same, so asking again may cost twice; raise timeoutMs for long answers.',
  },
  DIAL_TIMEOUT: {
    message: (d) => `Cannot reach ${about(d)}: no connection within ${d.limitMs} ms`,
    retryable: true,
    hint: askAnother,
  },
  FIRST_BYTE_TIMEOUT: {
    message: (d) => `Request to ${about(d)} was sent and not answered within ${d.limitMs} ms`,
    retryable: true,
    hint: 'The peer may run it all the same, so asking another one may cost twice.',
  },
  IDLE_TIMEOUT: {
    message: (d) => `Answer of ${about(d)} stood still for ${d.limitMs} ms`,
    retryable: true,
    hint: 'The peer may run it all the same, so asking another one may cost twice.',
  },
  CANCELLED: {
    message: (d) => `Request to ${about(d)} was cancelled while ${d.stage}`,
    retryable: false,
    hint: 'Nothing to do: the caller wanted it.',
  },
  DIAL_FAILED: {
    message: (d) => `Cannot reach ${about(d)}: ${d.reason}`,
    retryable: true,
    hint: 'Check that the peer runs and that its address is current, or ask another peer.',
  },
  UNSUPPORTED_PROTOCOL: {
    message: (d) => `Cannot ask ${about(d)}: it does not speak "${d.protocol}"`,
    retryable: false,
    hint: askAnother,
  },
  CONNECTION_CLOSED: {
    message: (d) => `Connection to ${about(d)} ended while ${d.stage} (${d.reason}); outcome: ${d.outcome}`,
    retryable: true,
    hint: 'Ask again or another peer; unless `outcome` is "not sent", that may cost twice.',
  },
  OMITTED: {
    message: (d) => `Peer ${about(d)} ended the exchange without an answer`,
    retryable: true,
    hint: askAnother,
  },
  INVALID_RESPONSE: {
    message: (d) => `Cannot read the answer of ${about(d)}: ${d.reason}`,
    retryable: true,
    hint: askAnother,
  },
  TOO_LARGE: {
    message: (d) => {
      const size = d.sizeBytes === undefined ? '' : `: has ${d.sizeBytes} bytes`;
      const limit = d.limitBytes === undefined ? '' : `, limit is ${d.limitBytes}`;
      return `The ${d.what} is too large for ${d.by}${size}${limit}`;
    },
    retryable: false,
    hint: 'Send or ask for less, or raise the limits on both sides.',
  },
  SIGNATURE_INVALID: {
    message: (d) => `Answer of ${about(d)} is not proven: ${d.reason}`,
    retryable: true,
    hint: 'Do not pay for it; ask another peer.',
  },
  AUDIENCE_MISMATCH: {
    message: (d) =>
      `Cannot send the request to ${about(d)}: it is signed for ${d.signedFor}, the peer is ${d.peer}`,
    retryable: false,
    hint: 'Sign it again for this peer.',
  },
  PARTIAL_ANSWER: {
    message: (d) =>
      `Answer of ${about(d)} broke off after ${d.tokens} tokens, of which ${d.signedTokens} are signed: ${d.failure}`,
    retryable: true,
    hint: 'Use `soFar` of the answer; asking again begins a new answer.',
  },
  PENDING_LIMIT: {
    message: (d) => `Cannot send the request: ${d.limit} are under way already`,
    retryable: true,
    hint: 'Wait for some to end, or raise maxPendingRequests.',
  },
  PEER_AVOIDED: {
    message: (d) => `Peer ${about(d)} failed too often and is left alone for ${d.retryAfterMs} ms`,
    retryable: true,
    hint: askAnother,
  },
  REMOTE: {
    message: refused('its handler failed'),
    retryable: true,
    hint: 'Read remoteMessage, or ask another peer.',
  },
  NO_HANDLER: { message: refused('it serves no requests'), retryable: false, hint: askAnother },
  BUSY: {
    message: refused('it has no room now'),
    retryable: true,
    hint: 'Wait retryAfterMs, or ask another peer.',
  },
  RATE_LIMITED: { message: refused('too many from this node'), retryable: true, hint: 'Wait retryAfterMs.' },
  SIGNATURE_REFUSED: {
    message: (d) => `Request to ${about(d)} was refused: its signature was not accepted (${d.reason})`,
    retryable: false,
    hint: 'Sign it again for this peer, with a clock that is right.',
  },
  MODEL_UNAVAILABLE: { message: refused('it does not serve the model'), retryable: false, hint: askAnother },
  PRICE_EXCEEDED: {
    message: refused('it costs more than maxPrice'),
    retryable: false,
    hint: 'Raise maxPrice, or ask a cheaper peer.',
  },
  INVALID_REQUEST: {
    message: refused('it could not read the request'),
    retryable: false,
    hint: 'Check versions on both sides.',
  },
  UNSUPPORTED_MESSAGE: {
    message: refused('it does not know this kind of request'),
    retryable: false,
    hint: askAnother,
  },
  IDEMPOTENCY_CONFLICT: {
    message: refused('the idempotency key belongs to another request'),
    retryable: false,
    hint: 'Use a new idempotency key.',
  },
  CANNOT_CONTINUE: {
    message: refused('it cannot go on with what another one began'),
    retryable: false,
    hint: askAnother,
  },
  REQUEST_LOST: {
    message: refused('it had accepted the request and lost it'),
    retryable: false,
    hint: 'Ask another peer, or ask again with a new idempotency key.',
  },
  MIDDLEWARE_FAILED: {
    message: (d) => `Request to ${about(d)} was not sent: a middleware failed (${d.reason})`,
    retryable: false,
    hint: 'The cause is what the middleware threw.',
  },
  RELAY_LIMIT: {
    message: (d) => `Cannot be answered by ${about(d)}: it would not fit through the relay, says ${d.by}`,
    retryable: true,
    hint: 'Connect directly, or ask for less.',
  },
  CHANNEL_CLOSED: {
    message: (d) => `Cannot answer request "${d.requestId}": ${d.reason}`,
    retryable: false,
    hint: 'Watch channel.signal, and answer once.',
  },
  UNKNOWN_REQUEST: {
    message: (d) => `No request "${d.requestId}" is under way or kept`,
    retryable: false,
    hint: 'Keep the id that sendRequest returned; bodies are kept for a limited time.',
  },
  PROTOCOL_EXISTS: {
    message: (d) => `Cannot add protocol "${d.protocol}": it is registered already`,
    retryable: false,
    hint: 'Remove it first, or choose another name.',
  },
  UNKNOWN_PROTOCOL: {
    message: (d) => `No protocol "${d.protocol}" was added`,
    retryable: false,
    hint: 'Add it with addProtocol, or pass the protocol itself.',
  },
  MISSING_PORT: {
    message: (d) =>
      `Cannot ${d.port === 'signer' ? 'sign' : 'prove'} a message: the service has no ${d.port}`,
    retryable: false,
    hint: 'Pass { signer: identity.signer(), verifier: identity.verifier() } to rpc().',
  },
  STOPPED: { message: () => 'The rpc service is stopped', retryable: false, hint: 'Start the node.' },
};

/** Codes that a peer may say; any other counts as `REMOTE`. */
export const saidCodes = [
  'REMOTE',
  'NO_HANDLER',
  'BUSY',
  'RATE_LIMITED',
  'SIGNATURE_REFUSED',
  'MODEL_UNAVAILABLE',
  'PRICE_EXCEEDED',
  'INVALID_REQUEST',
  'UNSUPPORTED_MESSAGE',
  'IDEMPOTENCY_CONFLICT',
  'CANNOT_CONTINUE',
  'REQUEST_LOST',
  'RELAY_LIMIT',
  'OMITTED',
  'TOO_LARGE',
  'UNSUPPORTED_PROTOCOL',
] as const satisfies readonly RpcErrorCode[];

/** A code that travels in an error frame. */
export type SaidCode = (typeof saidCodes)[number];

/** A request that failed: why, how far it had come, and what is not known. */
export class RpcError<C extends RpcErrorCode = RpcErrorCode> extends LloomError<C, RpcErrorData[C]> {
  constructor(code: C, data: RpcErrorData[C], options: { cause?: unknown } = {}) {
    super('RpcError', table[code], { code, data, ...options });
  }

  /** Whether `error` is an `RpcError`, with that code when one is given. */
  static is<C extends RpcErrorCode>(error: unknown, code?: C): error is RpcError<C> {
    return isCodedError(error, 'RpcError', code);
  }
}

/**
 * What a handler throws to refuse a request with a code that the client can act on. Anything else that a handler
 * throws reaches the client as `REMOTE`, without its text.
 *
 * @example
 * ```ts
 * rpc.serve((request) => {
 *   throw new Refusal('MODEL_UNAVAILABLE', 'this executor serves demo-small');
 * });
 * ```
 */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: SaidCode;
  /** When to try again, from now. */
  readonly retryAfterMs?: number;
  /** How many requests wait already. */
  readonly queueDepth?: number;
  /** The code behind the code. */
  readonly reason?: string;

  constructor(
    code: SaidCode,
    message: string,
    detail: { readonly retryAfterMs?: number; readonly queueDepth?: number; readonly reason?: string } = {},
  ) {
    super(message);
    this.code = code;
    Object.assign(this, detail);
  }
}
