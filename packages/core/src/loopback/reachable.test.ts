import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';

import { ask, authorization, statusOf, talk, token } from '../../test/support/http.ts';
import { ConfigError } from '../errors.ts';
import { resolveLoopbackConfig, resolveReachableConfig, type ReachableConfig } from './config.ts';
import { openLoopback } from './server.ts';
import type { LoopbackExchange, LoopbackRules, LoopbackServe, LoopbackServer } from './types.ts';

const opened: LoopbackServer[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((server) => server.close()));
});

const contentType = 'text/plain; charset=utf-8';
const give: LoopbackServe = ({ answer }) => answer({ contentType, body: 'seven' });
const post = { method: 'POST', maxBodyBytes: 1_000, serve: give } as const;

const open = async (
  paths: LoopbackRules['paths'] = { '/it': give },
  given: ReachableConfig = {},
  rules: Partial<LoopbackRules> = {},
): Promise<LoopbackServer> => {
  const config = resolveReachableConfig('test', { token, ...given });
  const server = await openLoopback(config, { realm: 'test', paths, ...rules });
  opened.push(server);
  return server;
};

const portOf = ({ origin }: LoopbackServer): number => Number(new URL(origin).port);

describe('hosts and origins that were named', () => {
  const given = {
    allowedHosts: ['gateway.lan', 'other.lan:80'],
    allowedOrigins: ['https://chat.example'],
  };

  it('are answered, and no others', async () => {
    const server = await open(undefined, given);
    const hosts: [string, number][] = [
      ['gateway.lan', 200],
      [`GATEWAY.lan:${portOf(server)}`, 200],
      ['other.lan:80', 200],
      ['localhost', 200],
      ['gateway.lan:80', 403],
      ['other.lan', 403],
      [`other.lan:${portOf(server)}`, 403],
      ['x.gateway.lan', 403],
    ];
    for (const [host, status] of hosts)
      expect([host, await statusOf(ask(server, { headers: { host } }))]).toEqual([host, status]);
    for (const [origin, status] of [
      ['https://chat.example', 200],
      ['http://chat.example', 403],
      ['https://chat.example:444', 403],
      ['https://evil.example', 403],
    ] as const)
      expect([origin, await statusOf(ask(server, { headers: { origin } }))]).toEqual([origin, status]);
  });

  it('may read answers in a page, denials as well, and only they', async () => {
    const server = await open(undefined, given);
    const origin = 'https://chat.example';
    const readable = { 'access-control-allow-origin': origin, vary: 'Origin' };
    expect((await ask(server, { headers: { origin } })).headers).toMatchObject(readable);
    const denied = await ask(server, { headers: { origin, authorization: 'Bearer no' } });
    expect(denied).toMatchObject({ status: 401, headers: readable });
    expect((await ask(server)).headers).not.toHaveProperty('access-control-allow-origin');
  });

  it('are told in a preflight what a page may send, without a token', async () => {
    const server = await open({ '/it': post }, given);
    const preflight = (origin: string): ReturnType<typeof ask> =>
      ask(server, {
        method: 'OPTIONS',
        headers: {
          authorization: undefined,
          origin,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'authorization,content-type',
          'access-control-request-private-network': 'true',
        },
      });
    expect(await preflight('https://chat.example')).toMatchObject({
      status: 204,
      headers: {
        'access-control-allow-origin': 'https://chat.example',
        'access-control-allow-methods': 'GET, HEAD, POST',
        'access-control-allow-headers': 'authorization,content-type',
        'access-control-allow-private-network': 'true',
      },
    });
    const refused = await preflight('https://evil.example');
    expect(refused.status).toBe(403);
    expect(refused.headers).not.toHaveProperty('access-control-allow-origin');
  });

  it('are needed to listen for other machines', async () => {
    for (const [config, path] of [
      [{ host: '0.0.0.0' }, 'test.host'],
      [{ host: '::', allowedHosts: [] }, 'test.host'],
      [{ host: 'example.org', allowedHosts: ['example.org'] }, 'test.host'],
      [{ allowedHosts: ['http://gateway.lan'] }, 'test.allowedHosts'],
      [{ allowedHosts: ['gateway.lan/'] }, 'test.allowedHosts'],
      [{ allowedHosts: ['*'] }, 'test.allowedHosts'],
      [{ allowedOrigins: ['*'] }, 'test.allowedOrigins'],
      [{ allowedOrigins: ['null'] }, 'test.allowedOrigins'],
      [{ allowedOrigins: ['https://chat.example/'] }, 'test.allowedOrigins'],
      [{ allowedOrigins: ['chat.example'] }, 'test.allowedOrigins'],
    ] as const) {
      const error = thrown(() => resolveReachableConfig('test', config));
      expect([config, ConfigError.is(error) && error.data.problems[0]?.path]).toEqual([config, path]);
    }
    expect(resolveReachableConfig('test', { host: '0.0.0.0', allowedHosts: ['[fd00::5]:80'] })).toMatchObject(
      {
        host: '0.0.0.0',
      },
    );
    // What is for this machine alone stays there, whatever it is given.
    expect(thrown(() => resolveLoopbackConfig('test', { host: '0.0.0.0', ...given }))).toBeInstanceOf(
      ConfigError,
    );
  });
});

