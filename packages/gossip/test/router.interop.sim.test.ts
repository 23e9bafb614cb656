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

describe('a star in which some have gossipsub as it is', () => {
  const names = ['hub', 'author', 'leaf'];
  const link = { delayMs: 50 };
  const narrow = { target: 1, high: 1 };
  const cases = [
    ['leaf', 'in the mesh of our hub', {}, {}],
    ['leaf', 'outside the mesh of our hub', { meshSize: narrow }, {}],
    ['hub', 'with our leaves in its mesh', {}, {}],
    ['hub', 'with our leaves outside its mesh', {}, { D: 1, Dlo: 1, Dhi: 1, Dout: 0, Dscore: 1 }],
  ] as const;
  for (const [stockName, where, ours, stock] of cases) {
    test(`hears everything and blames nobody: a stock ${stockName} ${where}`, async ({ createNetwork }) => {
      const network = await createNetwork<AnyNode>({
        nodes: names,
        link,
        createNode: (host) =>
          host.name === stockName ? createStockNode(host, stock) : createRouterNode(host, ours),
      });
      const heard = new Map<string, Set<string>>(names.map((name) => [name, new Set<string>()]));
      const nodes = names.map((name) => {
        const { services } = network.node(name);
        const pubsub = 'pubsub' in services ? services.pubsub : services.gossip.router.pubsub;
        if ('gossip' in services) services.gossip.router.subscribe(topic);
        else services.pubsub.subscribe(topic);
        pubsub.addEventListener('message', ({ detail }) =>
          heard.get(name)!.add(Buffer.from(detail.data).toString()),
        );
        return { name, id: network.node(name).peerId.toString(), pubsub };
      });
      const publish = (name: string, text: string) =>
        network.run(() => nodes.find((node) => node.name === name)!.pubsub.publish(topic, bytes(text)));
      await connect(network, ['author', 'hub']);
      await network.runFor(2_000);
      for (let at = 0; at < 20; at++) await publish('author', `early ${at}`);
      await connect(network, ['leaf', 'hub']);
      await network.runFor(1_500);
      const lowest = new Map<string, number>();
      const sent = new Map<string, string>();
      for (let at = 0; at < 200; at++) {
        const by = at % 2 === 0 ? 'author' : 'leaf';
        sent.set(`${at}`, by);
        await publish(by, `${at}`);
        await network.runFor(100);
        for (const { name, pubsub } of nodes)
          for (const other of nodes) {
            const score = (pubsub as unknown as { score: { score(id: string): number } }).score.score(
              other.id,
            );
            lowest.set(name, Math.min(lowest.get(name) ?? 0, score));
          }
      }
      await network.runFor(3_000);
      for (const name of names) {
        const missed = [...sent].filter(([text, by]) => by !== name && !heard.get(name)!.has(text));
        expect([name, missed]).toEqual([name, []]);
      }
      expect([...lowest]).toEqual(names.map((name) => [name, 0]));
    });
  }
});
