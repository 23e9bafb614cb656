import { expect, test } from 'vitest';
import type { MessageStream, StreamMuxer, StreamMuxerFactory } from '@libp2p/interface';

import { droppingLateWrites } from './lateWrites.ts';

/** A connection that cannot be written to, as its muxer has it. */
function failing(statusThen: MessageStream['status']): MessageStream {
  const connection = {
    status: 'open',
    send() {
      connection.status = statusThen;
      throw new Error('Cannot write to a stream that is closed');
    },
  };
  const plain = {
    protocol: '/test',
    createStreamMuxer: () => ({}) as StreamMuxer,
  } as unknown as StreamMuxerFactory;
  droppingLateWrites(() => plain)().createStreamMuxer(connection as unknown as MessageStream);
  return connection as unknown as MessageStream;
}

test('what a muxer writes to a connection that has ended is dropped', () => {
  for (const status of ['closing', 'closed', 'aborted', 'reset'] as const)
    expect(failing(status).send(Uint8Array.of(1))).toBe(false);
});

test('what an open connection throws is thrown', () => {
  expect(() => failing('open').send(Uint8Array.of(1))).toThrow('Cannot write');
});
