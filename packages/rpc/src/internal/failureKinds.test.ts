import { expect, test } from 'vitest';
import { RpcError, saidCodes, type RpcErrorCode, type RpcErrorData } from '../errors.ts';
import { kindOf, retryAfterMsOf, type FailureKind } from './failureKinds.ts';

function failed<C extends RpcErrorCode>(code: C, data: Partial<RpcErrorData[C]> = {}): RpcError {
  return new RpcError(code, { requestId: 'r-1', peerId: 'a', ...data } as RpcErrorData[C]);
}

/** What a request can end with. */
const ofRequests = [
  'TIMEOUT',
  'DIAL_TIMEOUT',
  'FIRST_BYTE_TIMEOUT',
  'IDLE_TIMEOUT',
  'CANCELLED',
  'DIAL_FAILED',
  'CONNECTION_CLOSED',
  'INVALID_RESPONSE',
  'SIGNATURE_INVALID',
  'AUDIENCE_MISMATCH',
  'PARTIAL_ANSWER',
  'PENDING_LIMIT',
  'PEER_AVOIDED',
  'MIDDLEWARE_FAILED',
  'STOPPED',
  ...saidCodes,
] as const;

/** The codes of which something holds. */
const codes = (holds: (kind: FailureKind) => boolean): RpcErrorCode[] =>
  ofRequests.filter((code) => holds(kindOf(failed(code))));

test('a request may have run unless it surely has not', () => {
  expect(codes(({ mayHaveRun }) => mayHaveRun)).toEqual([
    'TIMEOUT',
    'FIRST_BYTE_TIMEOUT',
    'IDLE_TIMEOUT',
    'CANCELLED',
    'CONNECTION_CLOSED',
    'INVALID_RESPONSE',
    'SIGNATURE_INVALID',
    'PARTIAL_ANSWER',
    'STOPPED',
    'REMOTE',
    'REQUEST_LOST',
    'RELAY_LIMIT',
    'OMITTED',
    'TOO_LARGE',
  ]);
});

test('whether it has run follows from what was sent, and from who says it', () => {
  const pairs: [RpcError, RpcError][] = [
    [
      failed('CONNECTION_CLOSED', { outcome: 'not sent' }),
      failed('CONNECTION_CLOSED', { outcome: 'unknown' }),
    ],
    [failed('TIMEOUT', { stage: 'dialing' }), failed('TIMEOUT', { stage: 'awaiting' })],
    [failed('RELAY_LIMIT', { by: 'this node' }), failed('RELAY_LIMIT', { by: 'the peer' })],
    [failed('TOO_LARGE', { what: 'request' }), failed('TOO_LARGE', { what: 'response' })],
  ];
  for (const [unsent, sent] of pairs)
    expect([kindOf(unsent).mayHaveRun, kindOf(sent).mayHaveRun], `after ${sent.code}`).toEqual([false, true]);
});

test('a request that would end the same way everywhere is not made again', () => {
  const asked = codes(({ again }) => again !== 'never');
  for (const code of ['TIMEOUT', 'CANCELLED', 'STOPPED', 'TOO_LARGE', 'INVALID_REQUEST', 'MIDDLEWARE_FAILED'])
    expect(asked).not.toContain(code);
  expect(asked).not.toContain('IDEMPOTENCY_CONFLICT');
});

test('a peer is asked again when what it failed by may pass', () => {
  expect(codes(({ again }) => again === 'anywhere')).toEqual([
    'DIAL_TIMEOUT',
    'FIRST_BYTE_TIMEOUT',
    'IDLE_TIMEOUT',
    'DIAL_FAILED',
    'CONNECTION_CLOSED',
    'PEER_AVOIDED',
    'REMOTE',
    'BUSY',
    'RATE_LIMITED',
    'OMITTED',
  ]);
});

test('no word of a peer counts against it as a breakdown but that it broke down', () => {
  const fails = saidCodes.filter((code) => kindOf(failed(code)).peer === 'fails');
  expect(fails).toEqual(['REMOTE', 'OMITTED']);
  const busy = saidCodes.filter((code) => kindOf(failed(code)).peer === 'busy');
  expect(busy).toEqual(['BUSY', 'RATE_LIMITED']);
});

test('what says nothing of a peer does not count for or against it', () => {
  for (const code of ['CANCELLED', 'STOPPED', 'PEER_AVOIDED', 'MIDDLEWARE_FAILED'] as const)
    expect(kindOf(failed(code)).peer, `after ${code}`).toBe('unknown');
});

test('a peer is left alone as long as it says, and not at all when it says nothing', () => {
  expect(retryAfterMsOf(failed('BUSY', { retryAfterMs: 700 }))).toBe(700);
  expect(retryAfterMsOf(failed('RATE_LIMITED', { retryAfterMs: 60_000 }))).toBe(60_000);
  expect(retryAfterMsOf(failed('PEER_AVOIDED', { retryAfterMs: 15_000 }))).toBe(15_000);
  for (const code of saidCodes) expect(retryAfterMsOf(failed(code)), `after ${code}`).toBe(0);
});
