// An executor with a backend of one's own and a client that asks it: two nodes in one process.
// #region backend
import assert from 'node:assert/strict';
import { evmAddressOf, Identity, LloomBehaviour } from '@lloom/behaviour';
import { countChatTokens, executorHandler, splitTokens, type Backend } from '@lloom/cli';

const shouting: Backend = {
  name: 'shouting',
  canContinue: true,
  models: () => ['shout-1'],
  inboundTokens: (request) => countChatTokens(request.messages),
  async *generate(request, { signal }) {
    const question = request.messages.findLast(({ role }) => role === 'user')?.content ?? '';
    const last = request.messages.at(-1);
    // What is given already, here or elsewhere, is not given again.
    const begun = last?.role === 'assistant' ? splitTokens(last.content).length : 0;
    const tokens = splitTokens(question.toUpperCase()).slice(begun);
    for (const text of tokens.slice(0, request.maxTokens)) {
      signal.throwIfAborted();
      yield { text, tokens: 1 };
    }
    yield { finishReason: 'stop' };
  },
};
// #endregion

// #region executor
const pricing = { inboundPrice: '1', outboundPrice: '2' };
const executor = await LloomBehaviour.create(Identity.generate(), {
  addressPolicy: 'loopback',
  packages: { rpc: { capacity: 2 } },
});
executor.serve(executorHandler({ backend: shouting, pricing }), { canContinue: true });
await executor.advertiseService({ kind: 'executor', models: shouting.models(), capacity: 2, pricing });
// #endregion
const advertised = new Promise((resolve) => executor.addEventListener('service:advertised', resolve));

const bootstrapPeers = executor.listenedAddresses().map((address) => `${address}/p2p/${executor.peerId}`);
const identity = Identity.generate();
const client = await LloomBehaviour.create(identity, { addressPolicy: 'loopback', bootstrapPeers });
try {
  await client.bootstrap();
  await advertised;
  const [provider] = await client.requireModelProviders('shout-1');
  assert(provider);
  const to = evmAddressOf(provider.peerId);
  assert(to);
  const request = await identity.sign({ model: 'shout-1', prompt: 'Is anybody there?' }, { to });
  const answer = client.stream(provider.peerId, { type: 'llmRequest', request });
  for await (const { text } of answer) process.stdout.write(text);
  const { content, totalCost } = await answer.result;
  process.stdout.write(`\n${totalCost} wei\n`);
  assert.equal(content, 'IS ANYBODY THERE?');
  assert.equal(totalCost, '9');
} finally {
  await Promise.all([client.stop(), executor.stop()]);
}
