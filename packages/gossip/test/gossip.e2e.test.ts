import { noise } from '@libp2p/noise';
import { identify } from '@libp2p/identify';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { Identity, messageKeys } from '@lloom/identity';
import { createLibp2p } from 'libp2p';
import { expect, onTestFinished, test } from 'vitest';
import { gossip, type GossipConfig } from '../src/index.ts';
import { bytes, topic } from './simNodes.ts';

/** A node on 127.0.0.1 that is subscribed to the topic, and stopped with the test. */
async function createNode(config: GossipConfig = {}) {
  const node = await createLibp2p({
    privateKey: Identity.generate().libp2pKey,
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { inboundConnectionThreshold: 1_000, maxIncomingPendingConnections: 100 },
    services: { identify: identify(), gossip: gossip({ keys: messageKeys(), ...config }) },
  });
  onTestFinished(async () => node.stop());
  const heard = new Map<string, () => void>();
  const { gossip: service } = node.services;
  service.addEventListener('message:received', ({ detail }) => {
    if (detail.message.type === 'custom')
      heard.get(new TextDecoder().decode(detail.message.value as Uint8Array))?.();
  });
  await service.subscribeTopic(topic);
  const hears = (text: string): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    heard.set(text, resolve);
    return promise;
  };
  return { node, service, hears };
}

type Node = Awaited<ReturnType<typeof createNode>>;

const dial = (from: Node, to: Node) => from.node.dial(to.node.getMultiaddrs());

/** Resolves when each node knows that all whom it is connected to are subscribed. */
const allMet = (nodes: readonly Node[]): Promise<void> =>
  expect
    .poll(
      () =>
        nodes.filter(({ node, service }) => service.topicPeers(topic).length < node.getPeers().length).length,
      { timeout: 20_000 },
    )
    .toBe(0);

/** Every node says something, and every other one hears it. */
async function everybodyHearsEverybody(nodes: readonly Node[]): Promise<void> {
  const heard = nodes.flatMap((by, at) =>
    nodes.filter((node) => node !== by).map((node) => node.hears(`from ${at}`)),
  );
  await Promise.all(nodes.map(({ service }, at) => service.publishMessage(topic, bytes(`from ${at}`))));
  await Promise.all(heard);
}

test('twenty nodes on one address hear one another, each linked to a few', async () => {
  const nodes = await Promise.all(Array.from({ length: 20 }, () => createNode()));
  const dials = nodes.flatMap((node, at) =>
    [1, 4, 9].map((step) => dial(node, nodes[(at + step) % nodes.length]!)),
  );
  await Promise.all(dials);
  await allMet(nodes);
  await everybodyHearsEverybody(nodes);
  const scores = nodes.flatMap(({ service }) => service.peerScores());
  expect(Math.min(...scores.map(({ score }) => score))).toBeGreaterThanOrEqual(0);
});

test('thirty that join a bootstrapper in one moment from one address are let in, and hear everything', async () => {
  const hub = await createNode({ profile: 'bootstrapper' });
  const leaves = await Promise.all(Array.from({ length: 30 }, () => createNode()));
  await Promise.all(leaves.map((leaf) => dial(leaf, hub)));
  await allMet([hub, ...leaves]);
  await everybodyHearsEverybody([hub, ...leaves]);
});

test('what was published just before the node stops is heard', async () => {
  const [one, other] = [await createNode(), await createNode()];
  await dial(one, other);
  await allMet([one, other]);
  const large = 'x'.repeat(60_000);
  const words = Array.from({ length: 10 }, (_, at) => `${at} ${large}`);
  const heard = words.map((word) => other.hears(word));
  await Promise.all(words.map((word) => one.service.publishMessage(topic, bytes(word))));
  await one.node.stop();
  await Promise.all(heard);
});
