import { test } from '@lloom/simkit/vitest';
import type { TestNetwork } from '@lloom/simkit';
import { describe, expect } from 'vitest';
import type { Internals } from '../src/adapters/internals.ts';
import { connect, createRouterNode, createStockNode, serviceOf, type AnyNode } from './routerNodes.ts';
import { control, internals, meet, topic } from './wirePeer.ts';

type Network = TestNetwork<AnyNode>;

const meshOf = (network: Network, name: string): readonly string[] => {
  const { services } = network.node(name);
  if ('gossip' in services) return services.gossip.router.meshPeers(topic);
  return (services.pubsub as unknown as Pick<Internals, 'getMeshPeers'>).getMeshPeers(topic);
};

/** A hub, ours or stock, and a leaf of ours in its mesh. */
async function star(createNetwork: (config: never) => Promise<unknown>, isStock: boolean): Promise<Network> {
  const network = (await createNetwork({
    nodes: ['hub', 'leaf'],
    link: { delayMs: 50 },
    createNode: (host: Parameters<typeof createRouterNode>[0]) =>
      isStock && host.name === 'hub' ? createStockNode(host) : createRouterNode(host),
  } as never)) as Network;
  const { services } = network.node('hub');
  if ('pubsub' in services) services.pubsub.subscribe(topic);
  else services.gossip.router.subscribe(topic);
  serviceOf(network, 'leaf').router.subscribe(topic);
  await connect(network, ['leaf', 'hub']);
  await network.runFor(5_000);
  expect([meshOf(network, 'hub').length, meshOf(network, 'leaf').length]).toEqual([1, 1]);
  return network;
}

describe('the mesh stands again within three heartbeats', () => {
  for (const pauseMs of [0, 300, 900]) {
    for (const isStock of [false, true]) {
      const what = isStock ? 'a stock hub' : 'a hub of ours';
      test(`when the service stops and starts after ${pauseMs} ms, at ${what}`, async ({ createNetwork }) => {
        const network = await star(createNetwork, isStock);
        const leaf = serviceOf(network, 'leaf');
        await network.run(() => leaf.stop());
        if (pauseMs > 0) await network.runFor(pauseMs);
        await network.run(() => leaf.start());
        leaf.router.subscribe(topic);
        await network.runFor(3_000);
        expect([meshOf(network, 'hub').length, meshOf(network, 'leaf').length]).toEqual([1, 1]);
        const { services } = network.node('hub');
        const { score } = ('pubsub' in services
          ? services.pubsub
          : services.gossip.router.pubsub) as never as {
          score: { peerStats: Map<string, { behaviourPenalty: number }> };
        };
        expect(score.peerStats.get(network.node('leaf').peerId.toString())?.behaviourPenalty).toBe(0);
      });
    }

    test(`when the whole node does, after ${pauseMs} ms`, async ({ createNetwork }) => {
      const network = await star(createNetwork, false);
      const node = network.node('leaf');
      await network.run(() => node.stop());
      if (pauseMs > 0) await network.runFor(pauseMs);
      await network.run(() => node.start());
      serviceOf(network, 'leaf').router.subscribe(topic);
      await connect(network, ['leaf', 'hub']);
      await network.runFor(3_000);
      expect([meshOf(network, 'hub').length, meshOf(network, 'leaf').length]).toEqual([1, 1]);
    });
  }
});

test('the mesh stands again within three heartbeats when the leaf remembers nothing', async ({
  createNetwork,
}) => {
  const network = await star(createNetwork, false);
  const leaf = serviceOf(network, 'leaf');
  await network.run(() => leaf.stop());
  await network.run(() => leaf.start());
  internals(network, 'leaf').backoff.clear();
  leaf.router.subscribe(topic);
  await network.runFor(3_000);
  expect([meshOf(network, 'hub').length, meshOf(network, 'leaf').length]).toEqual([1, 1]);
});

test('who grafts too soon is kept out for as long as was asked for, and not for a minute', async ({
  createNetwork,
}) => {
  const { network, peer, gossipsub, router } = await meet(createNetwork);
  for (const [asked, told] of [
    [2, 2],
    [30, 30],
    [0, 60],
  ] as const) {
    const prune = [{ topicID: topic, peers: [], ...(asked === 0 ? {} : { backoff: asked }) }];
    peer.say(control({ prune }));
    await network.runFor(100);
    peer.heard.length = 0;
    peer.say(control({ graft: [{ topicID: topic }] }));
    await network.runFor(100);
    const prunes = peer.heard.flatMap((rpc) => rpc.control?.prune ?? []);
    expect(prunes).toMatchObject([{ topicID: topic, backoff: told }]);
    const until = gossipsub.backoff.get(topic)!.get(peer.peerId.toString())!;
    expect(until - network.clock.now()).toBeLessThanOrEqual(told * 1_000);
    expect(until - network.clock.now()).toBeGreaterThan(told * 1_000 - 200);
  }
  expect(router.meshPeers(topic)).toEqual([]);
});

test('a service that is stopped while it starts is stopped in the end, and the other way round', async ({
  createNetwork,
}) => {
  const network = await createNetwork<AnyNode>({
    nodes: ['ours'],
    createNode: (host) => createRouterNode(host),
  });
  const service = serviceOf(network, 'ours');
  const gossipsub = internals(network);
  await network.run(() => service.stop());
  await network.run(() => Promise.all([service.start(), service.stop()]));
  expect(gossipsub.isStarted()).toBe(false);
  await network.run(() => service.start());
  await network.run(() => Promise.all([service.stop(), service.start()]));
  expect(gossipsub.isStarted()).toBe(true);
  service.router.subscribe(topic);
  await network.runFor(1_000);
  expect(gossipsub.getTopics()).toEqual([topic]);
});
