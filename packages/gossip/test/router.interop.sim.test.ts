import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { bytes, connect, createRouterNode, createStockNode, serviceOf, type AnyNode } from './routerNodes.ts';

const topic = 'weather/1.0.0';

describe('a node beside one with gossipsub as it is', () => {
  for (const kind of ['Ed25519', 'secp256k1'] as const) {
    for (const fidelity of ['fast', 'wire'] as const) {
      test(`exchanges ${kind} messages with it both ways, over ${fidelity} streams`, async ({
        createNetwork,
      }) => {
        const network = await createNetwork<AnyNode>({
          nodes: ['ours', 'stock', 'other'],
          fidelity,
          createNode: (host) =>
            host.name === 'stock' ? createStockNode(host, {}, kind) : createRouterNode(host, {}, kind),
        });
        await connect(network, ['ours', 'stock'], ['stock', 'other']);
        const { router, watcher } = serviceOf(network, 'ours');
        const stock = network.node('stock').services;
        if (!('pubsub' in stock)) throw new Error('not stock');
        const heard: string[] = [];
        stock.pubsub.addEventListener('message', ({ detail }) =>
          heard.push(Buffer.from(detail.data).toString()),
        );
        router.subscribe(topic);
        stock.pubsub.subscribe(topic);
        serviceOf(network, 'other').router.subscribe(topic);
        await network.runFor(2_000);
        expect(router.meshPeers(topic)).toEqual([network.node('stock').peerId.toString()]);
        const sent = await network.run(() => router.publish(topic, bytes('from ours')));
        await network.run(() => stock.pubsub.publish(topic, bytes('from stock')));
        await network.run(() => serviceOf(network, 'other').router.publish(topic, bytes('from the other')));
        await network.runFor(1_000);
        expect(sent.recipients).toHaveLength(1);
        expect(heard.toSorted()).toEqual(['from ours', 'from the other']);
        expect(watcher.delivered.toSorted()).toEqual(['from stock', 'from the other']);
        expect(watcher.received.map(({ author }) => author)).toContain(
          network.node('other').peerId.toString(),
        );
      });
    }
  }
});
