import type { SimHost, TestNetwork } from '@lloom/simkit';
import { test } from '@lloom/simkit/vitest';
import { expect } from 'vitest';

import { createSimNode, dial, idOf, watch, type SimNode } from './simNodes.ts';

const nodes = ['a', 'b'];
const link = { delayMs: 50 };
const createNode = (host: SimHost): Promise<SimNode> => createSimNode(host);

/** Connects both, each with a tag for the other as the DHT gives it to those that are near. */
async function connect(network: TestNetwork<SimNode>): Promise<SimNode[]> {
  const [a, b] = [network.node('a'), network.node('b')];
  await network.run(() => dial(a, b));
  const tags = { 'keep-alive-kad-dht': { value: 1 } };
  await network.run(() => a.peerStore.merge(b.peerId, { tags }));
  await network.run(() => b.peerStore.merge(a.peerId, { tags }));
  await network.runFor(1_000);
  return [a, b];
}

const endings: readonly [name: string, end: (a: SimNode, b: SimNode) => unknown, code: string | undefined][] =
  [
    [
      'closes for disuse',
      ({ services }) => services.peers.setConnectionPool({ minConnections: 0, idleTimeoutMs: 5_000 }),
      'IDLE',
    ],
    ['closes by a call of libp2p', (a, b) => a.hangUp(b.peerId), undefined],
  ];

for (const [name, end, code] of endings) {
  test(`what a node ${name} is not opened again, on neither side`, async ({ createNetwork }) => {
    const network = await createNetwork({ nodes, link, createNode });
    const [a, b] = await connect(network);
    const [atA, atB] = [watch(a!), watch(b!)];
    await network.run(async () => void (await end(a!, b!)));
    await network.runFor(60_000);
    expect([atA.closed.map(({ cause }) => cause?.code), atB.closed.length]).toEqual([[code], 1]);
    expect([a, b].map((node) => node!.services.peers.connectedPeers())).toEqual([[], []]);
    // Tags are of others.
    const { tags } = await network.run(() => a!.peerStore.get(b!.peerId));
    expect([...tags.keys()]).toContain('keep-alive-kad-dht');
  });
}

test('what the network has lost is opened again', async ({ createNetwork }) => {
  const network = await createNetwork({ nodes, link, createNode });
  const [a, b] = await connect(network);
  const atA = watch(a!);
  for (const connection of a!.getConnections()) connection.abort(new Error('lost'));
  await network.runFor(5_000);
  expect(atA.closed).toHaveLength(1);
  expect(a!.services.peers.isConnected(idOf(b!))).toBe(true);
});
