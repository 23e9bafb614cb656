import { Agent, request, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http';
import { connect, createServer } from 'node:net';
import { ConfigError } from '@lloom/core';
import { afterEach, describe, expect, it } from 'vitest';

import { MetricsError } from '../errors.ts';
import type { MetricsEndpoint } from '../types.ts';
import { openEndpoint } from './endpoint.ts';

const token = 'a-token-of-a-test';
const authorization = `Bearer ${token}`;
const body = 'lloom_messages_total 7\n';
const contentType = 'text/plain; version=0.0.4; charset=utf-8';

const opened: MetricsEndpoint[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((endpoint) => endpoint.close()));
});

type Text = Parameters<typeof openEndpoint>[1];

const open = async (
  given: Parameters<typeof openEndpoint>[0] = { token },
  text: Text = async () => ({ body, contentType }),
  limits?: Parameters<typeof openEndpoint>[2],
): Promise<MetricsEndpoint> => {
  const endpoint = await openEndpoint(given, text, limits);
  opened.push(endpoint);
  return endpoint;
};

interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly content?: string;
  readonly agent?: Agent;
}

interface Answered {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

const ask = ({ url }: MetricsEndpoint, asked: Asked = {}): Promise<Answered> => {
  const { promise, resolve, reject } = Promise.withResolvers<Answered>();
  const { hostname, port, pathname } = new URL(url);
  const { agent = false, content, headers, method = 'GET', path = pathname } = asked;
  const call = request({
    host: hostname.replaceAll(/[[\]]/g, ''),
    ...{ port, method, path, agent },
    headers: { authorization, ...headers },
  });
  call.on('error', reject);
  call.on('response', (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (part: string) => (text += part));
    response.on('error', reject);
    response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }));
  });
  call.end(content);
  return promise;
};

/** What comes on a connection until its end. */
const talk = ({ url }: MetricsEndpoint, said = ''): Promise<string> => {
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = '';
  const socket = connect(Number(new URL(url).port), '127.0.0.1', () => void socket.write(said));
  socket.setEncoding('utf8').on('data', (part: string) => (text += part));
  socket.on('error', () => undefined);
  socket.on('close', () => resolve(text));
  return promise;
};

const statusOf = async (answer: Promise<Answered>): Promise<number | undefined> => (await answer).status;

const errorOf = (act: Promise<unknown>): Promise<Error> =>
  act.then(
    () => Promise.reject(new Error('it went well')),
    (error: Error) => error,
  );