describe('a path', () => {
  it('that is open is answered without a token, with Host and Origin judged all the same', async () => {
    const server = await open({ '/it': { serve: give, isOpen: true }, '/other': give });
    const without = { authorization: undefined };
    expect(await ask(server, { headers: without })).toMatchObject({ status: 200, text: 'seven' });
    expect(await statusOf(ask(server, { path: '/other', headers: without }))).toBe(401);
    for (const headers of [{ host: 'evil.example' }, { origin: 'http://evil.example' }])
      expect(await statusOf(ask(server, { headers: { ...without, ...headers } }))).toBe(403);
  });

  it('that ends with a star stands for all below it, and not for itself', async () => {
    const tell: LoopbackServe = ({ answer, path }) => answer({ contentType, body: path });
    const server = await open({ '/models': give, '/models/*': tell });
    expect(await ask(server, { path: '/models' })).toMatchObject({ text: 'seven' });
    expect(await ask(server, { path: '/models/a%2Fb/c?d=e' })).toMatchObject({ text: '/models/a%2Fb/c' });
    for (const path of ['/models/', '/model', '/modelsx'])
      expect([path, await statusOf(ask(server, { path }))]).toEqual([path, 404]);
    expect(await ask(server, { path: '/models/*' })).toMatchObject({ text: '/models/*' });
  });

  it('takes its own method alone', async () => {
    const server = await open({ '/it': post });
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS'])
      expect(await ask(server, { method })).toMatchObject({ status: 405, headers: { allow: 'POST' } });
    expect(await ask(server, { method: 'POST', content: 'x' })).toMatchObject({ status: 200 });
  });
});

describe('a body', () => {
  const echo = {
    ...post,
    serve: ({ answer, body }: LoopbackExchange) =>
      answer({ contentType, body: Buffer.from(body).toString() }),
  };

  it('is read to its end, in one piece or in many, connection after connection', async () => {
    const server = await open({ '/it': echo });
    const text = 'é'.repeat(500);
    expect(await ask(server, { method: 'POST', content: text })).toMatchObject({ status: 200, text });
    const pieces = await talk(
      server,
      `POST /it HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${authorization}\r\nTransfer-Encoding: chunked\r\n` +
        'Connection: close\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n',
    );
    expect(pieces).toMatch(/^HTTP\/1\.1 200 [^]*\r\n\r\nonetwo$/);
    expect(await ask(server, { method: 'POST' })).toMatchObject({ status: 200, text: '' });
  });

  it('that is too large is refused before it is read, and whoever sends it is told', async () => {
    let served = 0;
    const server = await open({ '/it': { ...post, serve: () => void served++ } });
    const large = await ask(server, { method: 'POST', content: 'x'.repeat(1_001) });
    expect(large).toMatchObject({
      status: 413,
      text: 'A body has at most 1000 bytes here. This one has 1001.',
      headers: { connection: 'close' },
    });
    // So much that the connection does not hold it: the answer comes all the same.
    const huge = { method: 'POST', content: Buffer.alloc(3_000_000) };
    expect(await statusOf(ask(server, huge))).toBe(413);
    expect(await statusOf(ask(server, { ...huge, headers: { authorization: 'Bearer no' } }))).toBe(401);
    const chunk = `3e9\r\n${'x'.repeat(1_001)}\r\n`;
    const unknown = await talk(
      server,
      `POST /it HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${authorization}\r\nTransfer-Encoding: chunked\r\n\r\n` +
        `${chunk}0\r\n\r\n`,
    );
    expect(unknown).toMatch(/^HTTP\/1\.1 413 [^]*This one is larger\.$/);
    expect(served).toBe(0);
  });

  it('of which nothing comes ends the connection', async () => {
    const server = await open({ '/it': echo }, {}, { limits: { requestMs: 40 } });
    const said = `POST /it HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${authorization}\r\nContent-Length: 9\r\n\r\nx`;
    expect(await talk(server, said)).toMatch(/^HTTP\/1\.1 408 /);
  });
});

