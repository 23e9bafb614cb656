import { CodecError } from '@lloom/codec';
import { AddressError } from '@lloom/core';
import { IdentityError } from '@lloom/identity';
import { describe, expect, test } from 'vitest';
import { Refusal, RpcError, type RpcErrorCode, type RpcErrorData } from '../errors.ts';
import type { PeerFact } from '../ports.ts';
import { answersDifferently, factOf, inboundFactOf, isViolation } from './facts.ts';

const request = { requestId: 'r-1', peerId: 'peer-1' };
const said = { ...request, remoteMessage: '' };
const closed = { ...request, stage: 'awaiting', outcome: 'unknown', reason: 'reset' } as const;
const times = { ...request, stage: 'awaiting', waitedMs: 120_000, limitMs: 120_000 } as const;
const { BAD_SIGNATURE, EXPIRED } = {
  BAD_SIGNATURE: new IdentityError('BAD_SIGNATURE', { reason: 'highS', claimed: '0x0' as never }),
  EXPIRED: new IdentityError('EXPIRED', { expiresMs: 1, nowMs: 2, lateMs: 1 }),
};
const malformed = new CodecError('MALFORMED', { what: 'answer', reason: 'it is noise' });
const truncated = new CodecError('TRUNCATED', { gotBytes: 0, wantedBytes: 1 });
const named = (name: string): Error => Object.assign(new Error(name), { name });

type Row = { [C in RpcErrorCode]: [C, RpcErrorData[C], PeerFact | undefined, cause?: unknown] }[RpcErrorCode];

/** Every code, with data that says the most. */
const rows: readonly Row[] = [
  ['TIMEOUT', times, 'REQUEST_FAILED'],
  ['TIMEOUT', { ...times, stage: 'dialing' }, 'REQUEST_FAILED'],
  ['TIMEOUT', { ...times, limitMs: 4_999 }, undefined],
  ['TIMEOUT', { ...times, stage: 'receiving' }, undefined],
  ['TIMEOUT', { ...times, stage: 'verifying' }, undefined],
  ['DIAL_TIMEOUT', { ...request, limitMs: 5_000 }, 'REQUEST_FAILED'],
  ['DIAL_TIMEOUT', { ...request, limitMs: 4_999 }, undefined],
  ['FIRST_BYTE_TIMEOUT', { ...request, limitMs: 5_000 }, 'REQUEST_FAILED'],
  ['IDLE_TIMEOUT', { ...request, limitMs: 5_000 }, 'REQUEST_FAILED'],
  ['CANCELLED', { ...request, stage: 'receiving' }, undefined],
  ['DIAL_FAILED', { ...request, reason: 'refused' }, 'REQUEST_FAILED', new Error('ECONNREFUSED')],
  ['DIAL_FAILED', { ...request, reason: 'denied' }, undefined, named('DialDeniedError')],
  ['DIAL_FAILED', { ...request, reason: 'unknown' }, undefined, named('NoValidAddressesError')],
  [
    'DIAL_FAILED',
    { ...request, reason: 'several' },
    'REQUEST_FAILED',
    new AggregateError([new Error('ECONNREFUSED'), named('ConnectionInterceptedError')]),
  ],
  [
    'DIAL_FAILED',
    { ...request, reason: 'several' },
    undefined,
    new AggregateError([named('ConnectionInterceptedError')]),
  ],
  ['UNSUPPORTED_PROTOCOL', { ...request, protocol: '/a' }, undefined],
  ['CONNECTION_CLOSED', closed, 'REQUEST_FAILED'],
  ['OMITTED', request, 'REQUEST_FAILED'],
  ['INVALID_RESPONSE', { ...request, reason: 'it asks for more' }, 'INVALID_ANSWER'],
  ['INVALID_RESPONSE', { ...request, reason: 'noise' }, 'INVALID_ANSWER', malformed],
  ['INVALID_RESPONSE', { ...request, reason: 'it has no end' }, 'REQUEST_FAILED', truncated],
  ['INVALID_RESPONSE', { ...request, reason: answersDifferently }, 'REQUEST_FAILED'],
  ['TOO_LARGE', { ...request, what: 'response', by: 'this node' }, undefined],
  ['SIGNATURE_INVALID', { ...request, reason: 'a segment signs another text' }, 'INVALID_ANSWER'],
  ['SIGNATURE_INVALID', { ...request, reason: 'forged' }, 'INVALID_ANSWER', BAD_SIGNATURE],
  ['SIGNATURE_INVALID', { ...request, reason: 'late' }, 'REQUEST_FAILED', EXPIRED],
  ['SIGNATURE_INVALID', { ...request, reason: 'bug' }, undefined, new TypeError('a verifier failed')],
  ['AUDIENCE_MISMATCH', { ...request, signedFor: '0x0', peer: '0x1' }, undefined],
  [
    'PARTIAL_ANSWER',
    { ...request, tokens: 2, signedTokens: 1, totalCost: '1', failure: 'CONNECTION_CLOSED' },
    undefined,
  ],
  ['PENDING_LIMIT', { limit: 1 }, undefined],
  ['PEER_AVOIDED', { peerId: 'peer-1', retryAfterMs: 1 }, undefined],
  ['REMOTE', said, 'REQUEST_FAILED'],
  ['NO_HANDLER', said, undefined],
  ['BUSY', { ...said, retryAfterMs: 1_000 }, undefined],
  ['BUSY', said, undefined],
  ['RATE_LIMITED', said, undefined],
  ['SIGNATURE_REFUSED', { ...said, reason: 'EXPIRED' }, undefined],
  ['MODEL_UNAVAILABLE', said, undefined],
  ['PRICE_EXCEEDED', said, undefined],
  ['INVALID_REQUEST', said, undefined],
  ['UNSUPPORTED_MESSAGE', said, undefined],
  ['IDEMPOTENCY_CONFLICT', said, undefined],
  ['CANNOT_CONTINUE', said, undefined],
  ['REQUEST_LOST', said, undefined],
  ['RELAY_LIMIT', { ...request, by: 'the peer' }, undefined],
  ['MIDDLEWARE_FAILED', { ...request, reason: 'it threw' }, undefined],
  ['CHANNEL_CLOSED', { requestId: 'r-1', reason: 'answered' }, undefined],
  ['UNKNOWN_REQUEST', { requestId: 'r-1' }, undefined],
  ['PROTOCOL_EXISTS', { protocol: '/a' }, undefined],
  ['UNKNOWN_PROTOCOL', { protocol: '/a' }, undefined],
  ['MISSING_PORT', { port: 'signer' }, undefined],
  ['STOPPED', {}, undefined],
];

