import { generateKeyPair } from '@libp2p/crypto/keys';
import { test } from '@lloom/simkit/vitest';
import { describe, expect, vi } from 'vitest';
import { bytes, connect, createRouterNode, serviceOf, type AnyNode } from './routerNodes.ts';
import { control, meet, signedMessage, topic } from './wirePeer.ts';

const topics = Array.from({ length: 20 }, (_, at) => `topic${at}`);

test('who comes hears what was just said on each of twenty topics', async ({ createNetwork }) => {
  const network = await createNetwork<AnyNode>({
    nodes: ['author', 'hub', 'late'],
    createNode: (host) => createRouterNode(host),
  });
  await connect(network, ['author', 'hub']);
  for (const name of network.nodes.keys())
    for (const one of topics) serviceOf(network, name).router.subscribe(one);
  await network.runFor(3_000);
  for (const one of topics)
    await network.run(() => serviceOf(network, 'author').router.publish(one, bytes(one)));
  await network.runFor(200);
  await connect(network, ['late', 'hub']);
  await network.runFor(500);
  expect(serviceOf(network, 'late').watcher.delivered.toSorted()).toEqual(topics.toSorted());
});

describe('a neighbour that subscribes', () => {
  test('to one topic after the other is told in three RPCs a heartbeat, and of all in the end', async ({
    createNetwork,
  }) => {
    const { network, peer, router, gossipsub } = await meet(createNetwork);
    await network.runFor(2_000 - (network.clock.now() % 1_000));
    peer.say({ subscriptions: topics.map((one) => ({ subscribe: true, topic: one })) });
    await network.runFor(50);
    for (const one of topics) await network.run(() => router.publish(one, bytes(one)));
    peer.say({ subscriptions: topics.map((one) => ({ subscribe: false, topic: one })) });
    await network.runFor(50);
    peer.heard.length = 0;
    const told = (): string[][] =>
      peer.heard.flatMap(({ control: said }) =>
        said === undefined || said.ihave.length === 0 ? [] : [said.ihave.map(({ topicID }) => topicID!)],
      );
    const heartbeats: number[] = [];
    gossipsub.addEventListener('gossipsub:heartbeat', () => heartbeats.push(told().length));
    for (const one of topics) {
      peer.say({ subscriptions: [{ subscribe: true, topic: one }] });
      await network.runFor(10);
    }
    await network.runFor(1_000);
    expect(heartbeats[0]).toBeLessThanOrEqual(3);
    expect(told().length).toBeLessThanOrEqual(4);
    expect(told().flat().toSorted()).toEqual(topics.toSorted());
  });

  test('again and again to what it has makes no work', async ({ createNetwork }) => {
    const { network, peer, gossipsub, watcher } = await meet(createNetwork);
    const message = await signedMessage(await generateKeyPair('Ed25519'));
    for (let at = 0; at < 2_000; at++) gossipsub.mcache.put({ msgIdStr: `${at}` }, message);
    const subscriptions = [topic, ...topics].map((one) => ({ subscribe: true, topic: one }));
    const latest = vi.spyOn(gossipsub.mcache, 'latest');
    peer.say({ subscriptions });
    await network.runFor(50);
    // Only of the topic of which there is anything.
    expect(latest).toHaveBeenCalledTimes(1);
    watcher.links.length = 0;
    for (let round = 0; round < 20; round++) peer.say({ subscriptions });
    await network.runFor(50);
    expect([latest.mock.calls.length, watcher.links]).toEqual([1, []]);
  });
});

test('a neighbour outside the mesh that does not read holds up no heartbeat, and is told later', async ({
  createNetwork,
}) => {
  const { network, peer, router, gossipsub } = await meet(createNetwork, 'wire');
  peer.say({
    subscriptions: [{ subscribe: true, topic }],
    ...control({ prune: [{ topicID: topic, backoff: 60, peers: [] }] }),
  });
  await network.runFor(1_000);
  expect(router.meshPeers(topic)).toEqual([]);
  peer.readNothing();
  for (const stream of peer.inbound) stream.pause();
  for (let at = 0; at < 100; at++) await network.run(() => router.publish(topic, new Uint8Array(60_000)));
  let heartbeats = 0;
  gossipsub.addEventListener('gossipsub:heartbeat', () => heartbeats++);
  await network.runFor(2_000);
  expect(heartbeats).toBe(2);
  peer.readAgain();
  await network.runFor(100);
  await network.run(() => router.publish(topic, bytes('new')));
  await network.runFor(1_500);
  const told = peer.heard.flatMap((rpc) => rpc.control?.ihave ?? []).flatMap(({ messageIDs }) => messageIDs);
  expect(told.length).toBeGreaterThan(1);
});

describe('a message that was asked for', () => {
  test('is sent to who has handed it over, and lost it since', async ({ createNetwork }) => {
    const { network, peer, gossipsub } = await meet(createNetwork);
    const message = await signedMessage(await generateKeyPair('Ed25519'));
    peer.sayFrames(message.frame);
    await network.runFor(50);
    const [[id, { message: kept }]] = [...gossipsub.mcache.msgs] as [[string, never]] as never as [
      [string, { message: { holders: Set<string> | undefined } }],
    ];
    kept.holders = new Set([peer.peerId.toString()]);
    peer.heard.length = 0;
    peer.say(control({ iwant: [{ messageIDs: [Buffer.from(id, 'latin1')] }] }));
    await network.runFor(50);
    expect(peer.heard.flatMap(({ messages }) => messages)).toHaveLength(1);
  });

  test('of this node itself, before it started again, is a promise that was kept', async ({
    createNetwork,
  }) => {
    const network = await createNetwork<AnyNode>({ nodes: 2, createNode: (host) => createRouterNode(host) });
    await connect(network, ['n0', 'n1']);
    const [a, b] = [serviceOf(network, 'n0'), serviceOf(network, 'n1')];
    for (const { router } of [a, b]) router.subscribe(topic);
    await network.runFor(2_000);
    for (let at = 0; at < 20; at++) await network.run(() => a.router.publish(topic, bytes(`${at}`)));
    await network.run(() => a.stop());
    await network.run(() => a.start());
    a.router.subscribe(topic);
    await network.runFor(5_000);
    expect(b.watcher.delivered).toHaveLength(20);
    expect(a.watcher.received).toEqual([]);
    expect(a.router.scores().map(({ behaviour }) => behaviour)).toEqual([0]);
    const { peerStats } = (
      a.router.pubsub as unknown as { score: { peerStats: Map<string, { behaviourPenalty: number }> } }
    ).score;
    expect([...peerStats.values()].map(({ behaviourPenalty }) => behaviourPenalty)).toEqual([0]);
  });
});
