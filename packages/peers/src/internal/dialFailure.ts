import { errorText } from '@lloom/core';

import { PeersError, type DialAttempt, type DialReason, type PeersFailure } from '../errors.ts';

const byCode: Readonly<Record<string, DialReason>> = {
  ECONNREFUSED: 'nobodyListens',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EHOSTDOWN: 'unreachable',
  ENETDOWN: 'unreachable',
  EADDRNOTAVAIL: 'unreachable',
  EACCES: 'unreachable',
  EPERM: 'unreachable',
  ENOTFOUND: 'unknownHost',
  EAI_AGAIN: 'unknownHost',
  ETIMEDOUT: 'timeout',
  ECONNRESET: 'closed',
  ECONNABORTED: 'closed',
  EPIPE: 'closed',
};

const byName: Readonly<Record<string, DialReason>> = {
  // Each address has a limit of its own, which ends it with either of these.
  AbortError: 'timeout',
  TimeoutError: 'timeout',
  UnexpectedPeerError: 'wrongPeer',
  ConnectionInterceptedError: 'refusedHere',
  EncryptionFailedError: 'closed',
  MuxerUnavailableError: 'closed',
  ConnectionClosedError: 'closed',
  UnexpectedEOFError: 'closed',
  StreamClosedError: 'closed',
  StreamResetError: 'closed',
  StreamStateError: 'closed',
};

/** How the noise handshake says that it met another peer; its error arrives under another name. */
const wrongPeer = /identity key (?<found>\S+) does not match expected/;

/** libp2p names errors of a handshake anew; that it was given up for want of an answer is in the text alone. */
const givenUp = /operation was aborted/;

/** The peer that was met instead of the expected one, when the handshake says so. */
export function foundPeerOf(error: unknown): string | undefined {
  return wrongPeer.exec(errorText(error, 1_024))?.groups?.['found'];
}

/** What one attempt failed of, from the error that libp2p gave. */
export function reasonOf(error: unknown): DialReason {
  const { code, name } = error as { readonly code?: unknown; readonly name?: unknown };
  if (typeof code === 'string' && Object.hasOwn(byCode, code)) return byCode[code] ?? 'other';
  if (foundPeerOf(error) !== undefined) return 'wrongPeer';
  if (givenUp.test(errorText(error, 1_024))) return 'timeout';
  return typeof name === 'string' && Object.hasOwn(byName, name) ? (byName[name] ?? 'other') : 'other';
}

/**
 * One attempt for each error. libp2p tries addresses one after another and reports without naming them, so the n-th
 * error belongs to the n-th address, when there are as many.
 */
export function attemptsOf(error: unknown, addresses: readonly string[]): DialAttempt[] {
  const errors: unknown[] = error instanceof AggregateError ? error.errors : [error];
  return errors.map((each, index) => {
    const address = errors.length === addresses.length ? addresses[index] : undefined;
    return { ...(address !== undefined && { address }), reason: reasonOf(each), message: errorText(each) };
  });
}

/** The error for attempts that all failed: of its own code when they agree. */
export function attemptsError(peerId: string, error: unknown, addresses: readonly string[]): PeersError {
  const attempts = attemptsOf(error, addresses);
  const agree = (reason: DialReason): boolean =>
    attempts.length > 0 && attempts.every((attempt) => attempt.reason === reason);
  if (agree('timeout')) return new PeersError('DIAL_TIMEOUT', { peerId, attempts }, { cause: error });
  if (agree('wrongPeer')) {
    const address = attempts[0]?.address;
    const errors: unknown[] = error instanceof AggregateError ? error.errors : [error];
    const foundPeerId = foundPeerOf(errors[0]);
    const data = {
      peerId,
      ...(address !== undefined && { address }),
      ...(foundPeerId !== undefined && { foundPeerId }),
    };
    return new PeersError('WRONG_PEER', data, { cause: error });
  }
  return new PeersError('DIAL_FAILED', { peerId, attempts }, { cause: error });
}

/** The connection was closed again before it was told to be open. */
export function goneError(peerId: string): PeersError {
  const attempts = [{ reason: 'closed' as const, message: 'it was closed again at once' }];
  return new PeersError('DIAL_FAILED', { peerId, attempts });
}

/** A dial took longer than it may. */
export function timeoutError({
  peerId,
  dialTimeoutMs,
}: {
  peerId: string;
  dialTimeoutMs: number;
}): PeersError {
  return new PeersError('DIAL_TIMEOUT', { peerId, limitMs: dialTimeoutMs, attempts: [] });
}

/** Whether a failed dial says something about the peer, and not only about this node or somebody else's address. */
export function isOfPeer({ code, data }: PeersFailure): boolean {
  if (code === 'DIAL_TIMEOUT') return true;
  return code === 'DIAL_FAILED' && data.attempts.some(({ reason }) => telling.includes(reason));
}

const telling: readonly DialReason[] = ['nobodyListens', 'timeout', 'closed'];

/** The plain form of whatever ended a dial. */
export function failureOf(peerId: string, error: unknown): PeersFailure {
  if (PeersError.is(error)) return { code: error.code, data: error.data } as PeersFailure;
  return { code: 'DIAL_FAILED', data: { peerId, attempts: attemptsOf(error, []) } };
}