describe('what the end of a request says of the peer that was asked', () => {
  test.each(rows)('%s %o: %s', (...[code, data, fact, cause]: Row) => {
    const error = new RpcError<RpcErrorCode>(code, data, { cause });
    expect(factOf('llmRequest', error)).toBe(fact);
  });

  test('an answer is a service, and a pong is none', () => {
    expect(factOf('llmRequest', undefined)).toBe('SERVED');
    expect(factOf('/my/echo/1.0.0', undefined)).toBe('SERVED');
    expect(factOf('ping', undefined)).toBeUndefined();
  });

  test('an answer that does not fit a protocol of ones own may be of another version of it', () => {
    const error = new RpcError('INVALID_RESPONSE', { ...request, reason: 'it does not fit the protocol' });
    expect(factOf('/my/echo/1.0.0', error)).toBe('REQUEST_FAILED');
  });
});

describe('what a refusal says of the peer that has asked', () => {
  const late = new IdentityError('NOT_YET_VALID', { timestampMs: 2, nowMs: 1, aheadMs: 1, allowedMs: 0 });
  const again = new IdentityError('REPLAYED', { signer: '0x0' as never, nonce: '0x0' as never });
  const field = new CodecError('INVALID_FIELD', { path: 'model', got: '1', wanted: 'text' });
  const address = new AddressError('INVALID_PEER_ID', { got: 'x' } as never);

  test.each([
    ['a forged signature', BAD_SIGNATURE, 'INVALID_REQUEST'],
    [
      'a signature for another beginning of the answer',
      new Refusal('SIGNATURE_REFUSED', '', { reason: 'WRONG_PREFIX' }),
      'INVALID_REQUEST',
    ],
    ['bytes that are no message', malformed, 'PROTOCOL_VIOLATION'],
    ['an old request', EXPIRED, undefined],
    ['a clock that is ahead', late, undefined],
    ['a request that comes again', again, undefined],
    ['a client that left in the middle', truncated, undefined],
    ['a field that this version does not take', field, undefined],
    ['no room here', new Refusal('BUSY', ''), undefined],
    ['an error of another package', address, undefined],
    ['a defect', new TypeError('undefined is not a function'), undefined],
  ])('%s', (_, error, fact) => {
    expect(inboundFactOf(error)).toBe(fact);
  });
});

test('a session is broken by what breaks its rules, not by a defect of this node', () => {
  expect([malformed, new RangeError('the rules'), new TypeError('a defect')].map(isViolation)).toEqual([
    true,
    true,
    false,
  ]);
});
