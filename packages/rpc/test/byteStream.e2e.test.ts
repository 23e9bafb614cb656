import type { Stream } from '@libp2p/interface';
import { expect, test } from 'vitest';
import { Libp2pByteStream } from '../src/adapters/byteStream.ts';
import { createBareNode, failure, introduce, protocol } from './nodes.ts';

/** Both ends of one stream; `near` as bytes, `far` as libp2p gives it. */
async function open() {
  const [one, other] = await Promise.all([createBareNode(), createBareNode()]);
  const far = Promise.withResolvers<Stream>();
  await other.node.handle(protocol, (stream) => far.resolve(stream));
  await introduce(one, other);
  const near = new Libp2pByteStream(await one.node.dialProtocol(other.node.peerId, protocol));
  return { near, far: await far.promise };
}

async function readAll(stream: Libp2pByteStream): Promise<number> {
  let length = 0;
  for (let bytes = await stream.read(); bytes !== undefined; bytes = await stream.read())
    length += bytes.length;
  return length;
}

test('who begins to read after everything has arrived gets every byte and the end', async () => {
  const { near, far } = await open();
  for (let slice = 0; slice < 3; slice++) far.send(new Uint8Array(64 * 1024));
  await far.close();
  const ended = Promise.withResolvers<void>();
  far.addEventListener('close', () => ended.resolve());
  await near.closeWrite();
  await ended.promise;
  expect(await readAll(near)).toBe(3 * 64 * 1024);
  await near.closed;
});

test('a stream that had ended before anybody listened still gives every byte, then the end', async () => {
  const [one, other] = await Promise.all([createBareNode(), createBareNode()]);
  const far = Promise.withResolvers<Stream>();
  await other.node.handle(protocol, (stream) => {
    stream.addEventListener('remoteCloseWrite', () => far.resolve(stream));
  });
  await introduce(one, other);
  const near = await one.node.dialProtocol(other.node.peerId, protocol);
  near.send(new Uint8Array(1_000));
  await near.close();
  expect(await readAll(new Libp2pByteStream(await far.promise))).toBe(1_000);
});

test('a reader learns of a reset after the bytes that came before it', async () => {
  const { near, far } = await open();
  far.send(new Uint8Array([1, 2, 3]));
  expect([...((await near.read()) ?? [])]).toEqual([1, 2, 3]);
  far.abort(new Error('no more'));
  expect(await failure(near.read())).toMatchObject({ name: 'StreamResetError' });
  await near.closed;
});

test('writing to a stream that the peer has reset fails', async () => {
  const { near, far } = await open();
  far.abort(new Error('no more'));
  await near.closed;
  expect(await failure(near.write(new Uint8Array(8)))).toBeInstanceOf(Error);
});
