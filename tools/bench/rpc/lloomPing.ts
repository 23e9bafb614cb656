// A ping of the rpc service, which answers it by itself.
import { connectLloomNode, createLloomNode, serverOf } from './lloomNode.ts';
import type { Stack } from './stack.ts';

export const lloomPing: Stack = {
  startServer: async () => serverOf(await createLloomNode()),
  async connect(address) {
    const { rpc, peerId, close } = await connectLloomNode(address);
    return {
      // A pong says nothing: it counts as long as the ping.
      async unary(body) {
        await rpc.request(peerId, { type: 'ping' });
        return body;
      },
      close,
    };
  },
};
