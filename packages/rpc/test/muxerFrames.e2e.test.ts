import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { createLibp2p } from 'libp2p';
import { expect, onTestFinished, test } from 'vitest';
import { createNode, introduce, question } from './nodes.ts';

const frameType = { data: 0, windowUpdate: 1 } as const;
const syn = 1;
/** A number that no other stream has: odd, as those of the side that dials. */
const freeId = 1_001;
/** What a stream may send before it is given more. */
const windowBytes = 256 * 1024;

/** A frame of Yamux: `length` is that of its data, or what a window grows by. */
function muxerFrame(
  type: number,
  { id, length, flags = 0 }: { readonly id: number; readonly length: number; readonly flags?: number },
): Uint8Array {
  const bytes = Buffer.alloc(12 + (type === frameType.data ? length : 0));
  bytes[1] = type;
  bytes.writeUInt16BE(flags, 2);
  bytes.writeUInt32BE(id, 4);
  bytes.writeUInt32BE(length, 8);
  return bytes;
}

/** A node whose connection says what its muxer never would. */
async function createHostile() {
  const written: ((bytes: Uint8Array) => void)[] = [];
  const plain = yamux({ enableKeepAlive: false })();
  const node = await createLibp2p({
    transports: [tcp()],
    connectionEncrypters: [noise()],
    connectionMonitor: { enabled: false },
    streamMuxers: [
      () => ({
        protocol: plain.protocol,
        createStreamMuxer: (connection) => {
          written.push((bytes) => void connection.send(bytes));
          return plain.createStreamMuxer(connection);
        },
      }),
    ],
  });
  onTestFinished(async () => node.stop());
  return { node, write: (bytes: Uint8Array) => written[0]!(bytes) };
}

/** An executor with an answer under way to an honest client, and a hostile peer beside it. */
async function beside() {
  const [hostile, honest, executor] = await Promise.all([
    createHostile(),
    createNode(),
    createNode({
      serve: async function* () {
        for (let i = 0; i < 100; i++) yield 'word ';
        yield { inboundTokens: 1, totalCost: '1' };
      },
    }),
  ]);
  await introduce(honest, executor);
  const asked = await question(honest.identity, executor.identity);
  const answer = honest.rpc.stream(executor.peerId, asked);
  const words = answer[Symbol.asyncIterator]();
  await words.next();
  const connection = await hostile.node.dial(executor.node.getMultiaddrs());
  const closed = new Promise<void>((resolve) => connection.addEventListener('close', () => resolve()));
  const proveUnharmed = async (): Promise<void> => {
    expect((await honest.rpc.request(executor.peerId, { type: 'ping' })).type).toBe('pong');
    while ((await words.next()).done !== true);
    expect(await answer.result).toMatchObject({ totalCost: '1' });
    expect(executor.node.getConnections(honest.node.peerId)).toHaveLength(1);
  };
  return { hostile, executor, connection, closed, proveUnharmed };
}

test('a stream that begins with more than its window ends its connection, and no other', async () => {
  const { hostile, executor, closed, proveUnharmed } = await beside();
  hostile.write(muxerFrame(frameType.data, { id: freeId, length: windowBytes + 1, flags: syn }));
  await closed;
  await proveUnharmed();
  expect(executor.node.getConnections(hostile.node.peerId)).toEqual([]);
});

test('a window that grows beyond 32 bits is a large window: its stream goes on, and nobody is harmed', async () => {
  const { hostile, connection, proveUnharmed } = await beside();
  const stream = await connection.newStream('/ipfs/ping/1.0.0');
  const grown = muxerFrame(frameType.windowUpdate, { id: Number(stream.id), length: 2 ** 32 - 1 });
  for (let i = 0; i < 2; i++) hostile.write(grown);
  const echoed = new Promise((resolve) => stream.addEventListener('message', resolve, { once: true }));
  stream.send(new Uint8Array(32));
  await echoed;
  await proveUnharmed();
});
