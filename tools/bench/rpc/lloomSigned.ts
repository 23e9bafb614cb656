// A question and its answer through the whole service: signed by who says it, verified by who hears it.
import { connectLloomNode, createLloomNode, serverOf } from './lloomNode.ts';
import { answer, type Stack } from './stack.ts';

const decoder = new TextDecoder();

export const lloomSigned: Stack = {
  async startServer() {
    const created = await createLloomNode();
    const content = decoder.decode(answer);
    created.rpc.serve(({ request }) => ({
      type: 'llmResponse',
      response: {
        content,
        finishReason: 'stop',
        inboundTokens: 128,
        outboundTokens: 512,
        totalCost: '5000',
        modelUsed: request.payload.model,
      },
    }));
    return serverOf(created);
  },
  async connect(address) {
    const { rpc, identity, peerId, close } = await connectLloomNode(address);
    return {
      async unary(body) {
        const question = { model: 'demo-small', prompt: decoder.decode(body) };
        const request = await identity.sign(question, { to: peerId });
        const { response } = await rpc.request(peerId, { type: 'llmRequest', request });
        return response.payload.content;
      },
      close,
    };
  },
};
