import { CodecError, encodeErrorFrame, type ErrorFrame } from '@lloom/codec';
import { LloomError, errorText } from '@lloom/core';
import type { TimeLimits } from '../config.ts';
import { Refusal, RpcError, saidCodes, type RequestStage, type SaidCode } from '../errors.ts';
import type { PartialAnswer, PendingRequest } from '../types.ts';
import { saidTexts } from './saidTexts.ts';

/** Which request a failure belongs to, and how far it had come. */
export interface FailureContext {
  readonly requestId: string;
  readonly peerId: string;
  /** The method, which for a custom protocol is its name. */
  readonly method?: string;
  readonly stage: RequestStage;
  /** Whether anything of it was handed to the network. @default when there was a way to the peer */
  readonly wasSent?: boolean;
}

const maxRemoteText = 256;

/** What a verifier throws when it cannot remember one more nonce: the signature itself may be good. */
const noRoom = ['GUARD_FULL', 'GUARD_UNAVAILABLE'];

/** The form of a code. Anything else that a peer writes in its place is not repeated. */
const codeForm = /^[A-Z][A-Z_]{0,39}$/;

/** The error that a peer's error frame stands for. */
export function saidError(frame: ErrorFrame, { requestId, peerId, method = '' }: FailureContext): RpcError {
  const remoteMessage = frame.message.slice(0, maxRemoteText).toWellFormed();
  const said = { requestId, peerId, remoteMessage };
  const code = (saidCodes as readonly string[]).includes(frame.code) ? (frame.code as SaidCode) : 'REMOTE';
  switch (code) {
    case 'BUSY':
      return new RpcError(code, { ...said, ...pick(frame, 'retryAfterMs'), ...pick(frame, 'queueDepth') });
    case 'RATE_LIMITED':
      return new RpcError(code, { ...said, ...pick(frame, 'retryAfterMs') });
    case 'SIGNATURE_REFUSED':
      return new RpcError(code, {
        ...said,
        reason: codeForm.test(frame.reason ?? '') ? frame.reason! : 'UNKNOWN',
      });
    case 'UNSUPPORTED_PROTOCOL':
      return new RpcError(code, { requestId, peerId, protocol: method });
    case 'OMITTED':
      return new RpcError(code, { requestId, peerId });
    case 'RELAY_LIMIT':
      return new RpcError(code, { ...said, by: 'the peer' });
    case 'TOO_LARGE':
      return new RpcError(code, {
        requestId,
        peerId,
        what: frame.reason === 'response' ? 'response' : 'request',
        by: 'the peer',
      });
    default:
      return new RpcError(code, said);
  }
}

/** What was thrown before a request was sent: an error of the codec would be taken for one of the answer. */
export function unsendable(cause: unknown): unknown {
  return CodecError.is(cause) ? new Error(`it cannot be sent: ${cause.message}`, { cause }) : cause;
}

/** What went wrong on this side of an exchange, as an `RpcError`. */
export function exchangeError(error: unknown, context: FailureContext): RpcError {
  if (RpcError.is(error)) return error;
  const { requestId, peerId, stage, wasSent = stage !== 'dialing' } = context;
  if (CodecError.is(error, 'TOO_LARGE')) {
    const { sizeBytes, limitBytes } = error.data;
    const data = { requestId, peerId, what: 'response', by: 'this node', sizeBytes, limitBytes } as const;
    return new RpcError('TOO_LARGE', data, { cause: error });
  }
  if (CodecError.is(error)) {
    return new RpcError('INVALID_RESPONSE', { requestId, peerId, reason: error.message }, { cause: error });
  }
  const outcome = wasSent ? 'unknown' : 'not sent';
  const reason = errorText(error, 160) || 'no reason given';
  return new RpcError('CONNECTION_CLOSED', { requestId, peerId, stage, outcome, reason }, { cause: error });
}

