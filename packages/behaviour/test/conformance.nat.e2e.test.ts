// The rows and events of the specification's table that are about NAT; the others stand in conformance.e2e.test.ts. Loopback is
// no global address, so the nodes take any.
import { describe, expect, test } from 'vitest';
import { isPublic, type AutonatConfig } from '../src/index.ts';
import { createNode, failure, next, question, wholeAnswer, type Node } from './nodes.ts';

const anyAddress: AutonatConfig = { onlyGlobalIps: false };

const fullAddresses = (node: Node): string[] =>
  node.listenedAddresses().map((address) => `${address}/p2p/${node.peerId}`);

/** A node that carries connections for others, and one that can only be reached through it. */
async function relayed(executorConfig: Parameters<typeof createNode>[0] = {}) {
  const relay = await createNode();
  await relay.enableRelayServer();
  const executor = await createNode({ listenAddresses: [], ...executorConfig });
  executor.serve(() => wholeAnswer('through the relay'));
  const reserved = next(executor, 'relay:reserved');
  await executor.enableRelayClient({ relays: fullAddresses(relay) });
  return { relay, executor, reserved: await reserved };
}

/** Nodes that stay relayed: nobody looks for another way. */
const staysRelayed = { packages: { nat: { enableHolePunching: false } } };

describe('NAT', () => {
  test('enable_autonat, nat_status: a node that another one has dialled is public', async () => {
    const [node, other] = [await createNode(), await createNode()];
    for (const each of [node, other]) await each.enableAutonat(anyAddress);
    expect(node.natStatus()).toEqual({ kind: 'unknown' });
    const changed = next(node, 'nat:changed', ({ status }) => isPublic(status));
    await node.dialPeer(other.peerId, other.listenedAddresses());
    const { status, previous } = await changed;
    expect(previous).toEqual({ kind: 'unknown' });
    expect(node.natStatus()).toEqual(status);
    if (!isPublic(status)) throw new Error(`Got ${status.kind}`);
    expect(node.listenedAddresses()).toContain(status.address.replace(`/p2p/${node.peerId}`, ''));
    expect(node.explainNat()).toMatchObject({ isAutonatEnabled: true, servers: 1 });
    await node.disableAutonat();
    expect(node.natStatus()).toEqual({ kind: 'unknown' });
  });

  test('enable_relay_client, dial_peer_through_relay: a peer that listens nowhere answers', async () => {
    const { relay, executor, reserved } = await relayed(staysRelayed);
    expect(reserved.relay).toBe(relay.peerId);
    expect(executor.relayAddresses()).toEqual(reserved.addresses);
    const client = await createNode({ listenAddresses: [], ...staysRelayed });
    const [relayAddress] = fullAddresses(relay);
    const established = next(executor, 'connection:established', ({ peerId }) => peerId === client.peerId);
    const connection = await client.dialPeerThroughRelay(executor.peerId, relayAddress!);
    expect(connection).toMatchObject({ peerId: executor.peerId, relay: relay.peerId });
    expect((await established).endpoint).toMatchObject({ direction: 'inbound', relayed: true });
    const message = await question(client.identity, executor.peerId);
    const { response } = await client.request(executor.peerId, message);
    expect(response.payload.content).toBe('through the relay');
    const lost = next(executor, 'relay:lost');
    await executor.disableRelayClient();
    expect(await lost).toMatchObject({ relay: relay.peerId });
    expect(executor.relayAddresses()).toEqual([]);
  });

  test('a connection through a relay becomes direct where one side can be dialled', async () => {
    const { relay, executor } = await relayed();
    const client = await createNode();
    const upgraded = next(client, 'connection:upgraded');
    await client.dialPeerThroughRelay(executor.peerId, fullAddresses(relay)[0]!);
    expect(await upgraded).toMatchObject({ peerId: executor.peerId, how: 'reversed' });
    const direct = client.peerInfo(executor.peerId)?.connections.filter((one) => !one.relayed);
    expect(direct).toHaveLength(1);
  });

  test('enable_relay_server: who is public relays, and others see it', async () => {
    const [node, other] = [await createNode(), await createNode()];
    for (const each of [node, other]) await each.enableAutonat(anyAddress);
    expect(await failure(node.enableRelayServer({ onlyIfPublic: true }))).toMatchObject({
      code: 'NOT_PUBLIC',
      data: { status: 'unknown' },
    });
    const changed = next(node, 'nat:changed', ({ status }) => isPublic(status));
    await node.dialPeer(other.peerId, other.listenedAddresses());
    await changed;
    if (isPublic(node.natStatus())) await node.enableRelayServer({ onlyIfPublic: true });
    const hidden = await createNode({ listenAddresses: [] });
    const reserved = next(hidden, 'relay:reserved');
    await hidden.enableRelayClient({ relays: fullAddresses(node) });
    expect(await reserved).toMatchObject({ relay: node.peerId });
    expect(hidden.peerInfo(node.peerId)?.roles).toEqual(['relay']);
    await node.disableRelayServer();
    expect(node.explainNat().isRelayServer).toBe(false);
  });

  test('the specification’s example, from top to bottom', async () => {
    const { relay, executor } = await relayed();
    const node = await createNode();
    await node.enableAutonat({
      enableServer: true,
      confidenceThreshold: 3,
      throttleIntervalMs: 10_000,
      onlyGlobalIps: true,
    });
    // Nobody could reach it from outside this machine, and nobody tries.
    expect(node.natStatus()).toEqual({ kind: 'unknown' });
    await node.enableRelayClient();
    const relayAddr = `${fullAddresses(relay)[0]!}/p2p-circuit/p2p/${executor.peerId}`;
    const established = next(executor, 'connection:established', ({ peerId }) => peerId === node.peerId);
    await node.dialPeerThroughRelay(executor.peerId, relayAddr);
    expect((await established).endpoint).toMatchObject({ relayed: true });
    if (isPublic(node.natStatus())) await node.enableRelayServer();
    expect(node.explainNat()).toMatchObject({ isRelayClient: true, isRelayServer: false });
  });
});