describe('an endpoint for Prometheus', () => {
  it('gives the figures to whoever shows the token, on 127.0.0.1 and a free port by default', async () => {
    const endpoint = await open();
    expect(endpoint.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
    const { status, headers, text } = await ask(endpoint);
    expect({ status, text }).toEqual({ status: 200, text: body });
    expect(headers).toMatchObject({
      'content-type': contentType,
      'content-length': String(body.length),
      'cache-control': 'no-store',
    });
    expect(headers).not.toHaveProperty('access-control-allow-origin');
    expect(await ask(endpoint, { path: '/metrics?format=text' })).toMatchObject({ status: 200 });
  });

  it('gives the headers alone to a HEAD', async () => {
    const { status, headers, text } = await ask(await open(), { method: 'HEAD' });
    expect({ status, text, length: headers['content-length'] }).toEqual({
      status: 200,
      text: '',
      length: String(body.length),
    });
  });

  it('answers on ::1 as well', async () => {
    const endpoint = await open({ host: '::1', token });
    expect(endpoint.url).toMatch(/^http:\/\/\[::1\]:\d+\/metrics$/);
    expect(await ask(endpoint)).toMatchObject({ status: 200, text: body });
  });

  it('makes a token that nobody can guess where none is given', async () => {
    const made = await Promise.all([open({}), open({})]);
    const [one, other] = made.map((endpoint) => endpoint.token);
    expect(one).toMatch(/^[0-9a-f]{64}$/);
    expect(one).not.toBe(other);
    expect(await ask(made[0], { headers: { authorization: `bearer ${one}` } })).toMatchObject({
      status: 200,
    });
  });

  it('answers hosts that name this machine, with and without the port', async () => {
    const endpoint = await open();
    const { port } = new URL(endpoint.url);
    const own = ['localhost', '127.0.0.1', '127.8.0.1', '[::1]', 'LocalHost'];
    for (const host of own.flatMap((name) => [name, `${name}:${port}`]))
      expect([host, await statusOf(ask(endpoint, { headers: { host } }))]).toEqual([host, 200]);
  });

  it('refuses hosts that others have pointed to this machine, token or not', async () => {
    const endpoint = await open();
    const foreign = [
      'evil.example',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      '127.0.0.1@evil.example',
      '10.0.0.1',
      '0.0.0.0',
      '[::]',
      'localhost:1',
      'localhost:',
    ];
    for (const host of foreign)
      expect([host, await statusOf(ask(endpoint, { headers: { host } }))]).toEqual([host, 403]);
    const { port } = new URL(endpoint.url);
    for (const hosts of [`Host: localhost:${port}\r\nHost: evil.example`, 'Host:', 'X-No: Host']) {
      const said = `GET /metrics HTTP/1.1\r\n${hosts}\r\nAuthorization: ${authorization}\r\n\r\n`;
      expect(hosts + (await talk(endpoint, said))).toMatch(/HTTP\/1\.1 40[03] /);
    }
  });

  it('refuses pages of elsewhere, token or not', async () => {
    const endpoint = await open();
    const own = new URL(endpoint.url).origin;
    expect(await ask(endpoint, { headers: { origin: own } })).toMatchObject({ status: 200 });
    for (const origin of [
      'http://evil.example',
      'http://localhost:3000',
      'null',
      own.replace('http', 'https'),
    ])
      expect([origin, await statusOf(ask(endpoint, { headers: { origin } }))]).toEqual([origin, 403]);
  });

  it('refuses whoever shows no token or another one, whatever is asked for', async () => {
    let asked = 0;
    const endpoint = await open({ token }, async () => ({ body: String(asked++), contentType }));
    for (const shown of [
      '',
      'Bearer',
      `Basic ${token}`,
      `${authorization}x`,
      authorization.slice(0, -1),
      token,
    ])
      for (const path of ['/metrics', '/other']) {
        const { status, headers } = await ask(endpoint, { path, headers: { authorization: shown } });
        expect({ status, shown }).toEqual({ status: 401, shown });
        expect(headers['www-authenticate']).toMatch(/^Bearer /);
        expect(headers.connection).toBe('close');
      }
    expect(asked).toBe(0);
  });

  it('serves nothing else', async () => {
    const endpoint = await open();
    for (const path of [
      '/',
      '/metrics/',
      '/metricsx',
      '//metrics',
      '/../metrics',
      'http://evil.example/metrics',
    ])
      expect([path, await statusOf(ask(endpoint, { path }))]).toEqual([path, 404]);
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE']) {
      const { status, headers } = await ask(endpoint, { method });
      expect({ method, status, allow: headers.allow }).toEqual({ method, status: 405, allow: 'GET, HEAD' });
    }
    expect(await ask(endpoint, { method: 'POST', content: 'x' })).toMatchObject({ status: 413 });
  });

  it('tells nothing of why figures cannot be given, and gives them the next time', async () => {
    const failures = [() => Promise.reject(new Error('secret')), () => raise('secret')];
    let turn = 0;
    const endpoint = await open(
      { token },
      () => failures[turn++]?.() ?? Promise.resolve({ body, contentType }),
    );
    for (const _ of failures) {
      const answer = await ask(endpoint);
      expect(answer.status).toBe(500);
      expect(JSON.stringify(answer)).not.toContain('secret');
    }
    expect(await ask(endpoint)).toMatchObject({ status: 200 });
  });

  it('works the figures out once for all who come at the same time', async () => {
    const { promise, resolve } = Promise.withResolvers<{ body: string; contentType: string }>();
    let asked = 0;
    const endpoint = await open({ token }, () =>
      asked++ === 0 ? promise : Promise.resolve({ body, contentType }),
    );
    const answers = Promise.all(Array.from({ length: 8 }, () => ask(endpoint)));
    // Asked behind the others, it is refused behind them as well.
    await ask(endpoint, { headers: { authorization: '' } });
    resolve({ body, contentType });
    expect((await answers).map(({ text }) => text)).toEqual(Array.from({ length: 8 }, () => body));
    expect(asked).toBeLessThan(8);
  });

  it('ends connections that say nothing, too little, or too much', async () => {
    const endpoint = await open({ token }, undefined, { requestMs: 40 });
    const [silent, slow, large] = await Promise.all([
      talk(endpoint),
      talk(endpoint, 'GET /metrics HTTP/1.1\r\nHost: local'),
      talk(endpoint, `GET /metrics HTTP/1.1\r\nX-Large: ${'x'.repeat(20_000)}\r\n\r\n`),
    ]);
    expect([silent, slow, large].join('')).not.toContain(body);
    expect(slow).toMatch(/^HTTP\/1\.1 408 /);
    expect(large).toMatch(/^HTTP\/1\.1 431 /);
  });

  it('ends an answer that takes too long', async () => {
    const endpoint = await open({ token }, () => new Promise(() => undefined), { answerMs: 20 });
    expect(await errorOf(ask(endpoint))).toMatchObject({ code: 'ECONNRESET' });
  });

  it('gives figures again after they could not be had in time', async () => {
    let asked = 0;
    const text: Text = () =>
      asked++ === 0 ? new Promise(() => undefined) : Promise.resolve({ body, contentType });
    const endpoint = await open({ token }, text, { answerMs: 20 });
    expect(await errorOf(ask(endpoint))).toMatchObject({ code: 'ECONNRESET' });
    expect(await ask(endpoint)).toMatchObject({ status: 200, text: body });
  });

  it('is open to whoever has the token while others keep connections without', async () => {
    const endpoint = await open();
    const keeper = new Agent({ keepAlive: true });
    expect(await ask(endpoint, { agent: keeper })).toMatchObject({ status: 200 });
    const silent = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const socket = connect(Number(new URL(endpoint.url).port), '127.0.0.1');
        const closed = new Promise((resolve) => void socket.once('close', resolve));
        await new Promise((resolve) => void socket.on('error', () => undefined).once('connect', resolve));
        return { socket, closed };
      }),
    );
    expect(await ask(endpoint)).toMatchObject({ status: 200, text: body });
    // The oldest have gone; who has shown the token before all of them has not.
    await Promise.all(silent.slice(0, 9).map(({ closed }) => closed));
    expect(silent.at(-1)?.socket.destroyed).toBe(false);
    expect(Object.keys(keeper.freeSockets)).toHaveLength(1);
    for (const { socket } of silent) socket.destroy();
    keeper.destroy();
  });

  it('says so when its port is taken, without the token', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => void other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as { port: number };
    const error = await errorOf(open({ port, token }));
    await new Promise((resolve) => void other.close(resolve));
    expect(MetricsError.is(error, 'ENDPOINT_FAILED')).toBe(true);
    expect(error).toMatchObject({ data: { host: '127.0.0.1', port, reason: 'the port is in use' } });
    expect(JSON.stringify(error) + error.message).not.toContain(token);
  });

  it('listens on this machine alone, and never shows a token that it cannot use', async () => {
    const wrong: Parameters<typeof openEndpoint>[0][] = [
      ...['0.0.0.0', '::', '10.0.0.1', 'example.org', '127.0.0.256', '127.1', '128.0.0.1', ''].map(
        (host) => ({
          host,
        }),
      ),
      ...[-1, 65_536, 1.5].map((port) => ({ port })),
      ...['short', 'with a blank in between', 'x'.repeat(257), 'línea-de-un-token'].map((one) => ({
        token: one,
      })),
    ];
    for (const given of wrong) {
      const error = await errorOf(open(given));
      expect([given, ConfigError.is(error)]).toEqual([given, true]);
      expect(error.message).not.toContain(given?.token ?? token);
    }
  });

  it('closes with everything that is open to it, any number of times', async () => {
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    const endpoint = await open({ token }, () => {
      resolve();
      return new Promise(() => undefined);
    });
    const [silent, waiting] = [talk(endpoint), errorOf(ask(endpoint))];
    await asked;
    await Promise.all([endpoint.close(), endpoint.close()]);
    expect(await silent).toBe('');
    expect(await waiting).toMatchObject({ code: 'ECONNRESET' });
    expect(await errorOf(ask(endpoint))).toMatchObject({ code: 'ECONNREFUSED' });
  });
});

const raise = (message: string): never => {
  throw new Error(message);
};
