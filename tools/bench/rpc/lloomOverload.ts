// An executor with few slots, and several clients that ask whether it keeps up or not.
import { RpcError } from '@lloom/rpc';
import { connectLloomNode, createLloomNode, serverOf } from './lloomNode.ts';
import { answer, Refused, smallExecutor, type Stack } from './stack.ts';

const decoder = new TextDecoder();
const { capacity, workMs, ...queue } = smallExecutor;
const content = decoder.decode(answer);

/** How many clients there are, each with a node and a connection of its own. */
const clients = 8;

export const lloomOverload: Stack = {
  async startServer() {
    const created = await createLloomNode({ capacity, ...queue });
    created.rpc.serve(async ({ request }) => {
      await new Promise((resolve) => setTimeout(resolve, workMs));
      const { model: modelUsed } = request.payload;
      const counts = { inboundTokens: 128, outboundTokens: 512, totalCost: '5000' };
      return { type: 'llmResponse', response: { content, finishReason: 'stop', ...counts, modelUsed } };
    });
    return serverOf(created);
  },
  async connect(address) {
    const nodes = await Promise.all(Array.from({ length: clients }, () => connectLloomNode(address)));
    let turn = 0;
    return {
      async unary(body) {
        const { rpc, identity, peerId } = nodes[turn++ % clients]!;
        const request = await identity.sign(
          { model: 'demo-small', prompt: decoder.decode(body) },
          { to: peerId },
        );
        try {
          const { response } = await rpc.request(peerId, { type: 'llmRequest', request });
          return response.payload.content;
        } catch (error) {
          throw RpcError.is(error, 'BUSY') ? new Refused('BUSY', { cause: error }) : error;
        }
      },
      close: async () => void (await Promise.all(nodes.map((node) => node.close()))),
    };
  },
};
