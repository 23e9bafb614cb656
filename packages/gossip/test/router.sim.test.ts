import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { bytes, connect, createRouterNode, keyOf, serviceOf, type AnyNode } from './routerNodes.ts';
import { field, framed, meet, signedMessage, topic } from './wirePeer.ts';

describe('a neighbour that breaks the protocol', () => {
  test('with more topics than anybody has is cut off, and nothing of it stays', async ({ createNetwork }) => {
    const { network, peer, watcher, gossipsub } = await meet(createNetwork);
    const entries: Buffer[] = [];
    for (let i = 0; i < 349_525; i++) {
      const name = i.toString(36).padStart(6, '0');
      entries.push(Buffer.from([0x0a, 0x0a, 0x08, 1, 0x12, 6, ...Buffer.from(name)]));
    }
    const flood = framed(Buffer.concat(entries).subarray(0, 4 * 1024 * 1024 - 4));
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 20; i++) {
      try {
        peer.sayFrames(flood);
      } catch {
        // It is cut off by then.
      }
      await network.runFor(50);
    }
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(30e6);
    expect(watcher.violations).toEqual([peer.peerId.toString()]);
    expect(peer.getConnections()).toEqual([]);
    expect(gossipsub.topics.size).toBe(0);
  });

  const breaches: readonly (readonly [what: string, frame: Uint8Array])[] = [
    ['bytes that are no RPC', framed(Buffer.from([0x0a, 0xff, 0xff]))],
    ['a length beyond all bounds', Buffer.from([0xff, 0xff, 0xff, 0xff, 0x7f])],
    ['a length without an end', Buffer.from([0x80, 0x80, 0x80, 0x80, 0x80, 0x80])],
    ['ids without number', framed(field(0x1a, field(0x12, Buffer.alloc(200_000, Buffer.from([0x0a, 0])))))],
  ];
  for (const [what, frame] of breaches) {
    test(`with ${what} is cut off`, async ({ createNetwork }) => {
      const { network, peer, watcher } = await meet(createNetwork);
      peer.sayFrames(frame);
      await network.runFor(100);
      expect(watcher.violations).toHaveLength(1);
      expect(peer.getConnections()).toEqual([]);
    });
  }

  test('after an RPC in a thousand pieces is understood', async ({ createNetwork }) => {
    const { network, peer, watcher } = await meet(createNetwork);
    const message = await signedMessage(
      await keyOf({ keyBytes: new Uint8Array(32).fill(7) } as never, 'Ed25519'),
    );
    for (const byte of message.frame) peer.sayFrames(Buffer.from([byte]));
    peer.sayFrames(message.frame, message.frame);
    await network.runFor(100);
    expect([watcher.delivered, watcher.violations]).toEqual([['hello'], []]);
  });
});

describe('a neighbour that prunes', () => {
  const forever = [0xffff_ffff_ffff_ffffn, 0x7fff_ffff_ffff_ffffn, 2n ** 53n];
  for (const backoff of forever) {
    test(`for ${backoff} seconds is kept out for an hour at most`, async ({ createNetwork }) => {
      const { network, peer, watcher, gossipsub } = await meet(createNetwork);
      const digits: number[] = [];
      for (let rest = backoff; ; rest >>= 7n) {
        if (rest < 0x80n) {
          digits.push(Number(rest));
          break;
        }
        digits.push(Number(rest & 0x7fn) | 0x80);
      }
      const prune = Buffer.from([0x0a, 5, ...Buffer.from(topic), 0x18, ...digits]);
      const unknown = Buffer.from([0x0a, 5, ...Buffer.from('other')]);
      const control = Buffer.concat([
        Buffer.from([0x22, unknown.length]),
        unknown,
        Buffer.from([0x22, prune.length]),
        prune,
      ]);
      peer.sayFrames(framed(Buffer.concat([Buffer.from([0x1a, control.length]), control])));
      await network.runFor(100);
      const until = gossipsub.backoff.get(topic)?.get(peer.peerId.toString()) ?? 0;
      expect(until - network.clock.now()).toBeGreaterThan(3_500_000);
      expect(until - network.clock.now()).toBeLessThanOrEqual(3_600_000);
      expect(watcher.violations).toEqual([]);
    });
  }
});

