// The executor that answers is stopped in the middle, and another one goes on: one answer, each token once, two bills.
import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import { noise } from '@libp2p/noise';
import { yamux } from '@libp2p/yamux';
import { identify } from '@libp2p/identify';
import { tcp } from '@libp2p/tcp';
import { createLibp2p } from 'libp2p';
import { Identity } from '@lloom/identity';
import { rpc, type AlternativeSource, type Handler } from '@lloom/rpc';

const createNode = (identity: Identity, alternatives?: AlternativeSource) =>
  createLibp2p({
    privateKey: identity.libp2pKey,
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: {
      identify: identify(),
      rpc: rpc({
        segmentTokens: 2,
        signer: identity.signer(),
        verifier: identity.verifier(),
        ...(alternatives && { alternatives }),
      }),
    },
  });

const words = 'A loom holds the warp while the weft is drawn through it'.split(' ');
const price = { inbound: 1, outbound: 10 };

// Goes on behind the words that there are already. What it yields of its costs is signed with the next segment.
const weave: Handler = async function* (_request, { signal, prefix }) {
  const done = prefix === undefined ? 0 : prefix.text.trim().split(' ').length;
  const inboundTokens = 6 + done;
  for (const [index, word] of words.slice(done).entries()) {
    await setTimeout(20, undefined, { signal });
    const totalCost = inboundTokens * price.inbound + (index + 1) * price.outbound;
    yield { inboundTokens, totalCost: String(totalCost) };
    yield { text: `${word} `, tokens: 1 };
  }
};

const [first, second, asker] = [Identity.generate(), Identity.generate(), Identity.generate()];
// In a whole node `@lloom/discovery` names other providers of the model.
const find: AlternativeSource['find'] = ({ peerId, exclude }) =>
  [first.peerId, second.peerId].find((other) => other !== peerId && !exclude.includes(other));
const executors = { [first.peerId]: await createNode(first), [second.peerId]: await createNode(second) };
const client = await createNode(asker, { find, search: async (query) => find(query) });
try {
  for (const executor of Object.values(executors)) {
    executor.services.rpc.serve(weave, { canContinue: true });
    await client.dial(executor.getMultiaddrs());
  }

  const question = { model: 'demo-small', prompt: 'What does a loom do?', maxPrice: '1000' };
  const request = await asker.sign(question, { to: first.peerId });
  const answer = client.services.rpc.stream(
    first.peerId,
    { type: 'llmRequest', request },
    { retry: { maxAttempts: 3, failover: 'resume' } },
  );
  for await (const { sequence, text, peerId } of answer) {
    process.stdout.write(`${peerId.slice(-4)}: ${text}\n`);
    if (sequence === 4) void executors[first.peerId]?.stop();
  }

  const { content, shares, totalCost } = await answer.result;
  for (const { peerId, tokens, unsignedTokens, totalCost: cost } of shares)
    process.stdout.write(
      `${peerId.slice(-4)} signed ${tokens} tokens for ${cost} wei, ${unsignedTokens} free\n`,
    );
  process.stdout.write(`${totalCost} wei in all\n`);
  assert.equal(content.trim(), words.join(' '));
  assert.equal(shares.length, 2);
} finally {
  for (const node of [client, ...Object.values(executors)]) await node.stop();
}
