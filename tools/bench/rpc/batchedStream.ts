// The least that a session on stock libp2p can be: one bare stream for good, requests told apart by a number, and
// whatever is written in a turn of the loop sent at once.
import type { Stream } from '@libp2p/interface';
import { connectStock } from './libp2pStream.ts';
import { answer, type Stack } from './stack.ts';
import { addressOf, createStockNode } from './stockNode.ts';

const protocol = '/bench/batched/1.0.0';
const headerBytes = 8;

/** Calls back with each frame, `length id payload`, that arrives on a stream. */
function readFrames(stream: Stream, onFrame: (id: number, payload: Uint8Array) => void): void {
  let rest: Buffer = Buffer.alloc(0);
  stream.addEventListener('message', ({ data }) => {
    const chunk = data instanceof Uint8Array ? data : data.subarray();
    let bytes: Buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (rest.length > 0) bytes = Buffer.concat([rest, bytes]);
    let at = 0;
    while (bytes.length - at >= headerBytes) {
      const end = at + headerBytes + bytes.readUInt32BE(at);
      if (end > bytes.length) break;
      onFrame(bytes.readUInt32BE(at + 4), bytes.subarray(at + headerBytes, end));
      at = end;
    }
    rest = bytes.subarray(at);
  });
}

/** Gathers frames until the turn ends. Nothing waits for a drain: the number in flight bounds what is written. */
function batchFrames(stream: Stream): (id: number, payload: Uint8Array) => void {
  let parts: Uint8Array[] = [];
  const flush = (): void => {
    const all = Buffer.concat(parts);
    parts = [];
    stream.send(all);
  };
  return (id, payload) => {
    if (parts.length === 0) process.nextTick(flush);
    const header = Buffer.allocUnsafe(headerBytes);
    header.writeUInt32BE(payload.length, 0);
    header.writeUInt32BE(id, 4);
    parts.push(header, payload);
  };
}

export const batchedStream: Stack = {
  async startServer() {
    const node = await createStockNode();
    await node.handle(protocol, (stream) => {
      const write = batchFrames(stream);
      readFrames(stream, (id) => write(id, answer));
    });
    return { address: addressOf(node), close: async () => node.stop() };
  },
  async connect(address) {
    const { connection, close } = await connectStock(address);
    const stream = await connection.newStream(protocol);
    const waiting = new Map<number, (answer: Uint8Array) => void>();
    const write = batchFrames(stream);
    readFrames(stream, (id, payload) => {
      waiting.get(id)?.(payload);
      waiting.delete(id);
    });
    let last = 0;
    return {
      unary: (request) =>
        new Promise((resolve) => {
          const id = ++last;
          waiting.set(id, resolve);
          write(id, request);
        }),
      close,
    };
  },
};
