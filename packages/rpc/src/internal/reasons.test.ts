import { CodecError } from '@lloom/codec';
import { expect, test } from 'vitest';
import { Refusal, RpcError, type RpcErrorCode, type RpcErrorData } from '../errors.ts';
import { handlerFrame, refusalFrame } from './failures.ts';
import { failureOf, saidFailure } from './reasons.ts';
import { saidTexts } from './saidTexts.ts';

const request = { requestId: '1', peerId: 'peer' };
const secret = 'the question of somebody';
const invalid = new CodecError('INVALID_FIELD', { path: 'model', got: `"${secret}"`, wanted: 'a name' });
const closed = { ...request, stage: 'awaiting', outcome: 'unknown', reason: secret } as const;
const said = { ...request, remoteMessage: secret };

type Row = readonly [code: RpcErrorCode, data: object, reason: string | undefined, cause?: Error];
const rows: readonly Row[] = [
  ['TIMEOUT', { ...request, stage: 'receiving', waitedMs: 1, limitMs: 1 }, 'while receiving'],
  ['CONNECTION_CLOSED', closed, 'while awaiting, outcome unknown'],
  ['CONNECTION_CLOSED', closed, 'while awaiting, outcome unknown: TypeError', new TypeError(secret)],
  ['DIAL_FAILED', { ...request, reason: 'x'.repeat(1_000) }, `${'x'.repeat(159)}…`],
  ['TOO_LARGE', { ...request, what: 'request', by: 'the peer' }, 'the request, for the peer'],
  ['RELAY_LIMIT', { ...said, by: 'the peer' }, 'says the peer'],
  ['SIGNATURE_REFUSED', { ...said, reason: 'EXPIRED' }, 'EXPIRED'],
  ['PARTIAL_ANSWER', { ...request, tokens: 1, signedTokens: 1, totalCost: '1', failure: 'BUSY' }, 'BUSY'],
  ['INVALID_RESPONSE', { ...request, reason: secret }, 'INVALID_FIELD', invalid],
  ['MIDDLEWARE_FAILED', { ...request, reason: secret }, undefined, new Error(secret)],
  ['REMOTE', said, undefined],
  ['BUSY', { ...request, remoteMessage: saidTexts.noSlot }, saidTexts.noSlot],
  ['STOPPED', {}, undefined],
];

test.each(rows.map((row) => [row[0], row] as const))(
  'a request that failed with %s says why, and nothing that others wrote',
  (_, [code, data, reason, cause]) => {
    const error = new RpcError(code, data as RpcErrorData[typeof code], { cause });
    expect(failureOf(error)).toEqual({ code, reason });
  },
);

test.each([
  ['with what is not readable', refusalFrame(invalid), 'INVALID_REQUEST', 'INVALID_FIELD', invalid],
  [
    'for its rate',
    refusalFrame(new Refusal('RATE_LIMITED', saidTexts.tooOften)),
    'RATE_LIMITED',
    saidTexts.tooOften,
  ],
  [
    'for its clock',
    refusalFrame(new Refusal('SIGNATURE_REFUSED', secret, { reason: 'EXPIRED' })),
    'SIGNATURE_REFUSED',
    'EXPIRED',
  ],
  ['by a handler', handlerFrame(new Refusal('BUSY', secret, { reason: secret })), 'BUSY', undefined],
  ['by a handler that failed', handlerFrame(new Error(secret)), 'REMOTE', saidTexts.handlerFailed],
  ['with a code of another version', { type: 'error', code: 'ANEW', message: secret }, 'REMOTE', undefined],
] as const)('a request of a peer that was refused %s says why, and nothing that others wrote', (...row) => {
  const [, frame, code, reason, refused] = row;
  expect(saidFailure(frame, refused)).toEqual({ code, reason });
});
