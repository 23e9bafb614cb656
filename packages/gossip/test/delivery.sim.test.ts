import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import {
  connect,
  createSimNode,
  gossipOf,
  idOf,
  Ledger,
  link,
  noKeys,
  randomPairs,
  spokes,
  subscribeAll,
  topic,
  type SimNetwork,
} from './simNodes.ts';

const leaves = Array.from({ length: 40 }, (_, at) => `leaf${at}`);
const heartbeatMs = 1_000;

/** A hundred messages from leaves in turn, ten a second. */
async function publishHundred(network: SimNetwork, ledger: Ledger): Promise<void> {
  for (let at = 0; at < 100; at++) {
    ledger.publish(leaves[(at * 7) % leaves.length]!, `m${at}`);
    await network.runFor(100);
  }
  await network.runFor(3 * heartbeatMs);
}

describe('a star: forty who know nobody but one', () => {
  const hubs = { 'a bootstrapper': 'bootstrapper', 'an ordinary node': 'member' } as const;
  for (const [what, profile] of Object.entries(hubs)) {
    test(`hears everything within two heartbeats through ${what}`, async ({ createNetwork }) => {
      const network = await createNetwork({
        nodes: ['hub', ...leaves],
        link,
        createNode: (host) =>
          createSimNode(host, { keys: noKeys, profile: host.name === 'hub' ? profile : 'member' }),
      });
      await subscribeAll(network, ['hub', ...leaves]);
      await connect(network, spokes('hub', leaves));
      await network.runFor(2_000);
      const ledger = new Ledger(network, leaves);
      await publishHundred(network, ledger);
      expect(ledger.delivered(2 * heartbeatMs)).toBeGreaterThanOrEqual(0.999);
      expect(ledger.doubles).toBe(0);
      if (profile === 'member') return;
      // Nobody hangs on hearsay: messages take two hops.
      expect(ledger.delivered(400)).toBeGreaterThanOrEqual(0.999);
      const empty = leaves.filter((leaf) => gossipOf(network, leaf).gossipsubMeshPeers(topic).length === 0);
      expect(empty).toEqual([]);
    });
  }
});

test('a network of forty, each linked to a few, hears everything within two heartbeats', async ({
  createNetwork,
}) => {
  const names = Array.from({ length: 40 }, (_, at) => `n${at}`);
  const network = await createNetwork({
    nodes: names,
    link,
    createNode: (host) => createSimNode(host, { keys: noKeys }),
  });
  await subscribeAll(network, names);
  await connect(network, randomPairs(names, 4));
  await network.runFor(2_000);
  const ledger = new Ledger(network, names);
  for (let at = 0; at < 40; at++) {
    ledger.publish(names[(at * 7) % names.length]!, `m${at}`);
    await network.runFor(50);
  }
  await network.runFor(3_000);
  expect(ledger.delivered(2 * heartbeatMs)).toBe(1);
});

describe('a network that is torn', () => {
  const [left, right] = [
    ['a', 'b', 'c', 'd'],
    ['e', 'f', 'g', 'h'],
  ];
  const all = [...left, ...right];

  test('delivers on each side, and across again when it is healed', async ({ createNetwork }) => {
    const network = await createNetwork({
      nodes: all,
      link,
      createNode: (host) => createSimNode(host, { keys: noKeys }),
    });
    await subscribeAll(network, all);
    await connect(network, randomPairs(all, 4));
    await network.runFor(2_000);
    const ledger = new Ledger(network, all);
    network.partition(left, right);
    await network.runFor(60_000);
    ledger.publish('a', 'torn');
    await network.runFor(3_000);
    expect(ledger.heardBy('torn').toSorted()).toEqual(['b', 'c', 'd']);
    network.heal();
    await connect(network, [['a', 'e']]);
    await network.runFor(15_000);
    ledger.publish('b', 'healed');
    await network.runFor(3_000);
    expect(ledger.heardBy('healed').toSorted()).toEqual(all.filter((name) => name !== 'b'));
  });
});

test('who leaves a topic and comes back is in the mesh again within three heartbeats', async ({
  createNetwork,
}) => {
  const network = await createNetwork({
    nodes: ['a', 'b', 'c'],
    link,
    createNode: (host) => createSimNode(host, { keys: noKeys }),
  });
  await subscribeAll(network, ['a', 'b', 'c']);
  await connect(network, [
    ['a', 'b'],
    ['a', 'c'],
  ]);
  await network.runFor(2_000);
  const a = gossipOf(network, 'a');
  await network.run(() => a.unsubscribeTopic(topic));
  await network.runFor(200);
  expect(gossipOf(network, 'b').topicPeers(topic)).toEqual([]);
  await network.run(() => a.subscribeTopic(topic));
  await network.runFor(3 * heartbeatMs);
  expect([...a.gossipsubMeshPeers(topic)].toSorted()).toEqual(
    [idOf(network, 'b'), idOf(network, 'c')].toSorted(),
  );
  const [scoreOfB] = a.peerScores();
  expect(scoreOfB!.behaviour).toBe(0);
});

test('who comes a moment after a message was said hears it as well', async ({ createNetwork }) => {
  const names = ['a', 'hub', 'late', 'later'];
  const network = await createNetwork({
    nodes: names,
    link,
    createNode: (host) => createSimNode(host, { keys: noKeys }),
  });
  await subscribeAll(network, ['a', 'hub']);
  await connect(network, [
    ['a', 'hub'],
    ['late', 'hub'],
  ]);
  await network.runFor(2_000);
  const ledger = new Ledger(network, names);
  ledger.publish('a', 'news');
  await network.runFor(500);
  expect(ledger.heardBy('news')).toEqual(['hub']);
  await subscribeAll(network, ['late', 'later']);
  await network.runFor(400);
  expect(ledger.heardBy('news')).toEqual(['hub', 'late']);
  await network.runFor(1_500);
  await connect(network, [['later', 'hub']]);
  await network.runFor(1_000);
  expect(ledger.heardBy('news')).toEqual(['hub', 'late', 'later']);
  expect(ledger.doubles).toBe(0);
});
