import { once } from 'node:events';
import { ConfigError, DiscoveryError, type Provider } from '@lloom/behaviour';
import { LoopbackError } from '@lloom/core/loopback';
import { beforeEach, describe, expect, test } from 'vitest';
import { answers, eventsOf, ask, get, problemOf, setUp, type Problem } from '../../test/support/gateway.ts';
import { peerId } from '../../test/support/gatewayNode.ts';
import type { Gateway } from './serveGateway.ts';

const here = setUp();

describe('a request for which there is nobody', () => {
  const nobody = (rejected: readonly string[], confirmed: number): DiscoveryError =>
    new DiscoveryError('NO_PROVIDERS', {
      ...{ kind: 'executor', model: 'demo', asked: 1, confirmed },
      rejected: rejected.map((reason) => ({ peerId, reason })),
    });
  const timeout = new DiscoveryError('QUERY_TIMEOUT', { key: 'k', waitedMs: 9, asked: 1 });
  const refused = new DiscoveryError('INVALID_QUERY', { path: 'model', got: 'x', wanted: 'y' });

  test.for<[error: Error, status: number, code: string, about?: { peers?: number; headers?: object }]>([
    [nobody([], 0), 404, 'model_not_found'],
    [timeout, 404, 'model_not_found'],
    [nobody([], 0), 503, 'not_connected', { peers: 0 }],
    [
      nobody(['PRICE_TOO_HIGH', 'EXCLUDED'], 2),
      402,
      'price_exceeded',
      { headers: { 'x-lloom-max-price': '9' } },
    ],
    [nobody(['FEATURE_MISSING'], 1), 400, 'feature_missing'],
    [nobody(['REPUTATION'], 1), 503, 'nobody_suits'],
    [refused, 400, 'invalid_request'],
    [new DiscoveryError('STOPPED', { act: 'x' }), 503, 'stopped'],
  ])('%s: %i %s', async ([error, status, code, { peers = 1, headers = {} } = {}]) => {
    here.node.select = () => Promise.reject(error);
    here.node.peers = peers;
    const response = await ask(await here.open(), { headers: headers as Record<string, string> });
    expect(response.headers.get('x-request-id')).toMatch(/^req-/);
    expect(await problemOf(response)).toEqual({ status, code });
    expect(here.node.answers).toEqual([]);
    expect(here.reports).toMatchObject([{ outcome: 'refused', status }]);
  });

  test('has run out of time when that was shorter than the search', async () => {
    here.node.select = () => new Promise((_, reject) => void setTimeout(() => reject(timeout), 3));
    const response = await ask(await here.open(), { headers: { 'x-lloom-timeout': '1ms' } });
    expect(here.node.selections[0]![1]!.timeoutMs).toBe(1);
    expect(await problemOf(response)).toEqual({ status: 504, code: 'deadline' });
  });
});

describe('requests that cannot be taken', () => {
  test('are told what is wrong with them, and nobody is asked', async () => {
    const gateway = await here.open({ maxBodyBytes: 100_000 });
    const extra = { padding: 'x'.repeat(70_000) };
    const large = await ask(gateway, { body: extra });
    expect(large.status).toBe(400);
    expect(((await large.json()) as Problem).error).toMatchObject({
      code: 'invalid_request',
      param: 'padding',
      message: expect.stringContaining('70014 bytes of JSON in padding, want at most 65536 bytes') as string,
    });
    expect(await problemOf(await ask(gateway, { body: { n: 2 } }))).toEqual({
      status: 400,
      code: 'invalid_request',
    });
    const huge = await ask(gateway, { body: { padding: 'x'.repeat(100_000) } });
    expect(await problemOf(huge)).toEqual({ status: 413, code: 'too_large' });
    expect(here.node.answers).toEqual([]);
  });

  test('are all in the shape of OpenAI, whoever refuses them', async () => {
    const gateway = await here.open();
    const statuses = [
      [await ask(gateway, { headers: { authorization: 'Bearer no' } }), 401, 'invalid_api_key'],
      [await ask(gateway, { headers: { origin: 'http://evil.example' } }), 403, 'forbidden'],
      [await ask(gateway, { path: '/embeddings' }), 404, 'unknown_path'],
      [await get(gateway, '/v1/chat/completions'), 405, 'method_not_allowed'],
    ] as const;
    for (const [response, status, code] of statuses) {
      expect(await problemOf(response)).toEqual({ status, code });
    }
  });

  test('are no more than there is room for', async () => {
    const gateway = await here.open({ maxRequests: 1 });
    const { asked } = here.node;
    const first = ask(gateway);
    const answer = await asked;
    const second = await ask(gateway);
    expect(second.headers.get('retry-after')).toBe('1');
    expect(await problemOf(second)).toEqual({ status: 429, code: 'too_many_requests' });
    answers('Hi')(answer);
    expect((await first).status).toBe(200);
  });

  test('go to who was asked before when they have the same key, and that has failed', async () => {
    const gateway = await here.open();
    const headers = { 'idempotency-key': 'once' };
    here.node.onAsked = (answer) => answer.fail(new Error('gone'));
    await ask(gateway, { headers });
    await ask(gateway, { headers });
    await ask(gateway, { headers: { 'idempotency-key': 'other' } });
    expect(here.node.selections).toHaveLength(2);
    expect(here.node.answers).toHaveLength(3);
  });
});

const pricing = (
  inboundPrice: string,
  outboundPrice: string,
): { inboundPrice: string; outboundPrice: string } => ({
  inboundPrice,
  outboundPrice,
});
const provider = (info: object): Provider =>
  ({ peerId, addresses: [], heardAt: 0, info: { kind: 'executor', ...info } }) as unknown as Provider;

