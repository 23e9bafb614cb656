import { generateKeyPair } from '@libp2p/crypto/keys';
import { test } from '@lloom/simkit/vitest';
import type { SimHost, TestNetwork } from '@lloom/simkit';
import { describe, expect, vi } from 'vitest';
import { connect, createRouterNode, serviceOf, type AnyNode } from './routerNodes.ts';
import {
  control,
  createWirePeer,
  internals,
  meet,
  protocol,
  signedMessage,
  topic,
  type WirePeer,
} from './wirePeer.ts';

describe('a neighbour that sends control messages without number', () => {
  const id = Buffer.alloc(44, 1);
  const kinds = {
    graft: { topicID: topic },
    prune: { topicID: topic, backoff: 1, peers: [] },
    ihave: { topicID: topic, messageIDs: [id] },
    iwant: { messageIDs: [id] },
    idontwant: { messageIDs: [id] },
  };
  for (const [kind, one] of Object.entries(kinds)) {
    test(`of the kind ${kind} is cut off`, async ({ createNetwork }) => {
      const { network, peer, watcher } = await meet(createNetwork);
      peer.say(control({ [kind]: Array.from({ length: 1_024 }, () => one) }));
      await network.runFor(100);
      expect(watcher.violations).toEqual([]);
      peer.say(control({ [kind]: Array.from({ length: 1_025 }, () => one) }));
      await network.runFor(100);
      expect([watcher.violations.length, peer.getConnections()]).toEqual([1, []]);
    });
  }

  test('of one topic is listened to once an RPC, and written down when something changes', async ({
    createNetwork,
  }) => {
    const { network, peer, router, gossipsub, watcher } = await meet(createNetwork);
    peer.say({ subscriptions: [{ subscribe: true, topic }] });
    await network.runFor(2_000);
    expect(router.meshPeers(topic)).toHaveLength(1);
    const merge = vi.spyOn(network.node('ours').peerStore, 'merge');
    const penalty = vi.spyOn(gossipsub.score, 'addPenalty');
    watcher.links.length = 0;
    let told = 0;
    for (const type of ['gossipsub:graft', 'gossipsub:prune'] as const)
      gossipsub.addEventListener(type, () => told++);
    for (let round = 0; round < 5; round++)
      peer.say(control({ prune: Array.from({ length: 1_000 }, () => kinds.prune) }));
    await network.runFor(50);
    expect([told, penalty.mock.calls.length, watcher.links]).toEqual([1, 0, [topic]]);
    peer.say(control({ graft: Array.from({ length: 1_000 }, () => kinds.graft) }));
    await network.runFor(50);
    // It is refused, in words, once.
    expect([told, penalty.mock.calls.length]).toEqual([2, 1]);
    await network.runFor(950);
    expect(merge.mock.calls.length).toBeLessThanOrEqual(1);
  });

  test('with ids longer than any is cut off, and those that are long are not kept', async ({
    createNetwork,
  }) => {
    const { network, peer, gossipsub, watcher } = await meet(createNetwork);
    const idontwant = [256, 257, 1_100].map((size) => ({ messageIDs: [Buffer.alloc(size, 1)] }));
    peer.say(control({ idontwant }));
    await network.runFor(50);
    const kept = [...gossipsub.idontwants.values()].flatMap((ids) => [...ids.keys()]);
    expect([kept.map(({ length }) => length), watcher.violations]).toEqual([[256], []]);
    peer.say(control({ idontwant: [{ messageIDs: [Buffer.alloc(1_101)] }] }));
    await network.runFor(50);
    expect(watcher.violations).toHaveLength(1);
  });
});

test('a neighbour in the mesh is tagged in the peer store for as long as it is', async ({
  createNetwork,
}) => {
  const network = await createNetwork<AnyNode>({ nodes: 2, createNode: (host) => createRouterNode(host) });
  await connect(network, ['n0', 'n1']);
  for (const name of ['n0', 'n1']) serviceOf(network, name).router.subscribe(topic);
  const { peerId } = network.node('n1');
  const tags = async (): Promise<string[]> => [
    ...(await network.run(() => network.node('n0').peerStore.get(peerId))).tags.keys(),
  ];
  await network.runFor(2_000);
  expect(await tags()).toContain(topic);
  serviceOf(network, 'n1').router.unsubscribe(topic);
  await network.runFor(2_000);
  expect(await tags()).not.toContain(topic);
});

test('who passes on another message of an author than this node knows of that number is not blamed', async ({
  createNetwork,
}) => {
  const network = (await createNetwork({
    nodes: ['ours', 'honest', 'bad'],
    createNode: ((host: SimHost) =>
      host.name === 'bad' ? createWirePeer(host) : createRouterNode(host)) as never,
  })) as unknown as TestNetwork<AnyNode>;
  const bad = network.node('bad') as unknown as WirePeer;
  for (const name of ['ours', 'honest']) {
    const { router, watcher } = serviceOf(network, name);
    router.subscribe(topic);
    watcher.judge = async ({ data }) => ({
      verdict: Buffer.from(data).toString() === 'bad' ? 'reject' : 'accept',
    });
  }
  await connect(network, ['honest', 'ours'], ['bad', 'ours'], ['bad', 'honest']);
  await network.runFor(2_000);
  const streamTo = (name: string) => {
    const [connection] = bad.getConnections(network.node(name).peerId);
    return network.run(() => connection!.newStream(protocol));
  };
  const [toOurs, toHonest] = [await streamTo('ours'), await streamTo('honest')];
  const key = await generateKeyPair('Ed25519');
  for (let seqno = 1n; seqno <= 5n; seqno++) {
    const [invalid, valid] = [
      await signedMessage(key, { seqno, data: Buffer.from('bad') }),
      await signedMessage(key, { seqno, data: Buffer.from('good') }),
    ];
    toOurs.send(invalid.frame);
    await network.runFor(50);
    toHonest.send(valid.frame);
    await network.runFor(50);
  }
  await network.runFor(1_500);
  const score = (name: string): number =>
    internals(network).score.score(network.node(name).peerId.toString());
  expect(score('bad')).toBeLessThan(-80);
  expect(score('honest')).toBeGreaterThanOrEqual(0);
  expect(serviceOf(network, 'ours').router.meshPeers(topic)).toContain(
    network.node('honest').peerId.toString(),
  );
});
