import { CodecError } from '@lloom/codec';
import { LloomError } from '@lloom/core';
import { Refusal, type RpcError, type RpcErrorCode } from '../errors.ts';
import type { PeerFact } from '../ports.ts';

/** What a failure says of the peer that was asked: a fact, nothing, or what more of the failure tells. */
type Judgement = PeerFact | undefined | ((error: RpcError, method: string) => PeerFact | undefined);

/** A caller in a hurry says nothing of the peer. In ms. */
const patienceMs = 5_000;

/** What libp2p throws when this node does not dial: its own rules and limits forbid it, or it knows no address. */
const undialled = [
  'ConnectionDeniedError',
  'ConnectionInterceptedError',
  'DialDeniedError',
  'DialError',
  'InvalidPeerIdError',
  'NotStartedError',
  'NoValidAddressesError',
];

/** Why an answer is refused that does not go on as what was shown of it before. */
export const answersDifferently = 'it answers differently the second time';

/** What verifiers throw when clocks differ: whoever signed it may be honest. */
const skewed = ['EXPIRED', 'NOT_YET_VALID'];

const inTime: Judgement = (error) => {
  const { limitMs } = error.data as { limitMs: number };
  return limitMs < patienceMs ? undefined : 'REQUEST_FAILED';
};

/** Every failure with what it says of the peer, and why. Where a peer may be innocent nothing is said. */
const facts: Readonly<Record<RpcErrorCode, Judgement>> = {
  // Whoever reads may be slow as well, and proving is done here.
  TIMEOUT: (error, method) => {
    const { stage } = error.data as { stage: string };
    return stage === 'receiving' || stage === 'verifying' ? undefined : judge(inTime, error, method);
  },
  DIAL_TIMEOUT: inTime,
  FIRST_BYTE_TIMEOUT: inTime,
  IDLE_TIMEOUT: inTime,
  // The caller wanted it.
  CANCELLED: undefined,
  // Gone, unless it was not even dialled.
  DIAL_FAILED: ({ cause }) => (isUndialled(cause) ? undefined : 'REQUEST_FAILED'),
  // It may speak other protocols.
  UNSUPPORTED_PROTOCOL: undefined,
  // Cut by it or by the network: neither says which, so it counts little.
  CONNECTION_CLOSED: 'REQUEST_FAILED',
  OMITTED: 'REQUEST_FAILED',
  // Cut off is lost, versions may differ, those of one's own protocols too, and a model that was restarted says something
  // else; anything else is not the answer.
  INVALID_RESPONSE: ({ cause, data }, method) => {
    const isOdd = CodecError.is(cause) && cause.code !== 'MALFORMED';
    const isOther = (data as { reason?: string }).reason === answersDifferently;
    return isOdd || isOther || method.startsWith('/') ? 'REQUEST_FAILED' : 'INVALID_ANSWER';
  },
  // Limits may differ between honest nodes.
  TOO_LARGE: undefined,
  // Forged or not what was asked for, unless a clock is wrong, or the verifier failed.
  SIGNATURE_INVALID: ({ cause }) => {
    if (cause === undefined) return 'INVALID_ANSWER';
    if (!LloomError.isLloomError(cause)) return undefined;
    return skewed.includes(cause.code) ? 'REQUEST_FAILED' : 'INVALID_ANSWER';
  },
  // A mistake of the caller.
  AUDIENCE_MISMATCH: undefined,
  // Each attempt of it has been told.
  PARTIAL_ANSWER: undefined,
  // Limits of this node.
  PENDING_LIMIT: undefined,
  PEER_AVOIDED: undefined,
  REMOTE: 'REQUEST_FAILED',
  // It is no executor, and says so at once.
  NO_HANDLER: undefined,
  // What a good peer says that is full.
  BUSY: undefined,
  RATE_LIMITED: undefined,
  // The request may be at fault, or a clock.
  SIGNATURE_REFUSED: undefined,
  // Offers change while a request is on its way.
  MODEL_UNAVAILABLE: undefined,
  PRICE_EXCEEDED: undefined,
  // The request is at fault.
  INVALID_REQUEST: undefined,
  UNSUPPORTED_MESSAGE: undefined,
  IDEMPOTENCY_CONFLICT: undefined,
  // Few can.
  CANNOT_CONTINUE: undefined,
  // It was restarted, or this node was away: it does not say which, and owns up to it.
  REQUEST_LOST: undefined,
  // The relay is at fault.
  RELAY_LIMIT: undefined,
  // Nothing was asked of anybody.
  MIDDLEWARE_FAILED: undefined,
  CHANNEL_CLOSED: undefined,
  UNKNOWN_REQUEST: undefined,
  PROTOCOL_EXISTS: undefined,
  UNKNOWN_PROTOCOL: undefined,
  MISSING_PORT: undefined,
  STOPPED: undefined,
};

/** What the end of a request says of the peer that was asked; `undefined` when it says nothing. */
export function factOf(method: string, error: RpcError | undefined): PeerFact | undefined {
  // Everybody answers pings: they are no service.
  if (error === undefined) return method === 'ping' ? undefined : 'SERVED';
  return judge(facts[error.code], error, method);
}

function isUndialled(cause: unknown): boolean {
  if (cause instanceof AggregateError) return cause.errors.length > 0 && cause.errors.every(isUndialled);
  return cause instanceof Error && undialled.includes(cause.name);
}

function judge(judgement: Judgement, error: RpcError, method: string): PeerFact | undefined {
  return typeof judgement === 'function' ? judgement(error, method) : judgement;
}

/** What verifiers throw for what no honest client sends: neither clocks, nor repeats, nor lack of room. */
const forgeries: ReadonlySet<string> = new Set([
  'BAD_SIGNATURE',
  'MALFORMED',
  'PAYLOAD_MISMATCH',
  'WRONG_AUDIENCE',
  'WRONG_SIGNER',
  'WRONG_TYPE',
]);

/** What a refusal of a request says of the peer that has asked; `undefined` when it says nothing. */
export function inboundFactOf(refused: unknown): PeerFact | undefined {
  // A newer version may have other fields and kinds, and limits may differ.
  if (CodecError.is(refused)) return refused.code === 'MALFORMED' ? 'PROTOCOL_VIOLATION' : undefined;
  if (refused instanceof Refusal) return refused.reason === 'WRONG_PREFIX' ? 'INVALID_REQUEST' : undefined;
  return LloomError.isLloomError(refused) && forgeries.has(refused.code) ? 'INVALID_REQUEST' : undefined;
}

/** Whether what a session threw is the fault of the peer. */
export function isViolation(thrown: unknown): boolean {
  return thrown instanceof RangeError || CodecError.is(thrown);
}
