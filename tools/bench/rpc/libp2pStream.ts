// What everybody does on libp2p: a stream for each request.
import type { Connection } from '@libp2p/interface';
import { lpStream } from '@libp2p/utils';
import { multiaddr } from '@multiformats/multiaddr';
import { answer, type Stack } from './stack.ts';
import { addressOf, createStockNode, streamLimits } from './stockNode.ts';

const protocol = '/bench/stream/1.0.0';
/** Room for the rows with a request of 10 MiB. */
const sizes = { maxDataLength: 16 * 1024 * 1024, maxBufferSize: 16 * 1024 * 1024 + 65_536 };

/** One stream, from its opening to its end: a message there, a message back. */
export async function ask(connection: Connection, request: Uint8Array): Promise<Uint8Array> {
  const stream = await connection.newStream(protocol, streamLimits);
  if (stream.status !== 'open') throw new Error('The stream was opened and reset');
  const messages = lpStream(stream, sizes);
  await messages.write(request);
  const message = await messages.read();
  await stream.close();
  return message.subarray();
}

/** A node that answers each stream with what `respond` makes of its message. */
export async function startStreamServer(respond: (request: Uint8Array) => Uint8Array | Promise<Uint8Array>) {
  const node = await createStockNode();
  await node.handle(
    protocol,
    async (stream) => {
      const messages = lpStream(stream, sizes);
      const request = await messages.read();
      await messages.write(await respond(request.subarray()));
      await stream.close();
    },
    streamLimits,
  );
  return { address: addressOf(node), close: async () => node.stop() };
}

/** A node that is connected to such a server. */
export async function connectStock(address: string) {
  const node = await createStockNode();
  return { connection: await node.dial(multiaddr(address)), close: async () => node.stop() };
}

const respondWith = (response: (request: Uint8Array) => Uint8Array): Stack => ({
  startServer: () => startStreamServer(response),
  async connect(address) {
    const { connection, close } = await connectStock(address);
    return { unary: (request) => ask(connection, request), close };
  },
});

/** Requests that are answered with 2 KiB. */
export const libp2pStream = respondWith(() => answer);

/** Requests that are sent back. */
export const libp2pEcho = respondWith((request) => request);
