import { CodecError, DiscoveryError, RpcError, type RpcErrorCode } from '@lloom/behaviour';
import { describe, expect, test } from 'vitest';
import { GatewayError } from './errors.ts';
import { denialContent, failureContent, failureOf } from './failures.ts';

const about = { requestId: 'r-1', peerId: '16Uiu2HAmRvMmsCrSbBCeCLURQLNLZB1jx2iLGpL1vtW3VkVbEAjf' };
const said = { ...about, remoteMessage: '' };

const rpc = (code: RpcErrorCode, data: object = said): RpcError =>
  new (RpcError as new (code: RpcErrorCode, data: object) => RpcError)(code, data);
const partial = (failure: RpcErrorCode): RpcError =>
  rpc('PARTIAL_ANSWER', { ...about, tokens: 9, signedTokens: 8, totalCost: '16', failure });

interface Told {
  readonly status: number | undefined;
  readonly code: string;
  readonly type: string;
  readonly headers: Readonly<Record<string, string>>;
}

function told(error: unknown): Told {
  const { status, body, headers = {} } = failureContent(failureOf(error));
  const parsed = JSON.parse(body) as { error: { code: string; type: string } };
  return { status, code: parsed.error.code, type: parsed.error.type, headers };
}

describe('a failure over HTTP', () => {
  test.for<[error: Error, status: number, code: string]>([
    [rpc('BUSY'), 429, 'busy'],
    [rpc('RATE_LIMITED'), 429, 'rate_limited'],
    [rpc('PENDING_LIMIT', { limit: 9 }), 429, 'pending_limit'],
    [new GatewayError('TOO_MANY_REQUESTS', { limit: 9 }), 429, 'too_many_requests'],
    [rpc('PEER_AVOIDED', { ...about, retryAfterMs: 500 }), 503, 'peer_avoided'],
    [rpc('STOPPED', {}), 503, 'stopped'],
    [new GatewayError('STOPPING', { url: '' }), 503, 'stopping'],
    [new GatewayError('NOT_CONNECTED', {}), 503, 'not_connected'],
    [new GatewayError('NOBODY_SUITS', { model: 'm', reasons: ['REPUTATION'] }), 503, 'nobody_suits'],
    [new DiscoveryError('QUERY_FAILED', { key: 'k', reason: 'x' }), 503, 'query_failed'],
    [rpc('TIMEOUT', { ...about, stage: 'awaiting', waitedMs: 9, limitMs: 9 }), 504, 'deadline'],
    [rpc('FIRST_BYTE_TIMEOUT', { ...about, limitMs: 9 }), 504, 'first_byte_timeout'],
    [rpc('IDLE_TIMEOUT', { ...about, limitMs: 9 }), 504, 'idle_timeout'],
    [new GatewayError('DEADLINE', { limitMs: 9 }), 504, 'deadline'],
    [rpc('REMOTE'), 502, 'remote'],
    [rpc('DIAL_FAILED', { ...about, reason: 'x' }), 502, 'dial_failed'],
    [rpc('REQUEST_LOST'), 502, 'request_lost'],
    [rpc('TOO_LARGE', { ...about, what: 'response', by: 'the peer' }), 502, 'too_large'],
    [rpc('TOO_LARGE', { ...about, what: 'request', by: 'this node' }), 413, 'too_large'],
    [partial('REMOTE'), 502, 'partial_answer'],
    [partial('TIMEOUT'), 504, 'partial_answer'],
    [partial('STOPPED'), 503, 'partial_answer'],
    [rpc('MODEL_UNAVAILABLE'), 404, 'model_not_found'],
    [new GatewayError('MODEL_NOT_FOUND', { model: 'm', waitedMs: 9 }), 404, 'model_not_found'],
    [rpc('PRICE_EXCEEDED'), 402, 'price_exceeded'],
    [new GatewayError('PRICE_EXCEEDED', { model: 'm', maxPrice: '9' }), 402, 'price_exceeded'],
    [rpc('IDEMPOTENCY_CONFLICT'), 409, 'idempotency_conflict'],
    [new CodecError('INVALID_FIELD', { path: 'extra', got: 'x', wanted: 'y' }), 400, 'invalid_field'],
    [new CodecError('TOO_LARGE', { what: 'message', sizeBytes: 9, limitBytes: 8 }), 413, 'too_large'],
    [rpc('MISSING_PORT', { port: 'signer' }), 500, 'missing_port'],
    [new Error('secret'), 500, 'internal'],
  ])('%s: %i %s', ([error, status, code]) => {
    expect(told(error)).toMatchObject({ status, code });
  });

  test('says when to try again, where that may help', () => {
    expect(told(rpc('BUSY', { ...said, retryAfterMs: 2_345.6 })).headers).toEqual({
      'Retry-After': '3',
      'retry-after-ms': '2346',
    });
    expect(told(rpc('BUSY')).headers).toMatchObject({ 'Retry-After': '1' });
  });

  test('keeps programs from trying again where that does not help', () => {
    const useless = [rpc('STOPPED', {}), rpc('IDEMPOTENCY_CONFLICT'), rpc('REQUEST_LOST'), new Error('x')];
    for (const error of useless) expect(told(error).headers).toEqual({ 'x-should-retry': 'false' });
    expect(told(rpc('REMOTE')).headers).toEqual({});
    // By such a status nobody tries again.
    expect(told(rpc('PRICE_EXCEEDED')).headers).toEqual({});
  });

  test('names what has to be corrected', () => {
    const param = (error: unknown): string | null => failureOf(error).param;
    expect(param(new CodecError('INVALID_FIELD', { path: 'messages[0].extra', got: 'x', wanted: 'y' }))).toBe(
      'messages[0].extra',
    );
    expect(param(new GatewayError('INVALID_REQUEST', { param: 'n', got: '2', wanted: '1' }))).toBe('n');
    expect(param(new GatewayError('MODEL_NOT_FOUND', { model: 'm', waitedMs: 9 }))).toBe('model');
  });

  test('repeats what the executor said, and tells nothing of what nobody foresaw', () => {
    const { message } = failureOf(rpc('PRICE_EXCEEDED', { ...said, remoteMessage: 'it costs 70 wei' }));
    expect(message).toContain('It said: it costs 70 wei.');
    expect(JSON.stringify(failureContent(failureOf(new Error('secret'))))).not.toContain('secret');
  });

  test('has the types that OpenAI has', () => {
    const types = [rpc('BUSY'), rpc('PRICE_EXCEEDED'), rpc('REMOTE')].map((error) => told(error).type);
    expect(types).toEqual(['rate_limit_error', 'invalid_request_error', 'server_error']);
    const denial = denialContent({ status: 401, text: 'The token is missing or wrong.' });
    expect(JSON.parse(denial.body)).toMatchObject({
      error: { type: 'authentication_error', code: 'invalid_api_key', param: null },
    });
  });
});
