import { seededRandom } from '@lloom/simkit';
import { test, type NetworkFixture } from '@lloom/simkit/vitest';
import { expect } from 'vitest';
import type { RpcError } from '../src/index.ts';
import { expectBetween, lingerMs } from './callWorld.ts';
import { question } from './nodes.ts';
import { nodes, pause, whole, type SimNode, type SimNodeConfig } from './simulation.ts';

const peers = Array.from({ length: 20 }, (_, index) => `peer${index}`);
const capacity = 8;
const serviceMs = 1_000;
const delayMs = 20;

interface Load {
  readonly seed: number;
  readonly loadMs: number;
  readonly executor: SimNodeConfig;
  /** How often a peer asks, in requests a second. */
  readonly rateOf: (index: number) => number;
}

interface Asked {
  readonly name: string;
  readonly tookMs: number;
  readonly error: RpcError | undefined;
}

/** What becomes of the requests of twenty peers to one executor. */
async function underLoad(
  createNetwork: NetworkFixture['createNetwork'],
  { seed, loadMs, executor, rateOf }: Load,
) {
  const random = seededRandom(`overload/${seed}`);
  const serve = async () => {
    await pause(serviceMs);
    return whole('done');
  };
  const network = await createNetwork<SimNode>({
    nodes: ['executor', ...peers],
    link: { delayMs },
    seed,
    // That signatures are proven is told elsewhere; here it would be most of the work.
    createNode: nodes({
      ...Object.fromEntries(peers.map((name) => [name, { signatures: 'ignore' as const }])),
      executor: { capacity, serve, signatures: 'ignore', ...executor },
    }),
  });
  const { peerId, identity: to, rpc: service } = network.node('executor');
  const ended: Asked[] = [];
  const asks: Promise<unknown>[] = [];
  const ask = async (name: string): Promise<void> => {
    const { identity, rpc } = network.node(name);
    const message = await question(identity, to);
    const startMs = network.clock.elapsed();
    const error = await rpc.request(peerId, message).then(
      () => undefined,
      (thrown: RpcError) => thrown,
    );
    ended.push({ name, error, tookMs: network.clock.elapsed() - startMs });
  };
  for (const name of peers) await network.run(network.node(name).rpc.request(peerId, { type: 'ping' }));
  const startMs = network.clock.elapsed();
  for (const [index, name] of peers.entries()) {
    const everyMs = 1_000 / rateOf(index);
    // At any moment within each period: a beat of its own would be served always or never.
    for (let beginMs = 0; beginMs < loadMs; beginMs += everyMs)
      network.at(startMs + beginMs + everyMs * random.float(), () => asks.push(ask(name)));
  }
  await network.runFor(loadMs);
  const load = service.load;
  await network.runFor(20_000);
  await Promise.all(asks);
  await network.runFor(lingerMs);
  for (const node of network.nodes.values()) node.expectNothingLeft();
  expect(service.load).toEqual({ capacity, freeSlots: capacity, queueDepth: 0 });
  await network.stop();
  const answered = ended.filter(({ error }) => error === undefined);
  const refused = ended.filter(({ error }) => error !== undefined);
  const served = peers.map((peer) => answered.filter(({ name }) => name === peer).length);
  return { load, answered, refused, served };
}

test('an executor that is asked twice what it can do does nearly all it can, and refuses the rest at once', async ({
  createNetwork,
}) => {
  const maxQueuedRequests = 16;
  const loadMs = 120_000;
  const run = await underLoad(createNetwork, {
    seed: 1,
    loadMs,
    executor: { maxQueuedRequests },
    rateOf: () => (2 * capacity) / peers.length,
  });
  const { load, answered, refused, served } = run;
  expect(load).toMatchObject({ capacity, freeSlots: 0 });
  expect(answered.length).toBeGreaterThanOrEqual((0.9 * capacity * loadMs) / serviceMs);
  const longestQueueMs = (maxQueuedRequests / capacity) * serviceMs;
  const p99Ms = percentile(
    answered.map(({ tookMs }) => tookMs),
    0.99,
  );
  // Who asks twice at once waits twice as long as others.
  expect(p99Ms).toBeLessThanOrEqual(2 * (serviceMs + longestQueueMs));

  expect(refused.length).toBeGreaterThan(answered.length / 2);
  for (const { error, tookMs } of refused) {
    expect(error).toMatchObject({ code: 'BUSY', data: { queueDepth: maxQueuedRequests } });
    expect(tookMs).toBeLessThanOrEqual(2 * delayMs + 1);
    const { retryAfterMs } = error!.data as { readonly retryAfterMs: number };
    expectBetween(retryAfterMs, longestQueueMs / 2, longestQueueMs * 1.5);
  }
  expect(Math.max(...served) / Math.min(...served), `served ${served.join()}`).toBeLessThanOrEqual(1.5);
});

test('a peer that asks for less than its share gets all of it, however much others ask, and those share the rest', async ({
  createNetwork,
}) => {
  const fair = capacity / peers.length;
  const loadMs = 40_000;
  const { served, refused } = await underLoad(createNetwork, {
    seed: 2,
    loadMs,
    executor: { maxQueuedRequests: 4 * peers.length, maxQueuedRequestsPerPeer: 4 },
    rateOf: (index) => (isModest(index) ? 0.5 : 3.5) * fair,
  });
  const modest = refused.filter(({ name }) => isModest(peers.indexOf(name)));
  expect(modest).toEqual([]);
  const greedy = served.filter((_, index) => !isModest(index));
  expect(Math.max(...greedy) / Math.min(...greedy), `served ${served.join()}`).toBeLessThanOrEqual(1.5);
  expect(greedy.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(
    (0.6 * capacity * loadMs) / serviceMs,
  );
});

function isModest(index: number): boolean {
  return index % 2 === 0;
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(share * sorted.length) - 1]!;
}
