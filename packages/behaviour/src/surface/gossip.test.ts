import type { Gossip } from '@lloom/gossip';
import { expect, test, vi } from 'vitest';
import { gossipSurface, type GossipSurface } from './gossip.ts';

const own = 'lloom/service-descriptors';

/** The calls over a service that notes what reaches it. */
function surfaceOf() {
  const names = ['subscribeTopic', 'unsubscribeTopic', 'publishMessage', 'createTopic', 'topicPeers'];
  const rest = ['gossipsubMeshPeers', 'setGossipsubMeshSize', 'peerScores'];
  const calls = Object.fromEntries([...names, ...rest].map((name) => [name, vi.fn<() => unknown>()]));
  const service = { ...calls, subscribedTopics: () => ['a', own] };
  return { calls, surface: gossipSurface(service as unknown as Gossip) };
}

test('the topic of descriptors is the node’s own: it is not listed, and no call changes or uses it', async () => {
  const { calls, surface } = surfaceOf();
  expect(surface.subscribedTopics()).toEqual(['a']);
  const refused = { name: 'GossipError', code: 'INVALID_TOPIC' };
  for (const topic of [own, { name: own }]) {
    await expect(surface.subscribeTopic(topic)).rejects.toMatchObject(refused);
    await expect(surface.unsubscribeTopic(topic)).rejects.toMatchObject(refused);
    const publish = surface.publishMessage as unknown as (...args: unknown[]) => unknown;
    await expect(publish(topic, new Uint8Array(1))).rejects.toMatchObject(refused);
  }
  expect(() => surface.createTopic(own)).toThrow(/not the node's own/);
  for (const call of Object.values(calls)) expect(call).not.toHaveBeenCalled();
});

test('every other call reaches the service as it is, also one that gossip will refuse', async () => {
  const { calls, surface } = surfaceOf();
  const config = { timeoutMs: 1 };
  const publish = surface.publishMessage as unknown as (...args: unknown[]) => unknown;
  await publish('a', new Uint8Array(1), config);
  expect(calls['publishMessage']).toHaveBeenCalledWith('a', new Uint8Array(1), config);
  await surface.subscribeTopic(null as unknown as Parameters<GossipSurface['subscribeTopic']>[0]);
  expect(calls['subscribeTopic']).toHaveBeenCalledWith(null);
});
