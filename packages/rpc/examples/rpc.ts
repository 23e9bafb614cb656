// One executor and one client in plain libp2p nodes: a signed question, a streamed answer, its proof.
import assert from 'node:assert/strict';
import { noise } from '@libp2p/noise';
import { yamux } from '@libp2p/yamux';
import { identify } from '@libp2p/identify';
import { tcp } from '@libp2p/tcp';
import { createLibp2p } from 'libp2p';
import { Identity } from '@lloom/identity';
import { rpc } from '@lloom/rpc';

const createNode = (identity: Identity) =>
  createLibp2p({
    privateKey: identity.libp2pKey,
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: {
      identify: identify(),
      rpc: rpc({ timeoutMs: 30_000, signer: identity.signer(), verifier: identity.verifier() }),
    },
  });

const [executorIdentity, clientIdentity] = [Identity.generate(), Identity.generate()];
const executor = await createNode(executorIdentity);
const client = await createNode(clientIdentity);
try {
  executor.services.rpc.serve(async function* ({ request }, { signal }) {
    for (const word of ['You ', 'asked: ', request.payload.messages[0]?.content ?? '']) {
      signal.throwIfAborted();
      yield word;
    }
    yield { inboundTokens: 2, totalCost: '5000' };
  });

  await client.dial(executor.getMultiaddrs());
  const question = { model: 'demo-small', prompt: 'What is a loom?', maxPrice: '10000' };
  const request = await clientIdentity.sign(question, { to: executorIdentity.peerId });
  const answer = client.services.rpc.stream(executorIdentity.peerId, { type: 'llmRequest', request });
  for await (const { text } of answer) process.stdout.write(text);

  const { totalCost, outboundTokens } = await answer.result;
  process.stdout.write(`\n${outboundTokens} tokens, proven, for ${totalCost} wei\n`);
  assert.equal(totalCost, '5000');
} finally {
  await Promise.all([client.stop(), executor.stop()]);
}
