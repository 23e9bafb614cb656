import { Agent } from 'node:http';
import { connect, createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';

import { ask, authorization, statusOf, talk, token } from '../../test/support/http.ts';
import { ConfigError } from '../errors.ts';
import { resolveLoopbackConfig, type LoopbackConfig } from './config.ts';
import { LoopbackError } from './errors.ts';
import { openLoopback } from './server.ts';
import type { LoopbackExchange, LoopbackRules, LoopbackServe, LoopbackServer } from './types.ts';

const body = 'seven\n';
const contentType = 'text/plain; charset=utf-8';

const opened: LoopbackServer[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((server) => server.close()));
});

const give = ({ answer }: LoopbackExchange): void => answer({ contentType, body });

const open = async (
  given: LoopbackConfig = { token },
  serve: LoopbackServe = give,
  rules: Partial<LoopbackRules> = {},
): Promise<LoopbackServer> => {
  const config = resolveLoopbackConfig('test', given);
  const server = await openLoopback(config, { realm: 'test', paths: { '/it': serve }, ...rules });
  opened.push(server);
  return server;
};

const errorOf = (act: Promise<unknown>): Promise<Error> =>
  act.then(
    () => Promise.reject(new Error('it went well')),
    (error: Error) => error,
  );

describe('a server on this machine', () => {
  it('answers whoever shows the token, on 127.0.0.1 and a free port by default', async () => {
    const server = await open();
    expect(server.origin).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    const { status, headers, text } = await ask(server);
    expect({ status, text }).toEqual({ status: 200, text: body });
    expect(headers).toMatchObject({
      'content-type': contentType,
      'content-length': String(body.length),
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    });
    expect(headers).not.toHaveProperty('access-control-allow-origin');
    expect(await ask(server, { path: '/it?format=text' })).toMatchObject({ status: 200 });
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
    const server = await open({ host: '::1', token });
    expect(server.origin).toMatch(/^http:\/\/\[::1\]:\d+$/);
    expect(await ask(server)).toMatchObject({ status: 200, text: body });
  });

  it('makes a token that nobody can guess where none is given', async () => {
    const made = await Promise.all([open({}), open({})]);
    const [one, other] = made.map((server) => server.token);
    expect(one).toMatch(/^[0-9a-f]{64}$/);
    expect(one).not.toBe(other);
    expect(await ask(made[0], { headers: { authorization: `bearer ${one}` } })).toMatchObject({
      status: 200,
    });
  });

  it('answers hosts that name this machine, with and without the port', async () => {
    const server = await open();
    const { port } = new URL(server.origin);
    const own = ['localhost', '127.0.0.1', '127.8.0.1', '[::1]', 'LocalHost'];
    for (const host of own.flatMap((name) => [name, `${name}:${port}`]))
      expect([host, await statusOf(ask(server, { headers: { host } }))]).toEqual([host, 200]);
  });

  it('refuses hosts that others have pointed to this machine, token or not', async () => {
    const server = await open();
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
      expect([host, await statusOf(ask(server, { headers: { host } }))]).toEqual([host, 403]);
    const { port } = new URL(server.origin);
    for (const hosts of [`Host: localhost:${port}\r\nHost: evil.example`, 'Host:', 'X-No: Host']) {
      const said = `GET /it HTTP/1.1\r\n${hosts}\r\nAuthorization: ${authorization}\r\n\r\n`;
      expect(hosts + (await talk(server, said))).toMatch(/HTTP\/1\.1 40[03] /);
    }
  });

  it('refuses pages of elsewhere, token or not', async () => {
    const server = await open();
    const own = new URL(server.origin).origin;
    expect(await ask(server, { headers: { origin: own } })).toMatchObject({ status: 200 });
    for (const origin of [
      'http://evil.example',
      'http://localhost:3000',
      'null',
      own.replace('http', 'https'),
    ])
      expect([origin, await statusOf(ask(server, { headers: { origin } }))]).toEqual([origin, 403]);
  });

  it('refuses whoever shows no token or another one, whatever is asked for', async () => {
    let asked = 0;
    const server = await open({ token }, ({ answer }) => answer({ body: String(asked++), contentType }));
    for (const shown of [
      '',
      'Bearer',
      `Basic ${token}`,
      `${authorization}x`,
      authorization.slice(0, -1),
      token,
    ])
      for (const path of ['/it', '/other']) {
        const { status, headers } = await ask(server, { path, headers: { authorization: shown } });
        expect({ status, shown }).toEqual({ status: 401, shown });
        expect(headers['www-authenticate']).toMatch(/^Bearer /);
        expect(headers.connection).toBe('close');
      }
    expect(asked).toBe(0);
  });

  it('serves nothing else', async () => {
    const server = await open();
    for (const path of ['/', '/it/', '/itx', '//it', '/../it', 'http://evil.example/it'])
      expect([path, await statusOf(ask(server, { path }))]).toEqual([path, 404]);
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE']) {
      const { status, headers } = await ask(server, { method });
      expect({ method, status, allow: headers.allow }).toEqual({ method, status: 405, allow: 'GET, HEAD' });
    }
    expect(await ask(server, { method: 'POST', content: 'x' })).toMatchObject({ status: 413 });
  });

  it('ends connections that say nothing, too little, or too much', async () => {
    const server = await open({ token }, undefined, { limits: { requestMs: 40 } });
    const [silent, slow, large] = await Promise.all([
      talk(server),
      talk(server, 'GET /it HTTP/1.1\r\nHost: local'),
      talk(server, `GET /it HTTP/1.1\r\nX-Large: ${'x'.repeat(20_000)}\r\n\r\n`),
    ]);
    expect([silent, slow, large].join('')).not.toContain(body);
    expect(slow).toMatch(/^HTTP\/1\.1 408 /);
    expect(large).toMatch(/^HTTP\/1\.1 431 /);
  });

  it('ends an answer that takes too long', async () => {
    const server = await open({ token }, () => new Promise(() => undefined), { limits: { answerMs: 20 } });
    expect(await errorOf(ask(server))).toMatchObject({ code: 'ECONNRESET' });
  });

  it('is open to whoever has the token while others keep connections without', async () => {
    const server = await open();
    const keeper = new Agent({ keepAlive: true });
    expect(await ask(server, { agent: keeper })).toMatchObject({ status: 200 });
    const silent = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const socket = connect(Number(new URL(server.origin).port), '127.0.0.1');
        const closed = new Promise((resolve) => void socket.once('close', resolve));
        await new Promise((resolve) => void socket.on('error', () => undefined).once('connect', resolve));
        return { socket, closed };
      }),
    );
    expect(await ask(server)).toMatchObject({ status: 200, text: body });
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
    expect(LoopbackError.is(error, 'LISTEN_FAILED')).toBe(true);
    expect(error).toMatchObject({ data: { host: '127.0.0.1', port, reason: 'the port is in use' } });
    expect(JSON.stringify(error) + error.message).not.toContain(token);
  });

  it('listens on this machine alone, and never shows a token that it cannot use', async () => {
    const wrong: LoopbackConfig[] = [
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
      expect(error.message).not.toContain(given.token ?? token);
    }
  });

  it('closes with everything that is open to it, any number of times', async () => {
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    const server = await open({ token }, () => {
      resolve();
      return new Promise(() => undefined);
    });
    const [silent, waiting] = [talk(server), errorOf(ask(server))];
    await asked;
    await Promise.all([server.close(), server.close()]);
    expect(await silent).toBe('');
    expect(await waiting).toMatchObject({ code: 'ECONNRESET' });
    expect(await errorOf(ask(server))).toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('takes a token in the URL only where browsers shall open it, and not beside a wrong one', async () => {
    const rules = { isTokenInUrl: true };
    const [closed, browsed] = await Promise.all([open(), open(undefined, undefined, rules)]);
    const without = { authorization: undefined };
    const path = `/it?token=${token}`;
    const statuses = [
      ask(closed, { path, headers: without }),
      ask(browsed, { path, headers: without }),
      ask(browsed, { path: `${path}&token=other`, headers: without }),
      ask(browsed, { path: `/it?token=other&token=${token}`, headers: without }),
      ask(browsed, { path: `${path}x`, headers: without }),
      ask(browsed, { path: '/it?token=', headers: without }),
      ask(browsed, { path, headers: { authorization: 'Bearer other' } }),
      ask(browsed, { path: '/it' }),
    ].map(statusOf);
    expect(await Promise.all(statuses)).toEqual([401, 200, 200, 401, 401, 401, 401, 200]);
  });

  it('streams for longer than an answer may take', async () => {
    const { promise: begun, resolve } =
      Promise.withResolvers<NonNullable<ReturnType<LoopbackExchange['stream']>>>();
    const streamed: LoopbackServe = ({ stream }) => {
      const response = stream('text/event-stream');
      if (response !== undefined) resolve(response);
    };
    const server = await open(undefined, streamed, { limits: { answerMs: 20 } });
    expect(await ask(server, { method: 'HEAD' })).toMatchObject({ status: 200, text: '' });
    const asked = ask(server);
    const response = await begun;
    response.write('one ');
    // Another answer takes too long meanwhile, and so the time is over.
    expect(
      await errorOf(ask(await open(undefined, () => undefined, { limits: { answerMs: 40 } }))),
    ).toBeDefined();
    response.end('two');
    expect(await asked).toMatchObject({ status: 200, text: 'one two' });
  });

  it('tells nothing of why it cannot answer', async () => {
    const reasons = [() => Promise.reject(new Error('secret')), () => raise('secret')];
    for (const serve of reasons) {
      const answer = await ask(await open(undefined, serve));
      expect(answer.status).toBe(500);
      expect(JSON.stringify(answer)).not.toContain('secret');
    }
  });
});

const raise = (message: string): never => {
  throw new Error(message);
};