test('a topic that is left and joined again has its mesh back within three heartbeats', async ({
  createNetwork,
}) => {
  const network = await createNetwork<AnyNode>({ nodes: 4, createNode: (host) => createRouterNode(host) });
  await connect(network, ['n0', 'n1'], ['n0', 'n2'], ['n0', 'n3']);
  for (const name of network.nodes.keys()) serviceOf(network, name).router.subscribe(topic);
  await network.runFor(3_000);
  const { router } = serviceOf(network, 'n0');
  expect(router.meshPeers(topic)).toHaveLength(3);
  for (let round = 0; round < 3; round++) {
    router.unsubscribe(topic);
    router.subscribe(topic);
    await network.runFor(3_000);
    expect(router.meshPeers(topic)).toHaveLength(3);
  }
  expect(serviceOf(network, 'n1').router.scores()[0]?.behaviour).toBe(0);
});

describe('a neighbour that does not read', () => {
  test('costs bounded memory, and hears what is new when it reads again', async ({ createNetwork }) => {
    const { network, peer, router, gossipsub } = await meet(createNetwork, 'wire');
    peer.readNothing();
    for (const stream of peer.inbound) stream.pause();
    peer.say({ subscriptions: [{ subscribe: true, topic }] });
    await network.runFor(100);
    const outbox = gossipsub.streamsOutbound.get(peer.peerId.toString()) as unknown as {
      waitingBytes: number;
    };
    for (let i = 0; i < 200; i++) await network.run(() => router.publish(topic, new Uint8Array(60_000)));
    expect(outbox.waitingBytes).toBeGreaterThan(1e6);
    expect(outbox.waitingBytes).toBeLessThan(2.2e6);
    peer.readAgain();
    await network.runFor(5_000);
    expect(outbox.waitingBytes).toBe(0);
    await network.run(() => router.publish(topic, bytes('new')));
    await network.runFor(500);
    expect(Buffer.from(peer.heard.at(-1)!.messages[0]!.data!).toString()).toBe('new');
  });
});

test('a neighbour whose messages are judged slowly is read slowly, and loses none', async ({
  createNetwork,
}) => {
  const { network, peer, watcher } = await meet(createNetwork);
  const key = await keyOf({ keyBytes: new Uint8Array(32).fill(8) } as never, 'Ed25519');
  const verdicts: (() => void)[] = [];
  watcher.judge = (message) =>
    new Promise((resolve) => verdicts.push(() => resolve(watcher.accept(message))));
  const count = 1_500;
  for (let i = 0; i < count; i++) peer.sayFrames((await signedMessage(key, { seqno: BigInt(i) })).frame);
  await network.runFor(500);
  expect(verdicts).toHaveLength(1_024);
  for (let i = 0; i < count; i++) {
    if (i === verdicts.length) await network.runFor(10);
    verdicts[i]!();
  }
  await network.runFor(500);
  expect([watcher.delivered.length, watcher.violations]).toEqual([count, []]);
});

describe('a stream that breaks', () => {
  test('is opened again, and the mesh stands again', async ({ createNetwork }) => {
    const network = await createNetwork<AnyNode>({ nodes: 2, createNode: (host) => createRouterNode(host) });
    await connect(network, ['n0', 'n1']);
    for (const name of ['n0', 'n1']) serviceOf(network, name).router.subscribe(topic);
    await network.runFor(2_000);
    const { router, watcher } = serviceOf(network, 'n0');
    for (const connection of network.node('n0').getConnections())
      for (const stream of [...connection.streams])
        if (stream.protocol.startsWith('/meshsub')) stream.abort(new Error('broken'));
    await network.runFor(10);
    expect(router.topicPeers(topic)).toEqual([]);
    watcher.links.length = 0;
    await network.runFor(3_000);
    expect(router.topicPeers(topic)).toHaveLength(1);
    expect(router.meshPeers(topic)).toHaveLength(1);
    expect(watcher.links).toContain(topic);
    await network.run(() => serviceOf(network, 'n1').router.publish(topic, bytes('again')));
    await network.runFor(100);
    expect(watcher.delivered).toEqual(['again']);
  });

  test('on the side of the neighbour alone is healed by a new stream of ours', async ({ createNetwork }) => {
    const { network, peer } = await meet(createNetwork);
    const opened = peer.inbound.length;
    peer
      .getConnections()[0]!
      .streams.find(({ direction, protocol }) => direction === 'outbound' && protocol.startsWith('/meshsub'))!
      .abort(new Error('broken'));
    await network.runFor(20_000);
    // It never opens its own again, so it is shown a few, ever more rarely.
    expect(peer.inbound.length - opened).toBeGreaterThanOrEqual(1);
    expect(peer.inbound.length - opened).toBeLessThan(6);
  });
});

