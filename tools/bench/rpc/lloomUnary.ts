// A protocol of one's own on the session of the service.
import { body } from './body.ts';
import { connectLloomNode, createLloomNode, serverOf } from './lloomNode.ts';
import { answer, type Stack } from './stack.ts';

const asTheyAre = (bytes: Uint8Array): Uint8Array => bytes;

const protocolOf = (codec: typeof body, watched?: Parameters<typeof createLloomNode>[1]): Stack => {
  const protocol = { protocolName: '/bench/unary/1.0.0', request: codec, response: codec };
  return {
    async startServer() {
      const created = await createLloomNode({}, watched);
      await created.rpc.addProtocol({ ...protocol, handleRequest: () => answer });
      return serverOf(created);
    },
    async connect(address) {
      const { rpc, peerId, close } = await connectLloomNode(address, {}, watched);
      return { unary: (request) => rpc.callProtocol(peerId, protocol, request), close };
    },
  };
};

/** With the codec that gRPC has. */
export const lloomUnary = protocolOf(body);

/** Bare bytes, as streams of libp2p carry them. */
export const lloomBytes = protocolOf({ encode: asTheyAre, decode: asTheyAre });

/** With nothing that counts. */
export const lloomUncounted = protocolOf(body, { figures: undefined });
