import { connect } from 'node:net';
import { expect, it } from 'vitest';

import { resolveLoopbackConfig } from './config.ts';
import { openLoopback } from './server.ts';
import type { LoopbackExchange } from './types.ts';

it('bodies have a bound together, which is free again when they are answered', async () => {
  const arrived = Promise.withResolvers<LoopbackExchange>();
  const paths = {
    '/it': {
      ...({ method: 'POST', isOpen: true, isPatient: true, maxBodyBytes: 100 } as const),
      serve: (exchange: LoopbackExchange): void => {
        if (exchange.query.has('hold')) arrived.resolve(exchange);
        else exchange.answer({ contentType: 'text/plain', body: 'ok' });
      },
    },
  };
  const limits = { maxBodiesBytes: 150 };
  const server = await openLoopback(resolveLoopbackConfig('test'), { realm: 'test', paths, limits });
  const post = (query: string): Promise<Response> =>
    fetch(`${server.origin}/it${query}`, { method: 'POST', body: 'x'.repeat(90) });
  try {
    const held = post('?hold');
    const exchange = await arrived.promise;
    const refused = await post('');
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
    exchange.answer({ contentType: 'text/plain', body: 'ok' });
    await (await held).text();
    // The connection may still be about to end.
    const socket = connect(Number(new URL(server.origin).port), '127.0.0.1');
    socket.write('POST /it HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90\r\nConnection: close\r\n\r\n');
    socket.write('x'.repeat(90));
    const [answer] = await socket.toArray();
    expect(String(answer)).toMatch(/^HTTP\/1.1 200 /);
  } finally {
    await server.close();
  }
});
