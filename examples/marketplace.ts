// A small marketplace on this machine: a validator, three executors with prices of their own, and two clients. One client chooses by
// price and hears of a new one; the other one's executor dies in the middle of an answer, and another one goes on.
import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import { costOf, GossipTopic, Identity, LloomBehaviour } from '@lloom/behaviour';
import type { Handler, NetworkConfig, PricingInfo } from '@lloom/behaviour';
import { client, executor, validator } from '@lloom/behaviour/presets';

const model = 'story-1';
const story = 'Every thread of the weft passes over one of the warp and under the next'.split(' ');
const local = { addressPolicy: 'loopback' } as const;
const nodes: LloomBehaviour[] = [];
const names = new Map<string, string>();
const print = (text: string): void => void process.stdout.write(`${text}\n`);

async function start(name: string, config: NetworkConfig) {
  const identity = Identity.generate();
  const node = await LloomBehaviour.create(identity, config);
  nodes.push(node);
  names.set(node.peerId, name);
  return { node, identity };
}

/** Tells the story, and goes on where another executor broke off. What it asks for is signed with each piece. */
const storyteller = (shop: { pricing: PricingInfo }): Handler =>
  async function* (_request, { signal, prefix }) {
    const told = prefix === undefined ? 0 : prefix.text.trim().split(' ').length;
    const { pricing } = shop;
    const inboundTokens = 4 + told;
    for (const [index, word] of story.slice(told).entries()) {
      await setTimeout(10, undefined, { signal });
      yield { inboundTokens, totalCost: costOf(pricing, { inboundTokens, outboundTokens: index + 1 }) };
      yield { text: `${word} `, tokens: 1 };
    }
  };

async function open(name: string, price: string) {
  const pricing = { inboundPrice: price, outboundPrice: price };
  const packages = { rpc: { capacity: 2, segmentTokens: 2 } };
  const { node } = await start(name, executor({ ...local, bootstrapPeers, packages }));
  const shop = { pricing };
  node.serve(storyteller(shop), { canContinue: true });
  await node.bootstrap();
  const service = { kind: 'executor', models: [model], capacity: 2, pricing } as const;
  const advertised = new Promise((resolve) => node.addEventListener('service:advertised', resolve));
  await node.advertiseService(service);
  await advertised;
  /** For requests from now on. */
  const setPrice = async (to: PricingInfo): Promise<void> => {
    shop.pricing = to;
    await node.updateServiceInfo({ ...service, pricing: to });
  };
  return { node, setPrice };
}

const { node: hub } = await start('the validator', validator(local));
const bootstrapPeers = hub.listenedAddresses().map((address) => `${address}/p2p/${hub.peerId}`);
try {
  await hub.advertiseService({ kind: 'validator', stake: '0' });
  const [, fair, cheap] = await Promise.all([open('Dear', '5'), open('Fair', '3'), open('Cheap', '1')]);
  // Who is to choose waits a moment for slower ones.
  const config = { ...local, bootstrapPeers, packages: { discovery: { settleMs: 1_000 } } };
  const [ann, bob] = await Promise.all([start('Ann', client(config)), start('Bob', client(config))]);
  await Promise.all([ann.node.bootstrap(), bob.node.bootstrap()]);

  const chosen = await ann.node.selectExecutor({ model, maxPrice: '4', prefer: 'price' });
  print(chosen.explain().text);
  assert.equal(chosen.peerId, cheap.node.peerId);

  const heard = new Promise<PricingInfo>((resolve) =>
    ann.node.addEventListener('message:received', ({ detail: { peerId, message } }) => {
      if (peerId === cheap.node.peerId && message.type === 'priceUpdate') resolve(message.newPrice);
    }),
  );
  // The validator passes on what others publish, as it is subscribed, too.
  for (const { node } of [{ node: hub }, ann]) await node.subscribeTopic(GossipTopic.PriceUpdates);
  const newPrice = { inboundPrice: '4', outboundPrice: '4' };
  const news = { type: 'priceUpdate', model, newPrice, effectiveAt: Date.now() } as const;
  await cheap.setPrice(newPrice);
  await cheap.node.publishMessage(GossipTopic.PriceUpdates, news);
  print(`Ann hears that Cheap takes ${(await heard).outboundPrice} wei a token from now on.`);

  const first = await bob.node.selectExecutor({ model, prefer: 'price' }, { maxAgeMs: 0 });
  assert.equal(first.peerId, fair.node.peerId);
  const question = { model, prompt: 'How is cloth made?', maxPrice: '200' };
  const request = await bob.identity.sign(question, { to: first.peerId });
  const retry = { maxAttempts: 3, failover: 'resume' } as const;
  const answer = bob.node.stream(first.peerId, { type: 'llmRequest', request }, { retry });
  for await (const { sequence, text, peerId } of answer) {
    process.stdout.write(`${names.get(peerId)}: ${text}\n`);
    if (sequence === 6) void fair.node.stop({ drainMs: 0 });
  }

  const { content, shares, totalCost } = await answer.result;
  for (const { peerId, executor: payTo, tokens, unsignedTokens, totalCost: cost } of shares)
    print(
      `${names.get(peerId)} signed ${tokens} tokens, gave ${unsignedTokens} away, and gets ${cost} wei at ${payTo}`,
    );
  print(`${totalCost} wei in all, of 200 that Bob would have paid`);
  assert.equal(content.trim(), story.join(' '));
  const [told, rest] = shares;
  assert.ok(told && rest);
  const owed = costOf(newPrice, {
    inboundTokens: 4 + told.tokens + told.unsignedTokens,
    outboundTokens: rest.tokens,
  });
  assert.equal(rest.totalCost, owed);
  assert.equal(shares.reduce((sum, { totalCost: cost }) => sum + BigInt(cost), 0n).toString(), totalCost);
} finally {
  await Promise.all(nodes.map(async (node) => node.stop()));
}
