import { expect, test } from 'vitest';
import type { MessageStream, MultiaddrConnection } from '@libp2p/interface';

import { batched } from './batching.ts';

/** A stream that notes what it is given; `raw` is what libp2p knows as the connection. */
function fakes({ remoteAddr = true, send = (): boolean => true } = {}) {
  const sent: string[] = [];
  const stream = {
    status: 'open',
    writableNeedsDrain: false,
    send(data: { subarray(): Uint8Array }) {
      sent.push(new TextDecoder().decode(data.subarray()));
      return send();
    },
    close: async () => undefined,
    abort: () => undefined,
  };
  const raw = { ...stream, ...(remoteAddr && { remoteAddr: '/test' }) } as unknown as MultiaddrConnection;
  return { sent, raw, secured: { ...stream } as unknown as MessageStream };
}

async function secure({ raw, secured }: ReturnType<typeof fakes>): Promise<MessageStream> {
  const result = async () => ({ connection: secured, remotePeer: undefined as never });
  const create = batched(() => ({ protocol: '/test', secureInbound: result, secureOutbound: result }));
  return (await create({}).secureOutbound(raw)).connection;
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const turn = (): Promise<void> => new Promise(setImmediate);

test('sends of one turn are one, those of another one are another', async () => {
  const stream = fakes();
  const secured = await secure(stream);
  secured.send(text('a'));
  secured.send(text('b'));
  await turn();
  secured.send(text('c'));
  await turn();
  expect(stream.sent).toEqual(['ab', 'c']);
});

test('what waits is dropped when the connection is gone without a word', async () => {
  const stream = fakes();
  const secured = await secure(stream);
  secured.send(text('a'));
  stream.raw.status = 'closed';
  await turn();
  expect(stream.sent).toEqual([]);
});

test('what the stream throws when it is written to at the end of a turn reaches nobody', async () => {
  const stream = fakes({
    send: () => {
      throw new Error('Cipherstate has reached maximum n');
    },
  });
  const secured = await secure(stream);
  expect(secured.send(text('a'))).toBe(true);
  await turn();
  expect(stream.sent).toEqual(['a']);
});

test('a stream that has to drain is written to at once, so that it says so', async () => {
  const stream = fakes({ send: () => false });
  const secured = await secure(stream);
  secured.writableNeedsDrain = true;
  expect(secured.send(text('a'))).toBe(false);
  expect(stream.sent).toEqual(['a']);
});

test('a connection beneath a protector is left as it is, for libp2p closes it past the encryption', async () => {
  const stream = fakes({ remoteAddr: false });
  const secured = await secure(stream);
  secured.send(text('a'));
  secured.send(text('b'));
  expect(stream.sent).toEqual(['a', 'b']);
});