describe('an answer', () => {
  it('has any status, and the connection is kept', async () => {
    const teapot: LoopbackServe = ({ answer }) =>
      answer({ status: 418, contentType, body: 'no', headers: { 'Retry-After': '1' } });
    const { status, headers } = await ask(await open({ '/it': teapot }), {
      headers: { connection: 'keep-alive' },
    });
    expect({ status, headers }).toMatchObject({
      status: 418,
      headers: { connection: 'keep-alive', 'retry-after': '1' },
    });
  });

  it('may be long in coming where its path is patient', async () => {
    const { promise: asked, resolve } = Promise.withResolvers<LoopbackExchange>();
    const paths = { '/it': { serve: resolve, isPatient: true }, '/hasty': () => undefined };
    const server = await open(paths, {}, { limits: { answerMs: 20 } });
    const answered = ask(server);
    const { answer } = await asked;
    // Time enough for the other one to be over.
    await expect(ask(server, { path: '/hasty' })).rejects.toMatchObject({ code: 'ECONNRESET' });
    answer({ contentType, body: 'seven' });
    expect(await answered).toMatchObject({ status: 200, text: 'seven' });
  });

  it('is given up when its reader leaves, and not when it has come', async () => {
    const exchanges: LoopbackExchange[] = [];
    const waiters: (() => void)[] = [];
    const hold: LoopbackServe = (exchange) => {
      exchanges.push(exchange);
      waiters.shift()?.();
    };
    const server = await open({ '/it': hold });
    const arrival = new Promise<void>((resolve) => waiters.push(resolve));
    const socket = connect(portOf(server), '127.0.0.1');
    socket.write(`GET /it HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${authorization}\r\n\r\n`);
    await arrival;
    const left = once(exchanges[0]!.signal, 'abort');
    socket.destroy();
    await left;
    const next = new Promise<void>((resolve) => waiters.push(resolve));
    const answered = ask(server);
    await next;
    exchanges[1]!.answer({ contentType, body: 'seven' });
    await answered;
    await server.close();
    expect(exchanges[1]!.signal.aborted).toBe(false);
  });

  it('is denied in the form that the server chose, whoever denies it', async () => {
    const denialContent = ({
      status,
      text,
    }: {
      status: number;
      text: string;
    }): { contentType: string; body: string } => ({
      contentType: 'application/json',
      body: JSON.stringify({ status, text }),
    });
    const paths = { '/it': ({ deny }: LoopbackExchange) => deny({ status: 503, text: 'no room' }) };
    const server = await open(paths, {}, { denialContent });
    expect(await ask(server)).toMatchObject({ status: 503, text: '{"status":503,"text":"no room"}' });
    const unknown = await ask(server, { path: '/x' });
    expect(unknown.headers['content-type']).toBe('application/json');
    expect(JSON.parse(unknown.text)).toMatchObject({ status: 404 });
  });
});

function thrown(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    return error;
  }
}
