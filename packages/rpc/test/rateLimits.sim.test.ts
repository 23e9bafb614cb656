import { seededRandom } from '@lloom/simkit';
import { test, type NetworkFixture } from '@lloom/simkit/vitest';
import { expect } from 'vitest';
import type { RpcError } from '../src/index.ts';
import { expectBetween, lingerMs } from './callWorld.ts';
import { question } from './nodes.ts';
import { nodes, pause, whole, type SimNode } from './simulation.ts';

const honest = Array.from({ length: 20 }, (_, index) => `honest${index}`);
const quota = { requests: 5, perMs: 10_000 };
const loadMs = 10_000;
const honestEveryMs = 2_500;
/** A hundred times its quota. */
const greedyEveryMs = quota.perMs / quota.requests / 100;
/** Enough for all that keep to their quota, and no more. */
const capacity = 16;

interface Told {
  readonly outcome: string;
  readonly tookMs: number;
  readonly error?: RpcError;
}

async function underLoad(
  createNetwork: NetworkFixture['createNetwork'],
  { seed, isGreedy }: { readonly seed: number; readonly isGreedy: boolean },
) {
  const [service, start] = [seededRandom(`${seed}/service`), seededRandom(`${seed}/start`)];
  const verifyMs = 30;
  const serve = async () => {
    await pause(800 + 400 * service.float());
    return whole('done');
  };
  const executor = { capacity, verifyMs, rateLimits: { llmRequest: quota }, serve };
  const network = await createNetwork<SimNode>({
    nodes: ['executor', ...honest, 'greedy'],
    link: { delayMs: 20, jitterMs: 5 },
    seed,
    createNode: nodes({ executor, greedy: { verifyMs: 0 } }),
  });
  const { peerId, identity: to } = network.node('executor');
  const told = { honest: [] as Told[], greedy: [] as Told[] };
  const asks: Promise<unknown>[] = [];
  const ask = async (name: string): Promise<void> => {
    const { identity, rpc } = network.node(name);
    const message = await question(identity, to);
    const startMs = network.clock.elapsed();
    const tookMs = (): number => network.clock.elapsed() - startMs;
    const one = await rpc.request(peerId, message).then(
      () => ({ outcome: 'answered', tookMs: tookMs() }),
      (error: RpcError) => ({ outcome: error.code, tookMs: tookMs(), error }),
    );
    told[name === 'greedy' ? 'greedy' : 'honest'].push(one);
  };
  for (const node of network.nodes.values())
    if (node.peerId !== peerId) await network.run(node.rpc.request(peerId, { type: 'ping' }));
  const startMs = network.clock.elapsed();
  const every = (name: string, intervalMs: number, offsetMs: number): void => {
    for (let atMs = offsetMs; atMs < loadMs; atMs += intervalMs)
      network.at(startMs + atMs, () => asks.push(ask(name)));
  };
  for (const name of honest) every(name, honestEveryMs, start.float() * honestEveryMs);
  if (isGreedy) every('greedy', greedyEveryMs, 0);
  await network.runFor(loadMs + 5_000);
  await Promise.all(asks);
  await network.runFor(lingerMs);
  for (const node of network.nodes.values()) node.expectNothingLeft();
  await network.stop();
  return told;
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(share * sorted.length) - 1]!;
}

test('a peer that asks a hundred times its quota is served its quota, and honest ones do not notice', async ({
  createNetwork,
}) => {
  const seed = 1;
  const calm = await underLoad(createNetwork, { seed, isGreedy: false });
  const flooded = await underLoad(createNetwork, { seed, isGreedy: true });
  const outcomes = new Set(flooded.honest.map(({ outcome }) => outcome));
  expect(outcomes).toEqual(new Set(['answered']));
  const p99s = [calm, flooded].map((run) =>
    percentile(
      run.honest.map(({ tookMs }) => tookMs),
      0.99,
    ),
  );
  expect(p99s[1]! / p99s[0]!, `p99 of ${p99s.join(' and ')} ms`).toBeLessThan(1.1);

  const served = flooded.greedy.filter(({ outcome }) => outcome === 'answered').length;
  const share = (quota.requests * loadMs) / quota.perMs;
  expectBetween(served, quota.requests, quota.requests + share);
  const refused = flooded.greedy.filter(({ error }) => error !== undefined);
  expect(new Set(refused.map(({ outcome }) => outcome))).toEqual(new Set(['RATE_LIMITED']));
  expect(served + refused.length).toBe(loadMs / greedyEveryMs);
});
