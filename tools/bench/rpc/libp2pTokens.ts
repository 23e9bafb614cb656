// What everybody does on libp2p: a stream for each answer, a message for each token.
import { lpStream } from '@libp2p/utils';
import { connectStock } from './libp2pStream.ts';
import { readPlan, tokensOf, type Stack } from './stack.ts';
import { addressOf, createStockNode, streamLimits } from './stockNode.ts';

const protocol = '/bench/tokens/1.0.0';
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const libp2pTokens: Stack = {
  async startServer() {
    const node = await createStockNode();
    await node.handle(
      protocol,
      async (stream) => {
        const messages = lpStream(stream);
        const plan = readPlan(decoder.decode((await messages.read()).subarray()));
        for await (const token of tokensOf(plan)) await messages.write(encoder.encode(token));
        await stream.close();
      },
      streamLimits,
    );
    return { address: addressOf(node), close: async () => node.stop() };
  },
  async connect(address) {
    const { connection, close } = await connectStock(address);
    return {
      async stream(plan, onToken) {
        const stream = await connection.newStream(protocol, streamLimits);
        if (stream.status !== 'open') throw new Error('The stream was opened and reset');
        const messages = lpStream(stream);
        await messages.write(encoder.encode(JSON.stringify(plan)));
        for (let i = 0; i < plan.tokens; i++) onToken(decoder.decode((await messages.read()).subarray()));
        await stream.close();
      },
      close,
    };
  },
};
