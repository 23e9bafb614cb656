import { seededRandom } from '@lloom/simkit';
import { test, type NetworkFixture } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import type { RpcConfig } from '../src/index.ts';
import { Directory, lingerMs } from './callWorld.ts';
import { question } from './nodes.ts';
import { nodes, outcomeOf, pause, whole, type SimNode } from './simulation.ts';

const clients = Array.from({ length: 40 }, (_, index) => `client${index}`);
const executors = ['a', 'b'];
const capacity = 2;
const serviceMs = 500;
const loadMs = 10_000;
/** Twice as often as both together can answer. */
const everyMs = (clients.length * serviceMs) / (2 * capacity * executors.length);

/** What reaches executors of a load of twice what they can do, when clients try again. */
async function overloaded(createNetwork: NetworkFixture['createNetwork'], seed: number, config: RpcConfig) {
  const directory = new Directory();
  const executor = {
    capacity,
    maxQueuedRequests: 2,
    // That signatures are proven is told elsewhere; here it would be most of the work.
    signatures: 'ignore' as const,
    serve: async () => {
      await pause(serviceMs);
      return whole('done');
    },
  };
  const client = { alternatives: directory, signatures: 'ignore' as const, ...config };
  const network = await createNetwork<SimNode>({
    nodes: [...executors, ...clients],
    link: { delayMs: 20, jitterMs: 10 },
    seed,
    createNode: nodes({
      ...Object.fromEntries(executors.map((name) => [name, executor])),
      ...Object.fromEntries(clients.map((name) => [name, client])),
    }),
  });
  directory.known = executors.map((name) => network.node(name).peerId);
  let retries = 0;
  for (const name of clients) network.node(name).rpc.addEventListener('request:retrying', () => retries++);
  const random = seededRandom(`budget/${seed}`);
  const outcomes: Promise<string>[] = [];
  const ask = async (name: string): Promise<string> => {
    const { identity, rpc } = network.node(name);
    const to = network.node(executors[Math.floor(random.float() * executors.length)]!);
    const retry = { maxAttempts: 6, initialDelayMs: 200, maxDelayMs: 400 };
    return outcomeOf(rpc.request(to.peerId, await question(identity, to.identity), { retry }));
  };
  const startMs = network.clock.elapsed();
  for (const name of clients)
    for (let atMs = random.float() * everyMs; atMs < loadMs; atMs += everyMs)
      network.at(startMs + atMs, () => outcomes.push(ask(name)));
  await network.runFor(loadMs + 30_000);
  const codes = await Promise.all(outcomes);
  await network.runFor(lingerMs);
  for (const node of network.nodes.values()) node.expectNothingLeft();
  await network.stop();
  const answered = codes.filter((code) => code === 'answered').length;
  return {
    calls: codes.length,
    reached: codes.length + retries,
    answered,
    codes: [...new Set(codes)].toSorted(),
  };
}

describe('forty clients that ask twice what executors can do, and try again', () => {
  test('ask a fifth more than without, and not a multiple of it', async ({ createNetwork }) => {
    const burst = 1;
    const run = await overloaded(createNetwork, 1, { retryBurst: burst });
    expect(run.reached).toBeLessThanOrEqual(1.2 * run.calls + burst * clients.length);
    expect(run.codes).toEqual(['BUSY', 'answered']);
    // What can be answered is.
    const possible = (capacity * executors.length * loadMs) / serviceMs;
    expect(run.answered).toBeGreaterThanOrEqual(0.9 * possible);
  });

  test('ask several times as often when nothing holds them back', async ({ createNetwork }) => {
    const run = await overloaded(createNetwork, 1, { retryRatio: 10, retryBurst: 1_000 });
    expect(run.reached).toBeGreaterThan(2 * run.calls);
  });
});