/** What a request failed with that ended in this state of its machine. */
export function endError(
  state: string,
  context: FailureContext,
  times: TimeLimits & { readonly waitedMs: number },
): RpcError {
  const { requestId, peerId, stage } = context;
  const request = { requestId, peerId };
  switch (state) {
    case 'timedOut':
      return new RpcError('TIMEOUT', {
        ...request,
        stage,
        waitedMs: times.waitedMs,
        limitMs: times.timeoutMs,
      });
    case 'unreached':
      return new RpcError('DIAL_TIMEOUT', { ...request, limitMs: times.dialTimeoutMs });
    case 'silent':
      return new RpcError('FIRST_BYTE_TIMEOUT', { ...request, limitMs: times.firstByteTimeoutMs });
    case 'stalled':
      return new RpcError('IDLE_TIMEOUT', { ...request, limitMs: times.idleTimeoutMs });
    case 'cancelled':
      return new RpcError('CANCELLED', { ...request, stage });
    case 'stopped':
      return new RpcError('STOPPED', { requestId });
    default:
      return exchangeError(new Error('the request ended without a reason'), context);
  }
}

/** What a request failed with of whose answer some was shown. */
export function partialError(
  { requestId, peerId }: Pick<PendingRequest, 'requestId' | 'peerId'>,
  { shares, totalCost }: PartialAnswer,
  cause: RpcError,
): RpcError {
  const signedTokens = shares.reduce((sum, { tokens }) => sum + tokens, 0);
  const tokens = shares.reduce((sum, { unsignedTokens }) => sum + unsignedTokens, signedTokens);
  const data = { requestId, peerId, tokens, signedTokens, totalCost, failure: cause.code };
  return new RpcError('PARTIAL_ANSWER', data, { cause });
}

/** What a client is told when its request could not be read or was not proven. */
export function refusalFrame(error: unknown): ErrorFrame {
  if (CodecError.is(error, 'TOO_LARGE')) {
    return { type: 'error', code: 'TOO_LARGE', message: error.message, reason: 'request' };
  }
  if (CodecError.is(error, 'UNKNOWN_VARIANT'))
    return { type: 'error', code: 'UNSUPPORTED_MESSAGE', message: error.message };
  if (CodecError.is(error)) return { type: 'error', code: 'INVALID_REQUEST', message: error.message };
  if (error instanceof Refusal) return handlerFrame(error);
  if (LloomError.isLloomError(error)) {
    const code = noRoom.includes(error.code) ? 'BUSY' : 'SIGNATURE_REFUSED';
    return { type: 'error', code, message: error.message, reason: error.code };
  }
  return { type: 'error', code: 'INVALID_REQUEST', message: saidTexts.notRead };
}

/** What a client is told when a handler threw. Only a {@link Refusal} is quoted: other errors may hold secrets. */
export function handlerFrame(error: unknown): ErrorFrame {
  if (!(error instanceof Refusal)) return { type: 'error', code: 'REMOTE', message: saidTexts.handlerFailed };
  const message = error.message.slice(0, 1_024).toWellFormed();
  const { code } = error;
  return {
    type: 'error',
    code,
    message,
    ...pick(error, 'reason'),
    ...pick(error, 'retryAfterMs'),
    ...pick(error, 'queueDepth'),
  };
}

/** The bytes of an error. What a handler says beside its code may be more than a frame holds: then it is left out. */
export function encodeError(frame: ErrorFrame): Uint8Array {
  try {
    return encodeErrorFrame(frame);
  } catch {
    const code = (saidCodes as readonly string[]).includes(frame.code) ? frame.code : 'REMOTE';
    return encodeErrorFrame({ type: 'error', code, message: saidTexts.notWritten });
  }
}

function pick<T extends object, K extends keyof T>(
  from: T,
  key: K,
): { [P in K]: Exclude<T[P], undefined> } | object {
  return from[key] === undefined ? {} : { [key]: from[key] };
}
