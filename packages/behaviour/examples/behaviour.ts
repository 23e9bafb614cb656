// A whole network in one process: a validator that everybody knows, an executor, and a client that finds it.
import { Identity, LloomBehaviour } from '@lloom/behaviour';
import * as presets from '@lloom/behaviour/presets';

const local = { addressPolicy: 'loopback' } as const;
const validator = await LloomBehaviour.create(Identity.generate(), presets.validator(local));
const network = {
  ...local,
  bootstrapPeers: validator.listenedAddresses().map((address) => `${address}/p2p/${validator.peerId}`),
};
const executor = await LloomBehaviour.create(Identity.generate(), presets.executor(network));
const clientIdentity = Identity.generate();
const client = await LloomBehaviour.create(clientIdentity, presets.client(network));
try {
  executor.serve(async function* ({ request }) {
    yield `You asked ${request.payload.model}: `;
    yield request.payload.messages.at(-1)?.content ?? '';
    yield { inboundTokens: 5, totalCost: '7000' };
  });
  await executor.bootstrap();
  const published = new Promise((resolve) => executor.addEventListener('service:advertised', resolve));
  const pricing = { inboundPrice: '1000', outboundPrice: '1000' };
  await executor.advertiseService({ kind: 'executor', models: ['demo-small'], capacity: 4, pricing });
  await published;

  await client.bootstrap();
  const [provider] = await client.requireModelProviders('demo-small');
  if (provider === undefined) throw new Error('Nobody serves the model');
  const question = { model: 'demo-small', prompt: 'What is a loom?', maxPrice: '10000' };
  const request = await clientIdentity.sign(question, { to: provider.peerId });
  const answer = client.stream(provider.peerId, { type: 'llmRequest', request });
  for await (const { text } of answer) process.stdout.write(text);
  const { totalCost } = await answer.result;
  process.stdout.write(`\nproven, for ${totalCost} wei, by ${provider.peerId}\n`);
} finally {
  await Promise.all([client.stop(), executor.stop(), validator.stop()]);
}
