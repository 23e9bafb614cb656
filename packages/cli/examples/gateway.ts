// A program that offers the API of OpenAI to others on its machine, over a network of its own.
// #region serve
import assert from 'node:assert/strict';
import { Identity, LloomBehaviour } from '@lloom/behaviour';
import { client } from '@lloom/behaviour/presets';
import { executorHandler, offlineBackend, serveGateway } from '@lloom/cli';

// Who answers.
const backend = offlineBackend({ models: ['demo-small'], executorId: 'an example', paceMs: 0 });
const pricing = { inboundPrice: '1', outboundPrice: '2' };
const executor = await LloomBehaviour.create(Identity.generate(), { addressPolicy: 'loopback' });
executor.serve(executorHandler({ backend, pricing }), { canContinue: true });
await executor.advertiseService({ kind: 'executor', models: ['demo-small'], capacity: 2, pricing });

// Who asks for programs: it signs, and owes, what they ask.
const identity = Identity.generate();
const bootstrapPeers = executor.listenedAddresses().map((address) => `${address}/p2p/${executor.peerId}`);
const node = await LloomBehaviour.create(identity, client({ addressPolicy: 'loopback', bootstrapPeers }));
await node.bootstrap();
const gateway = await serveGateway(node, { identity, policy: 'price', maxPrice: '1000' });

const response = await fetch(`${gateway.url}/chat/completions`, {
  method: 'POST',
  headers: { authorization: `Bearer ${gateway.apiKey}` },
  body: JSON.stringify({ model: 'demo-small', messages: [{ role: 'user', content: 'Hello' }] }),
});
const { choices, lloom } = await response.json();
process.stdout.write(`${choices[0].message.content}\n${lloom.totalCost} wei\n`);
// #endregion
assert.equal(response.status, 200);
assert.match(choices[0].message.content, /^Offline backend:/);
await gateway.close();
await Promise.all([node.stop(), executor.stop()]);
