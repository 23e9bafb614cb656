import { expect, test } from 'vitest';
import { advertise, createNode, next, question, type Node } from './nodes.ts';

const staysRelayed = { packages: { nat: { enableHolePunching: false } } };

const addressesOf = (node: Node): string[] =>
  node.listenedAddresses().map((address) => `${address}/p2p/${node.peerId}`);

/** A bootstrap peer that relays, and an executor that can be reached through it alone. */
async function network(config = staysRelayed) {
  const relay = await createNode();
  await relay.enableRelayServer();
  const bootstrapPeers = addressesOf(relay);
  const executor = await createNode({ listenAddresses: [], bootstrapPeers, ...config });
  executor.serve(async function* () {
    for (let piece = 0; piece < 64; piece++) yield 'x'.repeat(16_384);
    yield { inboundTokens: 1, totalCost: '1' };
  });
  const reserved = next(executor, 'relay:reserved');
  await executor.enableRelayClient({ relays: bootstrapPeers });
  await reserved;
  await executor.bootstrap();
  await advertise(executor);
  return { relay, executor, bootstrapPeers };
}

test('an executor that listens nowhere is found by its model, reached through a relay, and streams a MiB', async () => {
  const { executor, bootstrapPeers } = await network();
  const client = await createNode({ listenAddresses: [], bootstrapPeers, ...staysRelayed });
  await client.bootstrap();
  const [provider] = await client.requireModelProviders('demo-small', { maxAgeMs: 0 });
  expect(provider?.peerId).toBe(executor.peerId);
  expect(provider?.addresses.every((address) => address.includes('/p2p-circuit'))).toBe(true);
  const request = await question(client.identity, executor.peerId);
  const { content } = await client.stream(executor.peerId, request).result;
  expect(content).toHaveLength(1_048_576);
  const relayed = client.peerInfo(executor.peerId)?.connections.map((one) => one.relayed);
  expect(relayed).toEqual([true]);
});

test('a connection that became direct carries the next request', async () => {
  const { executor, relay } = await network({ packages: { nat: { enableHolePunching: true } } });
  const client = await createNode();
  const upgraded = next(client, 'connection:upgraded');
  await client.dialPeerThroughRelay(executor.peerId, addressesOf(relay)[0]!);
  await upgraded;
  const received = next(executor, 'request:received');
  const request = await question(client.identity, executor.peerId);
  await client.stream(executor.peerId, request).result;
  expect((await received).peerId).toBe(client.peerId);
  expect(client.explainNat().upgrades).toMatchObject([{ peerId: executor.peerId, state: 'direct' }]);
  await relay.disableRelayServer();
  expect(
    (await client.stream(executor.peerId, await question(client.identity, executor.peerId)).result).content,
  ).toHaveLength(1_048_576);
});
