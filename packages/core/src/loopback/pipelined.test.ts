import { connect } from 'node:net';
import { expect, it } from 'vitest';

import { resolveLoopbackConfig } from './config.ts';
import { openLoopback } from './server.ts';
import type { LoopbackExchange } from './types.ts';

const asked = 'GET /it HTTP/1.1\r\nHost: localhost\r\n\r\n';

it('a connection with more requests under way than anybody needs is closed, and all of them are given up', async () => {
  const exchanges: LoopbackExchange[] = [];
  const hold = (exchange: LoopbackExchange): void => void exchanges.push(exchange);
  const paths = { '/it': { serve: hold, isOpen: true, isPatient: true } };
  const server = await openLoopback(resolveLoopbackConfig('test'), { realm: 'test', paths });
  const socket = connect(Number(new URL(server.origin).port), '127.0.0.1').on('error', () => undefined);
  const closed = new Promise((resolve) => void socket.once('close', resolve));
  socket.write(asked.repeat(2_000));
  await closed;
  await server.close();
  expect(exchanges.length).toBeGreaterThan(1);
  expect(exchanges.length).toBeLessThanOrEqual(32);
  expect(exchanges.every(({ signal }) => signal.aborted)).toBe(true);
});