test('what a neighbour missed and asks for comes in RPCs that it can read', async ({ createNetwork }) => {
  const { network, peer, router, gossipsub } = await meet(createNetwork);
  peer.say({ subscriptions: [{ subscribe: true, topic: 'other' }] });
  await network.runFor(100);
  for (let i = 0; i < 30; i++) await network.run(() => router.publish('other', Buffer.alloc(60_000, i)));
  await network.runFor(100);
  peer.heard.length = 0;
  const messageIDs = [...gossipsub.mcache.msgs.keys()].map((id) => Buffer.from(id, 'latin1'));
  peer.say({ control: { ihave: [], graft: [], prune: [], idontwant: [], iwant: [{ messageIDs }] } });
  await network.runFor(500);
  const got = peer.heard.filter(({ messages }) => messages.length > 0);
  expect(got.flatMap(({ messages }) => messages)).toHaveLength(30);
  for (const { messages } of got)
    expect(messages.reduce((sum, { data }) => sum + data!.length, 0)).toBeLessThan(1024 * 1024);
});

test('a neighbour with bad messages is not heard any more, also when it comes back', async ({
  createNetwork,
}) => {
  const { network, peer, router, watcher, nodes } = await meet(createNetwork);
  const key = await keyOf({ keyBytes: new Uint8Array(32).fill(9) } as never, 'Ed25519');
  for (let i = 0n; i < 10n; i++)
    peer.sayFrames((await signedMessage(key, { seqno: i, isForged: true })).frame);
  await network.runFor(2_000);
  expect(router.scores()[0]?.score).toBeLessThan(-80);
  await network.run(() => peer.getConnections()[0]!.close());
  await connect(nodes, ['peer', 'ours']);
  await network.run(() => peer.open());
  await network.runFor(1_000);
  expect(router.scores()[0]?.score).toBeLessThan(-80);
  peer.sayFrames((await signedMessage(key, { seqno: 99n })).frame);
  await network.runFor(1_000);
  expect(watcher.delivered).toEqual([]);
});

test('a node that stops and starts again publishes and hears as before', async ({ createNetwork }) => {
  const network = await createNetwork<AnyNode>({ nodes: 2, createNode: (host) => createRouterNode(host) });
  const [a, b] = [serviceOf(network, 'n0'), serviceOf(network, 'n1')];
  await connect(network, ['n0', 'n1']);
  for (const { router } of [a, b]) router.subscribe(topic);
  await network.runFor(1_000);
  await network.run(() => a.stop());
  await network.runFor(3_000);
  expect(b.router.topicPeers(topic)).toEqual([]);
  await network.run(() => a.start());
  a.router.subscribe(topic);
  await network.runFor(5_000);
  const sent = await network.run(() => a.router.publish(topic, bytes('again')));
  await network.runFor(100);
  expect([sent.recipients.length, b.watcher.delivered]).toEqual([1, ['again']]);
});

test('a message for nobody goes nowhere, and may be published again', async ({ createNetwork }) => {
  const network = await createNetwork<AnyNode>({ nodes: 2, createNode: (host) => createRouterNode(host) });
  const { router } = serviceOf(network, 'n0');
  expect((await network.run(() => router.publish(topic, bytes('a')))).recipients).toEqual([]);
  await connect(network, ['n0', 'n1']);
  serviceOf(network, 'n1').router.subscribe(topic);
  await network.runFor(500);
  const sent = await network.run(() => router.publish(topic, bytes('a')));
  expect(sent.recipients).toEqual([network.node('n1').peerId.toString()]);
  expect(sent.messageId).toMatch(/^[0-9a-f]{88}$/);
});
