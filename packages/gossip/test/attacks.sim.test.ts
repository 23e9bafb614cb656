import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { GossipTopic } from '../src/index.ts';
import { besiege } from './attacks.ts';
import {
  bytes,
  connect,
  createSimNode,
  everyPair,
  gossipOf,
  Ledger,
  link,
  noKeys,
  scoreOf,
  subscribeAll,
  topic,
  type SimNetwork,
} from './simNodes.ts';

const pricing = { inboundPrice: '1', outboundPrice: '2' };
const price = {
  type: 'priceUpdate',
  model: 'nobody-heard-of-it',
  newPrice: pricing,
  effectiveAt: 1,
} as const;

/** Says something every `everyMs` for `durationMs`, past every limit that a node keeps to by itself. */
async function shout(
  network: SimNetwork,
  by: string,
  {
    on,
    what,
    perSecond,
    durationMs,
  }: { on: string; what: () => Uint8Array; perSecond: number; durationMs: number },
): Promise<void> {
  const stepMs = 50;
  for (let passedMs = 0; passedMs < durationMs; passedMs += stepMs) {
    for (let n = 0; n < (perSecond * stepMs) / 1_000; n++) {
      gossipOf(network, by)
        .pubsub.publish(on, what())
        .catch(() => undefined);
    }
    await network.runFor(stepMs);
  }
}

describe('a neighbour that says a thousand invalid messages a second', () => {
  test('is not heard any more within ten seconds, while others are', async ({ createNetwork }) => {
    const names = ['a', 'b', 'c', 'spammer'];
    const network = await createNetwork({
      nodes: names,
      link,
      createNode: (host) => createSimNode(host, { keys: noKeys }),
    });
    await subscribeAll(network, names);
    for (const name of names)
      await network.run(() => gossipOf(network, name).subscribeTopic(GossipTopic.PriceUpdates));
    await connect(network, everyPair(names));
    await network.runFor(2_000);
    const ledger = new Ledger(network, ['a', 'b', 'c']);
    const garbage = { on: GossipTopic.PriceUpdates, what: () => bytes('no message'), perSecond: 1_000 };
    await shout(network, 'spammer', { ...garbage, durationMs: 5_000 });
    ledger.publish('a', 'meanwhile');
    await shout(network, 'spammer', { ...garbage, durationMs: 5_000 });
    expect(scoreOf(network, 'a', 'spammer')).toBeLessThan(-80);
    expect(gossipOf(network, 'a').gossipsubMeshPeers(GossipTopic.PriceUpdates)).not.toContain(
      network.node('spammer').peerId.toString(),
    );
    expect(ledger.heardBy('meanwhile').toSorted()).toEqual(['b', 'c']);
    for (const other of ['b', 'c']) expect(scoreOf(network, 'a', other)).toBeGreaterThanOrEqual(0);
  });
});

describe('a neighbour that says ten times what it may', () => {
  test('is not heard any more within ten seconds, and those who passed on what was allowed are not blamed', async ({
    createNetwork,
  }) => {
    const names = ['a', 'b', 'c', 'flooder'];
    const network = await createNetwork({
      nodes: names,
      link,
      createNode: (host) => createSimNode(host, { keys: noKeys }),
    });
    await subscribeAll(network, names);
    await connect(network, [...everyPair(['a', 'b', 'c']), ['flooder', 'a']]);
    await network.runFor(2_000);
    let number = 0;
    await shout(network, 'flooder', {
      on: topic,
      what: () => bytes(`flood ${number++}`),
      perSecond: 500,
      durationMs: 10_000,
    });
    expect(scoreOf(network, 'a', 'flooder')).toBeLessThan(-80);
    for (const other of ['b', 'c']) expect(scoreOf(network, 'a', other)).toBeGreaterThanOrEqual(0);
    for (const by of ['b', 'c']) expect(scoreOf(network, by, 'a')).toBeGreaterThanOrEqual(0);
  });
});

test('fifteen among forty-five that pass nothing on hear one another within six seconds', async ({
  createNetwork,
}) => {
  const share = await besiege(createNetwork, { honest: 15, censors: 45, degree: 4 }, 6_000);
  expect(share).toBeGreaterThanOrEqual(0.99);
});

test('who passes on news of an executor that we have never heard of keeps its score', async ({
  createNetwork,
}) => {
  const names = ['a', 'b', 'c'];
  const network = await createNetwork({
    nodes: names,
    link,
    createNode: (host) => createSimNode(host, { keys: noKeys }),
  });
  for (const name of names)
    await network.run(() => gossipOf(network, name).subscribeTopic(GossipTopic.PriceUpdates));
  await connect(network, [
    ['a', 'b'],
    ['b', 'c'],
  ]);
  await network.runFor(2_000);
  const before = scoreOf(network, 'c', 'b');
  const heard: string[] = [];
  gossipOf(network, 'c').addEventListener('message:received', ({ detail }) => heard.push(detail.peerId));
  await network.run(() => gossipOf(network, 'a').publishMessage(GossipTopic.PriceUpdates, price));
  await network.runFor(1_000);
  expect(heard).toEqual([network.node('a').peerId.toString()]);
  expect(scoreOf(network, 'c', 'b')).toBeGreaterThanOrEqual(before);
});

describe('a validator that takes its time', () => {
  test('delays its own topic, and nothing grows', async ({ createNetwork }) => {
    const names = ['a', 'b'];
    const network = await createNetwork({
      nodes: names,
      link,
      createNode: (host) =>
        createSimNode(host, { keys: noKeys, maxPendingValidations: 40, validationTimeoutMs: 1_000 }),
    });
    const never = new Promise<never>(() => undefined);
    const slow = gossipOf(network, 'b').createTopic('slow/1.0.0', { validate: () => never });
    await network.run(() => slow.subscribe());
    await subscribeAll(network, names);
    await connect(network, [['a', 'b']]);
    await network.runFor(2_000);
    const ledger = new Ledger(network, ['b']);
    for (let n = 0; n < 100; n++)
      void gossipOf(network, 'a').publishMessage('slow/1.0.0', bytes(`slow ${n}`));
    ledger.publish('a', 'quick');
    await network.runFor(200);
    const { pendingValidations } = gossipOf(network, 'b').snapshot();
    expect(pendingValidations).toBeGreaterThan(0);
    expect(pendingValidations).toBeLessThanOrEqual(10);
    expect(ledger.heardBy('quick')).toEqual(['b']);
    await network.runFor(5_000);
    const { dropped, pendingValidations: left } = gossipOf(network, 'b').snapshot();
    expect(left).toBe(0);
    expect(dropped.unjudged + dropped.overload).toBe(100);
    expect(scoreOf(network, 'b', 'a')).toBeGreaterThanOrEqual(0);
  });
});
