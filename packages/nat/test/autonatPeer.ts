import type { Connection, Libp2p, Stream } from '@libp2p/interface';
import { lpStream, type LengthPrefixedStream } from '@libp2p/utils';
import {
  decodeMessage,
  dialRequestProtocol,
  encodeDialBack,
  encodeMessage,
  type AutonatMessage,
} from '../src/internal/autonatMessages.ts';

type Said = Exclude<AutonatMessage, { readonly kind: 'unknown' }>;

/** One request as a hand-made server has it. */
export interface Asked {
  readonly frames: LengthPrefixedStream;
  readonly connection: Connection;
  readonly request: Extract<AutonatMessage, { readonly kind: 'dialRequest' }>;
  readonly say: (message: Said) => Promise<unknown>;
  readonly hear: () => Promise<AutonatMessage>;
  readonly close: () => Promise<void>;
}

const talk = (stream: Stream) => {
  const frames = lpStream(stream);
  return {
    frames,
    say: (message: Said) => frames.write(encodeMessage(message)),
    hear: async () => decodeMessage((await frames.read()).subarray()),
  };
};

/** Makes a node a server that answers as a test wants. */
export function serveByHand(node: Libp2p, answer: (asked: Asked) => Promise<unknown>): Promise<void> {
  return node.handle(dialRequestProtocol, async (stream, connection) => {
    const { frames, hear, say } = talk(stream);
    const request = await hear();
    if (request.kind !== 'dialRequest') throw new Error('no request');
    await answer({ frames, connection, request, say, hear, close: () => stream.close() });
  });
}

/** Proves a dial on any connection, as a server does. */
export async function proveDial(connection: Connection, nonce: bigint): Promise<void> {
  const stream = await connection.newStream('/libp2p/autonat/2/dial-back');
  const frames = lpStream(stream);
  await frames.write(encodeDialBack(nonce));
  await frames.read();
  await stream.close();
}

/** Asks a server by hand. */
export async function askByHand(connection: Connection, addresses: readonly Uint8Array[], nonce = 7n) {
  const stream = await connection.newStream(dialRequestProtocol);
  const { frames, hear, say } = talk(stream);
  await say({ kind: 'dialRequest', addresses, nonce });
  return { stream, frames, hear, say };
}

/** The successful end of a dial, or another one. */
export const response = (fields: Partial<Extract<Said, { readonly kind: 'dialResponse' }>> = {}): Said => ({
  kind: 'dialResponse',
  status: 200,
  index: 0,
  dialStatus: 200,
  ...fields,
});
