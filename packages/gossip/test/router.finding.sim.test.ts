import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { bytes, connect, createRouterNode, errorOf, serviceOf, type AnyNode } from './routerNodes.ts';

const topic = 'topic';

describe('the router', () => {
  test('names known peers that speak gossip and are not connected, and dials them', async ({
    createNetwork,
  }) => {
    const network = await createNetwork<AnyNode>({ nodes: 2, createNode: (host) => createRouterNode(host) });
    await connect(network, ['n0', 'n1']);
    const { router } = serviceOf(network, 'n0');
    const other = network.node('n1').peerId.toString();
    const find = () =>
      network.run(async () => {
        const found: string[] = [];
        for await (const { peerId } of router.find(topic, { signal: AbortSignal.timeout(1_000) }))
          found.push(peerId);
        return found;
      });
    expect([router.isConnected(other), await find()]).toEqual([true, []]);
    await network.run(() => network.node('n0').hangUp(network.node('n1').peerId));
    await network.runFor(100);
    expect([router.isConnected(other), await find()]).toEqual([false, [other]]);
    const call = { signal: AbortSignal.timeout(5_000), toldBy: 'peers' } as const;
    await network.run(() => router.dial(other, [], call));
    expect(router.isConnected(other)).toBe(true);
    await network.run(() => router.dial(other, ['/ip4/10.9.9.9/tcp/1'], call));
  });

  test('keeps as many in the mesh as it is told, from the next heartbeat on', async ({ createNetwork }) => {
    const network = await createNetwork<AnyNode>({ nodes: 10, createNode: (host) => createRouterNode(host) });
    const names = [...network.nodes.keys()];
    await connect(network, ...names.slice(1).map((name) => ['n0', name] as const));
    for (const name of names) serviceOf(network, name).router.subscribe(topic);
    const { router } = serviceOf(network, 'n0');
    router.setMeshSize({ target: 2, high: 3 });
    await network.runFor(3_000);
    expect(router.meshPeers(topic).length).toBeLessThanOrEqual(3);
    router.setMeshSize({ target: 9, high: 12 });
    // Whoever was pruned stays out for a minute.
    await network.runFor(65_000);
    expect(router.meshPeers(topic).length).toBeGreaterThanOrEqual(6);
  });

  test('says what the score of a neighbour is made of', async ({ createNetwork }) => {
    const network = await createNetwork<AnyNode>({ nodes: 2, createNode: (host) => createRouterNode(host) });
    await connect(network, ['n0', 'n1']);
    for (const name of ['n0', 'n1']) serviceOf(network, name).router.subscribe(topic);
    await network.runFor(10_000);
    await network.run(() => serviceOf(network, 'n1').router.publish(topic, bytes('a')));
    await network.runFor(1_500);
    const [score] = serviceOf(network, 'n0').router.scores();
    expect(score).toMatchObject({
      peerId: network.node('n1').peerId.toString(),
      application: 0,
      behaviour: 0,
      colocation: 0,
    });
    expect(score?.topics[topic]).toMatchObject({ invalid: 0 });
    expect(score?.topics[topic]?.firstDeliveries).toBeGreaterThan(0.8);
    expect(score?.topics[topic]?.meshTime).toBeGreaterThan(5_000);
    expect(score?.score).toBeCloseTo(0.5, 0);
  });

  test('leaves the raw service as it is for those who publish by it', async ({ createNetwork }) => {
    const network = await createNetwork<AnyNode>({ nodes: 2, createNode: (host) => createRouterNode(host) });
    const { pubsub } = serviceOf(network, 'n0').router;
    expect(await network.run(() => errorOf(pubsub.publish(topic, bytes('a'))))).toMatchObject({
      message: 'PublishError.NoPeersSubscribedToTopic',
    });
    await connect(network, ['n0', 'n1']);
    serviceOf(network, 'n1').router.subscribe(topic);
    await network.runFor(500);
    const { recipients } = await network.run(() => pubsub.publish(topic, bytes('a')));
    expect(recipients.map(String)).toEqual([network.node('n1').peerId.toString()]);
    expect(await network.run(() => errorOf(pubsub.publish(topic, new Uint8Array(70_000))))).toMatchObject({
      message: 'PublishError.TooLarge: 70000 bytes, at most 65536',
    });
  });
});
