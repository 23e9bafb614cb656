import type { ServiceType } from '@lloom/codec';
import { afterAll, expect, it } from 'vitest';
import { addressOf, createNode, next, type NodeConfig } from './nodes.ts';

type Node = Awaited<ReturnType<typeof createNode>>;

const offer: ServiceType = { kind: 'executor', models: ['demo-small'], capacity: 4 };
const running: Node[] = [];

afterAll(async () => {
  await Promise.all(running.map(async (node) => node.stop()));
});

async function start(config: NodeConfig): Promise<Node> {
  const node = await createNode(config);
  running.push(node);
  return node;
}

const discoveryOf = (node: Node) => node.services.discovery;
const sorted = (nodes: readonly Node[]): string[] => nodes.map(({ peerId }) => peerId.toString()).toSorted();

async function findBy(node: Node): Promise<string[]> {
  const found: string[] = [];
  for await (const { peerId } of discoveryOf(node).modelProviders('demo-small')) found.push(peerId);
  return found.toSorted();
}

// Thirty nodes in one process: on a busy machine it takes a minute and is right all the same.
const limit = { timeout: 120_000 };

it(
  'thirty nodes over TCP find every executor that lives, and nobody lists the one that is gone',
  limit,
  async () => {
    const hub = await start({ onlyAsks: true });
    const bootstrapPeers = [addressOf(hub)];
    const others: Node[] = [];
    for (let at = 0; at < 29; at += 1) others.push(await start({ bootstrapPeers, onlyAsks: at >= 9 }));
    await Promise.all(others.map(async (node) => discoveryOf(node).bootstrap()));
    const [validator, ...rest] = others as [Node, ...Node[]];
    const [executors, clients] = [rest.slice(0, 8), rest.slice(8)];
    await discoveryOf(validator).advertiseService({ kind: 'validator', stake: '1' });
    const advertised = executors.map(async (node) => next(discoveryOf(node), 'service:advertised'));
    for (const node of executors) await discoveryOf(node).advertiseService(offer);
    await Promise.all(advertised);

    for (const client of [...clients.slice(0, 3), hub])
      expect(await findBy(client)).toEqual(sorted(executors));
    const [gone, ...left] = executors as [Node, ...Node[]];
    await gone.stop();
    for (const client of clients.slice(0, 3)) {
      expect(await findBy(client)).toEqual(sorted(left));
      const list = await discoveryOf(client).findModelProviders('demo-small');
      expect(list.map(({ peerId }) => peerId).toSorted()).toEqual(sorted(left));
    }
    const query = { type: 'findModel', model: 'demo-small' } as const;
    const answer = await discoveryOf(clients[0]!).queryRegistry(validator.peerId, query);
    if (answer.type !== 'executorList') throw new Error(`an unexpected answer: ${answer.type}`);
    const registered = answer.executors.map(({ descriptor }) => descriptor.peerId);
    expect(registered.filter((peerId) => peerId === gone.peerId.toString())).toEqual([]);
  },
);
