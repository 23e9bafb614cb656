// A question and its answer through the whole service: signed by who says it, verified by who hears it.
import { CryptoWatch } from './cryptoWatch.ts';
import { connectLloomNode, createLloomNode, serverOf } from './lloomNode.ts';
import { answer, type Stack } from './stack.ts';

const decoder = new TextDecoder();

const signedWith = (createWatch: () => CryptoWatch | undefined): Stack => ({
  async startServer() {
    const watch = createWatch();
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
    return { ...serverOf(created), ...(watch && { blocked: () => watch.take() }) };
  },
  async connect(address) {
    const watch = createWatch();
    const { rpc, identity, peerId, close } = await connectLloomNode(address);
    return {
      async unary(body) {
        const question = { model: 'demo-small', prompt: decoder.decode(body) };
        const request = await identity.sign(question, { to: peerId });
        const { response } = await rpc.request(peerId, { type: 'llmRequest', request });
        return response.payload.content;
      },
      ...(watch && { blocked: () => watch.take() }),
      close,
    };
  },
});

export const lloomSigned = signedWith(() => undefined);

/** The same, and measures for how long signatures keep the event loop. */
export const lloomWatched = signedWith(() => new CryptoWatch());
