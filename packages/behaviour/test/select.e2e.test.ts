import type { ExecutorService } from '@lloom/codec';
import { expect, test } from 'vitest';
import { Refusal } from '../src/index.ts';
import { advertise, createNetwork, failure, question, wholeAnswer, type Node } from './nodes.ts';

const model = 'demo-small';

const price = (outboundPrice: string) => ({ inboundPrice: '1', outboundPrice });

/** Three executors that differ in everything, and a client. */
const offers = {
  cheap: { pricing: price('2'), contextLength: 2_048 },
  long: { pricing: price('4'), contextLength: 32_768, features: ['tools'] },
  able: { pricing: price('6'), contextLength: 8_192, features: ['tools', 'vision'] },
} as const satisfies Record<string, Partial<ExecutorService>>;

type Name = keyof typeof offers;

async function createMarket() {
  const { nodes } = await createNetwork(4, { packages: { discovery: { retryDelayMs: 50 } } });
  const client = nodes[3]!;
  const asked: Name[] = [];
  const refusing = new Set<Name>();
  const executors = {} as Record<Name, Node>;
  const names = ['cheap', 'long', 'able'] as const;
  await Promise.all(
    names.map((name, at) => {
      const node = nodes[at]!;
      executors[name] = node;
      node.serve(() => {
        asked.push(name);
        if (refusing.has(name)) throw new Refusal('MODEL_UNAVAILABLE', 'not now');
        return wholeAnswer(name);
      });
      return advertise(node, { kind: 'executor', models: [model], capacity: 4, ...offers[name] });
    }),
  );
  const found: string[] = [];
  for await (const { peerId } of client.modelProviders(model)) found.push(peerId);
  expect(found).toHaveLength(3);
  const nameOf = (peerId: string): Name | undefined =>
    (Object.keys(executors) as Name[]).find((name) => executors[name].peerId === peerId);
  return { client, executors, nameOf, asked, refusing };
}

test('a client gets the executor that it asks for, is told why not the others, and fails over to them in that order', async () => {
  const { client, executors, nameOf, asked, refusing } = await createMarket();
  const select = async (query: object): Promise<Name | undefined> =>
    nameOf((await client.selectExecutor({ model, ...query })).peerId);
  expect(await select({ prefer: 'price' })).toBe('cheap');
  expect(await select({ prefer: 'price', minContext: 4_096 })).toBe('long');
  expect(await select({ features: ['vision'] })).toBe('able');
  expect(await select({ maxPrice: '5', features: ['tools'] })).toBe('long');
  expect(await select({ prefer: 'price', exclude: [executors.cheap.peerId] })).toBe('long');

  const chosen = await client.selectExecutor({ model, maxPrice: '5', minContext: 4_096 });
  const { rejected, text } = chosen.explain();
  expect(Object.fromEntries(rejected.map(({ peerId, reason }) => [nameOf(peerId), reason]))).toEqual({
    cheap: 'CONTEXT_TOO_SHORT',
    able: 'PRICE_TOO_HIGH',
  });
  expect(text).toContain(`- ${executors.able.peerId}: PRICE_TOO_HIGH`);
  expect(await failure(client.selectExecutor({ model, maxPrice: '1' }))).toMatchObject({
    code: 'NO_PROVIDERS',
    data: { confirmed: 3, rejected: [{ reason: 'PRICE_TOO_HIGH' }, {}, {}] },
  });

  const first = await client.selectExecutor({ model });
  const order = first.explain().candidates.map(({ provider }) => nameOf(provider.peerId)!);
  expect(order.toSorted()).toEqual(['able', 'cheap', 'long']);
  refusing.add(order[0]!).add(order[1]!);
  const message = await question(client.identity, first.peerId);
  const { response } = await client.request(first.peerId, message, { retry: { initialDelayMs: 1 } });
  expect(response.payload.content).toBe(order[2]);
  expect(asked).toEqual(order);
  // Who has answered is known for it from now on.
  const { candidates } = (await client.selectExecutor({ model, prefer: 'latency' })).explain();
  const measured = candidates.find(({ provider }) => nameOf(provider.peerId) === order[2]);
  expect(measured?.figures.latency.value).toBeGreaterThan(0);
});
