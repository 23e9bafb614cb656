// The rows and events of the specification's table that are about gossip. Each shows an effect that a second node sees.
import { expect, test } from 'vitest';
import { GossipTopic, type TopicCodec } from '../src/index.ts';
import { failure, next, pair } from './nodes.ts';

const pricing = { inboundPrice: '500000000000000', outboundPrice: '1000000000000000' };

test('subscribe_topic, publish_message, GossipMessage, MessageReceived', async () => {
  const [executor, client] = await pair();
  await client.subscribeTopic(GossipTopic.ExecutorAnnouncements);
  const received = next(client, 'message:received');
  const announcement = { type: 'executorAvailable', models: ['demo-small'], capacity: 10, pricing } as const;
  const receipt = await executor.publishMessage(GossipTopic.ExecutorAnnouncements, announcement);
  expect(await received).toMatchObject({
    peerId: executor.peerId,
    topic: 'lloom/executor-announcements',
    message: { ...announcement, peerId: executor.peerId },
  });
  expect(receipt.recipients.length).toBeGreaterThan(0);
});

test('the other kinds: executorOffline, networkMetrics, priceUpdate', async () => {
  const [one, other] = await pair();
  const { ExecutorAnnouncements, NetworkStatus, PriceUpdates } = GossipTopic;
  const metrics = {
    type: 'networkMetrics',
    totalPeers: 3,
    activeExecutors: 1,
    activeRequests: 2,
    averageLatencyMs: 12.5,
  } as const;
  const price = { type: 'priceUpdate', model: 'demo-small', newPrice: pricing, effectiveAt: 1 } as const;
  const told = [
    [ExecutorAnnouncements, { type: 'executorOffline', reason: 'maintenance' }],
    [NetworkStatus, metrics],
    [PriceUpdates, price],
  ] as const;
  for (const [topic, message] of told) {
    await other.subscribeTopic(topic);
    const received = next(other, 'message:received', (event) => event.topic === topic);
    await one.publishMessage(topic, message);
    expect((await received).message).toMatchObject(message);
  }
});

test('unsubscribe_topic: who published before finds nobody any more', async () => {
  const [one, other] = await pair();
  await other.subscribeTopic(GossipTopic.PriceUpdates);
  const message = { type: 'priceUpdate', model: 'm', newPrice: pricing, effectiveAt: 1 } as const;
  await one.publishMessage(GossipTopic.PriceUpdates, message);
  await other.unsubscribeTopic(GossipTopic.PriceUpdates);
  await expect.poll(() => one.topicPeers(GossipTopic.PriceUpdates)).toEqual([]);
  const late = one.publishMessage(GossipTopic.PriceUpdates, message, { timeoutMs: 1 });
  expect(await failure(late)).toMatchObject({ name: 'GossipError', code: 'NO_PEERS' });
});

test('create_topic: values of ones own, read by another node', async () => {
  const [one, other] = await pair();
  const codec: TopicCodec<{ readonly celsius: number }> = {
    encode: (value) => new TextEncoder().encode(JSON.stringify(value)),
    decode: (bytes) => JSON.parse(new TextDecoder().decode(bytes)) as { celsius: number },
  };
  const topic = one.createTopic('lloom/custom/1.0.0', { codec });
  const otherTopic = other.createTopic('lloom/custom/1.0.0', { codec });
  await other.subscribeTopic(otherTopic);
  const told = next(other, 'message:received');
  const values = otherTopic.messages();
  await one.publishMessage(topic, { celsius: 21 });
  expect((await values.next()).value).toMatchObject({ peerId: one.peerId, value: { celsius: 21 } });
  expect(await told).toMatchObject({
    topic: 'lloom/custom/1.0.0',
    message: { type: 'custom', value: { celsius: 21 } },
  });
});

test('subscribed_topics, topic_peers, gossipsub_mesh_peers', async () => {
  const [one, other] = await pair();
  expect(one.subscribedTopics()).toEqual([]);
  for (const node of [one, other]) await node.subscribeTopic(GossipTopic.NetworkStatus);
  expect(one.subscribedTopics()).toEqual(['lloom/network-status']);
  await expect.poll(() => one.topicPeers(GossipTopic.NetworkStatus)).toEqual([other.peerId]);
  await expect.poll(() => one.gossipsubMeshPeers(GossipTopic.NetworkStatus)).toEqual([other.peerId]);
  expect(other.gossipsubMeshPeers(GossipTopic.NetworkStatus)).toEqual([one.peerId]);
});

test('set_gossipsub_mesh_size: the mesh is as small as it is told to be', async () => {
  const [one, other, validator] = await pair();
  const nodes = [one, other, validator];
  await one.dialPeer(other.peerId, other.listenedAddresses());
  for (const node of nodes) await node.subscribeTopic(GossipTopic.NetworkStatus);
  await expect.poll(() => one.gossipsubMeshPeers(GossipTopic.NetworkStatus)).toHaveLength(2);
  one.setGossipsubMeshSize(1, 1);
  await expect
    .poll(() => one.gossipsubMeshPeers(GossipTopic.NetworkStatus), { timeout: 5_000 })
    .toHaveLength(1);
  expect(() => one.setGossipsubMeshSize(12, 8)).toThrow(/want \{ target, high \}/);
});
