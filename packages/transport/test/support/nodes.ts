import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { onTestFinished } from 'vitest';
import type { Connection, Libp2p, MessageStream, Stream } from '@libp2p/interface';

import { createStack } from '../../src/index.ts';
import { createWire, type Wire } from './wire.ts';

/** libp2p as it comes, and the stack of this package with an addon, where there is one, and without. */
export const stacks = {
  stock: () => ({
    transports: [tcp()],
    connectionEncrypters: [noise()],
    // With libp2p's 16 MiB a reader that pauses is sent more than the 4 MiB that its stream keeps, and is reset.
    streamMuxers: [yamux({ streamOptions: { maxStreamWindowSize: 2 * 1024 * 1024 } })],
  }),
  tuned: () => createStack(),
  pure: () => createStack({ crypto: 'pure' }),
};

export type StackName = keyof typeof stacks;

/** Every pair of which one side at least is tuned. */
export const pairs: readonly { readonly client: StackName; readonly server: StackName }[] = [
  { client: 'tuned', server: 'stock' },
  { client: 'stock', server: 'tuned' },
  { client: 'pure', server: 'stock' },
  { client: 'stock', server: 'pure' },
  { client: 'tuned', server: 'tuned' },
  { client: 'tuned', server: 'pure' },
];

export const protocol = '/transport-test/1.0.0';

export interface Connected {
  readonly client: Libp2p;
  readonly server: Libp2p;
  /** The client's connection, and the server's. */
  readonly near: Connection;
  readonly far: Connection;
  readonly wire: Wire;
}

/** Two nodes that are connected through a wire and are stopped with the test; `handler` gets the streams of the client. */
export async function connectNodes(
  pair: { readonly client: StackName; readonly server: StackName },
  handler: (stream: Stream) => void,
): Promise<Connected> {
  const server = await createNode(pair.server, ['/ip4/127.0.0.1/tcp/0']);
  await server.handle(protocol, handler);
  const opened = new Promise<Connection>((resolve) => {
    server.addEventListener('connection:open', ({ detail }) => resolve(detail), { once: true });
  });
  const client = await createNode(pair.client, []);
  const port = Number(/\/tcp\/(\d+)/.exec(server.getMultiaddrs()[0]!.toString())![1]);
  const wire = await createWire(port);
  onTestFinished(async () => {
    await client.stop();
    await server.stop();
    wire.close();
  });
  const near = await client.dial(multiaddr(`/ip4/127.0.0.1/tcp/${wire.port}/p2p/${String(server.peerId)}`));
  return { client, server, near, far: await opened, wire };
}

const createNode = (name: StackName, listen: string[]): Promise<Libp2p> =>
  createLibp2p({ ...stacks[name](), addresses: { listen } });

/** Everything that a stream gives until there is no more, or rejects when it breaks before. */
export function readAll(stream: Stream): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  return new Promise((resolve, reject) => {
    stream.addEventListener('message', ({ data }) => void parts.push(data.subarray()));
    stream.addEventListener('end', () => resolve(Buffer.concat(parts)));
    stream.addEventListener('close', ({ error }) => error && reject(error));
  });
}

/** When a stream takes more, or has ended. Its own `onDrain` waits the first time only. */
export function drained(stream: MessageStream): Promise<void> {
  if (!stream.writableNeedsDrain) return Promise.resolve();
  return new Promise((resolve) => {
    for (const type of ['drain', 'close'] as const)
      stream.addEventListener(type, () => resolve(), { once: true });
  });
}

/** Sends all bytes in pieces of at most 64 KiB, as fast as the stream takes them. */
export async function writeAll(stream: Stream, bytes: Uint8Array): Promise<void> {
  for (let start = 0; start < bytes.byteLength; start += 65_536) {
    if (!stream.send(bytes.subarray(start, start + 65_536))) await drained(stream);
  }
}

/** Sends back what arrives, no faster than it is taken, and ends when the other side does. */
export function echo(stream: Stream): void {
  stream.addEventListener('message', ({ data }) => {
    if (stream.send(data)) return;
    stream.pause();
    void drained(stream).then(() => stream.status === 'open' && !stream.readableEnded && stream.resume());
  });
  stream.addEventListener('end', () => void stream.close().catch(() => undefined));
}

/** How a connection ends: the error, when there is one. */
export const endOf = (connection: Connection): Promise<Error | undefined> =>
  new Promise((resolve) => connection.addEventListener('close', ({ error }) => resolve(error)));

/** Bytes that differ from place to place, the same for the same length. */
export function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = (at * 31 + (at >> 8) * 7) & 255;
  return bytes;
}