describe('what is served', () => {
  beforeEach(() => {
    here.node.discover = () =>
      Promise.resolve([
        provider({ models: ['b', 'meta/llama-3'], pricing: pricing('1', '20') }),
        provider({ models: ['b'], pricing: pricing('9', '9'), modelPricing: { b: pricing('10', '3') } }),
        provider({ models: ['a'] }),
      ]);
  });

  test('is listed by name, with how many serve it and for what', async () => {
    const { data } = (await (await get(await here.open(), '/v1/models')).json()) as { data: object[] };
    expect(data).toMatchObject([
      { id: 'a', object: 'model', owned_by: 'lloom', lloom: { providers: 1 } },
      { id: 'b', lloom: { providers: 2, lowest: pricing('1', '3'), highest: pricing('10', '20') } },
      {
        id: 'meta/llama-3',
        lloom: { providers: 1, lowest: pricing('1', '20'), highest: pricing('1', '20') },
      },
    ]);
  });

  test('is found by name, also with a slash in it', async () => {
    const gateway = await here.open();
    for (const path of ['meta/llama-3', 'meta%2Fllama-3'])
      expect(await (await get(gateway, `/v1/models/${path}`)).json()).toMatchObject({ id: 'meta/llama-3' });
    const unknown = [await get(gateway, '/v1/models/c'), await get(gateway, '/v1/models/%')];
    for (const response of unknown)
      expect(await problemOf(response)).toEqual({ status: 404, code: 'model_not_found' });
  });

  test('is looked for once for all who ask at the time, and again after a failure', async () => {
    const gateway = await here.open();
    await Promise.all(['/v1/models', '/v1/models/a', '/health'].map((path) => get(gateway, path)));
    expect(here.node.searches).toBe(1);
    here.node.discover = () => Promise.reject(new DiscoveryError('NO_DHT', { key: 'k' }));
    const failing = await here.open();
    expect(await problemOf(await get(failing, '/v1/models'))).toEqual({ status: 503, code: 'no_dht' });
  });

  test('is all that /health looks at, and it tells whoever asks no more than yes or no', async () => {
    const health = async (gateway: Gateway): Promise<unknown> => {
      const response = await fetch(new URL('/health', gateway.url));
      return [response.status, await response.json()];
    };
    expect(await health(await here.open())).toEqual([200, { status: 'ok' }]);
    here.node.discover = () => Promise.resolve([]);
    expect(await health(await here.open())).toEqual([503, { status: 'unavailable' }]);
    here.node.discover = () => Promise.reject(new Error('secret'));
    expect(await health(await here.open())).toEqual([503, { status: 'unavailable' }]);
  });
});

describe('a gateway', () => {
  test('that stops says so to whoever reads a stream', async () => {
    const gateway = await here.open();
    const asked = ask(gateway, { body: { stream: true } });
    const answer = await here.node.asked;
    await answer.give('as far as');
    await gateway.close();
    const events = await eventsOf(await asked);
    expect(events.at(-1)).toMatchObject({ error: { code: 'stopping' } });
    expect(answer.call.signal?.aborted).toBe(true);
  });

  test('that is to stop lets end what is under way, and takes nothing new', async () => {
    const gateway = await here.open();
    const { asked } = here.node;
    const first = ask(gateway, { headers: { connection: 'keep-alive' } });
    const answer = await asked;
    const closed = gateway.close({ drainMs: 60_000 });
    expect(await problemOf(await ask(gateway))).toEqual({ status: 503, code: 'stopping' });
    expect((await fetch(new URL('/health', gateway.url))).status).toBe(503);
    answers('Hi')(answer);
    expect((await first).status).toBe(200);
    await closed;
    await expect(ask(gateway)).rejects.toThrow('fetch failed');
  });

  test('goes with its node, and waits for nobody longer than it was told', async () => {
    const gateway = await here.open();
    const { asked } = here.node;
    const first = ask(gateway);
    const answer = await asked;
    const cancelled = once(answer.call.signal!, 'abort');
    here.node.stop();
    expect(await problemOf(await first)).toEqual({ status: 503, code: 'stopping' });
    await cancelled;
    await gateway.close();
    await expect(here.open()).rejects.toThrow(ConfigError);
  });

  test('refuses a configuration that it cannot use, and never shows a key', async () => {
    for (const [given, path] of [
      [{ policy: 'best' as 'price' }, 'gateway.policy'],
      [{ maxPrice: '1.5' }, 'gateway.maxPrice'],
      [{ attempts: 0 }, 'gateway.attempts'],
      [{ host: '0.0.0.0' }, 'gateway.host'],
      [{ apiKey: 'a short key' }, 'gateway.apiKey'],
      [{ unknown: 1 } as object, 'gateway.unknown'],
    ] as const) {
      const error = await here.open(given).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect([given, ConfigError.is(error) && error.data.problems[0]?.path]).toEqual([given, path]);
      expect(String(error)).not.toContain('a short key');
    }
  });

  test('makes a key where none is given, and says when its port is taken', async () => {
    const { url, apiKey: made } = await here.open({ apiKey: undefined as unknown as string });
    expect(made).toMatch(/^[0-9a-f]{64}$/);
    await expect(here.open({ port: Number(new URL(url).port) })).rejects.toThrow(LoopbackError);
  });

  test('does not care when whoever is told of requests fails', async () => {
    here.node.onAsked = answers('Hi');
    const onRequest = (): never => {
      throw new Error('no');
    };
    expect((await ask(await here.open({ onRequest }))).status).toBe(200);
  });
});
