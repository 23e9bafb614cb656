import type { ErrorFrame } from '@lloom/codec';
import { errorText, LloomError } from '@lloom/core';
import { RpcError, saidCodes, type RpcErrorCode } from '../errors.ts';
import type { Leaving } from './exchange.ts';
import type { LoggedFailure } from './requestLines.ts';
import { isSaidText } from './saidTexts.ts';

const maxReasonLength = 160;

/** What stands for a reason where texts are not ours. */
const codeForm = /^[A-Z][A-Z_]{0,39}$/;
const sides = ['request', 'response'];

/** Why a request of this node failed. What peers, handlers and middleware wrote is not repeated. */
export function failureOf(error: RpcError): LoggedFailure {
  return { code: error.code, reason: reasonOf(error) };
}

/** Why a request of a peer was not answered, by what its client is told. @param refused what it was refused with, when it was */
export function saidFailure(frame: ErrorFrame, refused: unknown): LoggedFailure {
  const code: RpcErrorCode = saidCodes.find((known) => known === frame.code) ?? 'REMOTE';
  return { code, reason: codeIn(refused) ?? wordsOf(frame) };
}

/** Why a request of a peer was not answered whose client is gone. */
export function leftFailure(how: Leaving): LoggedFailure {
  return { code: how === 'lost' ? 'CONNECTION_CLOSED' : 'CANCELLED' };
}

function reasonOf(error: RpcError): string | undefined {
  if (RpcError.is(error, 'SIGNATURE_REFUSED')) return error.data.reason;
  if (RpcError.is(error, 'DIAL_FAILED')) return errorText(error.data.reason, maxReasonLength);
  if (RpcError.is(error, 'CONNECTION_CLOSED')) {
    const { stage, outcome } = error.data;
    return `while ${stage}, outcome ${outcome}${causeOf(error)}`;
  }
  if (RpcError.is(error, 'TIMEOUT') || RpcError.is(error, 'CANCELLED')) return `while ${error.data.stage}`;
  if (RpcError.is(error, 'TOO_LARGE')) return `the ${error.data.what}, for ${error.data.by}`;
  if (RpcError.is(error, 'RELAY_LIMIT')) return `says ${error.data.by}`;
  if (RpcError.is(error, 'PARTIAL_ANSWER')) return error.data.failure;
  const { remoteMessage } = error.data as { readonly remoteMessage?: string };
  if (remoteMessage !== undefined) return isSaidText(remoteMessage) ? remoteMessage : undefined;
  return codeIn(error.cause);
}

/** The code of an error of ours: it may be about what somebody wrote, and quote it. */
const codeIn = (error: unknown): string | undefined =>
  LloomError.isLloomError(error) && codeForm.test(error.code) ? error.code : undefined;

/** What kind of error it was. */
function causeOf({ cause }: Error): string {
  return cause instanceof Error ? `: ${codeIn(cause) ?? errorText(cause.name, 64)}` : '';
}

function wordsOf({ message, reason = '' }: ErrorFrame): string | undefined {
  if (codeForm.test(reason) || sides.includes(reason)) return reason;
  return isSaidText(message) ? message : undefined;
}
