import { expect, test } from 'vitest';
import { GossipTopic } from '../src/index.ts';
import { createNode, next } from './nodes.ts';

const { NetworkStatus } = GossipTopic;
const metrics = {
  type: 'networkMetrics',
  totalPeers: 31,
  activeExecutors: 0,
  activeRequests: 0,
  averageLatencyMs: 0,
} as const;

test('thirty that join in one moment from one address are let in, and hear one another', async () => {
  const hub = await createNode({ packages: { gossip: { profile: 'bootstrapper' } } });
  const bootstrapPeers = hub.listenedAddresses().map((address) => `${address}/p2p/${hub.peerId}`);
  const nodes = await Promise.all(Array.from({ length: 30 }, () => createNode()));
  await Promise.all([hub, ...nodes].map((node) => node.subscribeTopic(NetworkStatus)));
  for (const node of nodes) for (const address of bootstrapPeers) node.addBootstrapPeer(address);
  await Promise.all(nodes.map((node) => node.bootstrap()));
  expect(hub.connectedPeers()).toHaveLength(30);
  await expect.poll(() => hub.gossipsubMeshPeers(NetworkStatus).length, { timeout: 30_000 }).toBe(30);
  const [speaker, ...others] = nodes;
  const heard = others.map((node) =>
    next(node, 'message:received', (event) => event.topic === NetworkStatus),
  );
  await speaker!.publishMessage(NetworkStatus, metrics);
  await Promise.all(heard);
});
