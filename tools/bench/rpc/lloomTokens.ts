// A streamed answer of the service, with signatures that cost nothing: the rows are about what carries the tokens.
import { toHex, type Signer } from '@lloom/core';
import type { LlmRequestMessage } from '@lloom/rpc';
import { connectLloomNode, createLloomNode, serverOf } from './lloomNode.ts';
import { readPlan, tokensOf, type Stack } from './stack.ts';

const nothing = toHex(new Uint8Array(32));
const nobody = toHex(new Uint8Array(20));

/** Signs everything alike. */
const constantSigner: Signer = {
  address: nobody,
  sign: ({ to = nobody, inReplyTo = nothing, payloadType, payloadBytes }) => {
    const timestampMs = Date.now();
    return Promise.resolve({
      payloadType,
      payloadBytes,
      signer: nobody,
      to,
      inReplyTo,
      timestampMs,
      expiresMs: timestampMs + 60_000,
      nonce: nothing,
      signature: toHex(new Uint8Array(65)),
    });
  },
};

type Request = LlmRequestMessage['request'];

/** The same request under another idempotency key: one that was asked before is answered from memory. */
function withKey(request: Request, key: string): Request {
  const { idempotencyKey: old } = request.payload;
  const idempotencyKey = key.padStart(old.length, '0');
  const payloadBytes = Buffer.from(request.payloadBytes);
  payloadBytes.write(idempotencyKey, payloadBytes.indexOf(old), 'latin1');
  return { ...request, payloadBytes, payload: { ...request.payload, idempotencyKey } };
}

export const lloomTokens: Stack = {
  async startServer() {
    const created = await createLloomNode({ signatures: 'ignore', signer: constantSigner });
    created.rpc.serve(({ request }) => tokensOf(readPlan(request.payload.messages[0]!.content)));
    return serverOf(created);
  },
  async connect(address) {
    const { rpc, identity, peerId, close } = await connectLloomNode(address, { signatures: 'ignore' });
    const signed = new Map<string, Request>();
    let last = 0;
    return {
      async stream(plan, onToken) {
        const prompt = JSON.stringify(plan);
        const first =
          signed.get(prompt) ?? (await identity.sign({ model: 'demo-small', prompt }, { to: peerId }));
        signed.set(prompt, first);
        const request = withKey(first, `${++last}`);
        const stream = rpc.stream(peerId, { type: 'llmRequest', request });
        for await (const { text } of stream) {
          // A chunk without text brings a signature alone.
          if (text !== '') onToken(text);
        }
        await stream.result;
      },
      close,
    };
  },
};
