import { createServer } from 'node:net';
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

interface Answered {
  readonly status: number;
  readonly text: string;
}

const ask = async ({ url }: MetricsEndpoint, shown = authorization): Promise<Answered> => {
  const response = await fetch(url, { headers: { authorization: shown } });
  return { status: response.status, text: await response.text() };
};

const errorOf = (act: Promise<unknown>): Promise<Error> =>
  act.then(
    () => Promise.reject(new Error('it went well')),
    (error: Error) => error,
  );

describe('an endpoint for Prometheus', () => {
  it('gives the figures to whoever shows the token, on 127.0.0.1 and a free port by default', async () => {
    const endpoint = await open();
    expect(endpoint.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
    const response = await fetch(endpoint.url, { headers: { authorization } });
    expect([response.status, await response.text()]).toEqual([200, body]);
    expect(response.headers.get('content-type')).toBe(contentType);
  });

  it('refuses whoever shows another token, also in the URL', async () => {
    const endpoint = await open();
    const inUrl = { ...endpoint, url: `${endpoint.url}?token=${token}` };
    expect((await ask(endpoint, `${authorization}x`)).status).toBe(401);
    expect((await ask(inUrl, '')).status).toBe(401);
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
    await ask(endpoint, '');
    resolve({ body, contentType });
    expect((await answers).map(({ text }) => text)).toEqual(Array.from({ length: 8 }, () => body));
    expect(asked).toBeLessThan(8);
  });

  it('gives figures again after they could not be had in time', async () => {
    let asked = 0;
    const text: Text = () =>
      asked++ === 0 ? new Promise(() => undefined) : Promise.resolve({ body, contentType });
    const endpoint = await open({ token }, text, { answerMs: 20 });
    await expect(ask(endpoint)).rejects.toThrow('fetch failed');
    expect(await ask(endpoint)).toMatchObject({ status: 200, text: body });
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
    const wrong = [{ host: '0.0.0.0' }, { port: -1 }, { token: 'short' }];
    for (const given of wrong) {
      const error = await errorOf(open(given));
      expect([given, ConfigError.is(error)]).toEqual([given, true]);
      expect(error.message).not.toContain(given.token ?? token);
    }
  });
});

const raise = (message: string): never => {
  throw new Error(message);
};
