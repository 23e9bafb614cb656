import { seededRandom } from '@lloom/simkit';
import type { NetworkFixture } from '@lloom/simkit/vitest';
import { expect } from 'vitest';
import { rpcDefaults } from '../src/config.ts';
import { question } from './nodes.ts';
import { nodes, outcomeOf, pause, whole, type Carrier, type SimNode } from './simulation.ts';

/** How an executor is loaded. */
export interface Load {
  readonly seed: number;
  readonly carrier: Carrier;
  readonly loadMs: number;
  /** How many peers ask no more than others do. */
  readonly honest: number;
  /** Whether one peer asks a hundred times as often as each of the others. */
  readonly isGreedy: boolean;
}

const honestEveryMs = 2_000;
const greedyEveryMs = honestEveryMs / 100;

/** What peers get of an executor that needs about a second for each of as many requests at once as it is given. */
export async function underLoad(
  createNetwork: NetworkFixture['createNetwork'],
  { seed, carrier, loadMs, honest, isGreedy }: Load,
) {
  const names = Array.from({ length: honest }, (_, index) => `honest${index}`);
  const service = seededRandom(`${seed}/service`);
  const [active, most] = [new Map<string, number>(), new Map<string, number>()];
  const network = await createNetwork<SimNode>({
    nodes: ['executor', ...names, 'greedy'],
    link: { delayMs: 20, jitterMs: 5 },
    seed,
    createNode: nodes(
      {
        executor: {
          serve: async (_request, { peerId }) => {
            const count = (active.get(peerId) ?? 0) + 1;
            active.set(peerId, count);
            most.set(peerId, Math.max(most.get(peerId) ?? 0, count));
            await pause(800 + 400 * service.float());
            active.set(peerId, active.get(peerId)! - 1);
            return whole('done');
          },
        },
      },
      carrier,
    ),
  });
  const executor = network.node('executor');
  const told = { honest: new Map<string, number[]>(), greedy: new Map<string, number[]>() };
  const asks: Promise<void>[] = [];
  const ask = async (name: string): Promise<void> => {
    const { identity, rpc } = network.node(name);
    const message = await question(identity, executor.identity);
    const startMs = network.clock.elapsed();
    const outcome = await outcomeOf(rpc.request(executor.peerId, message));
    const latencies = told[name === 'greedy' ? 'greedy' : 'honest'];
    latencies.set(outcome, [...(latencies.get(outcome) ?? []), network.clock.elapsed() - startMs]);
  };
  for (const node of network.nodes.values())
    if (node !== executor) await network.run(node.rpc.request(executor.peerId, { type: 'ping' }));
  const startMs = network.clock.elapsed();
  const every = (name: string, intervalMs: number, offsetMs: number): void => {
    for (let atMs = offsetMs; atMs < loadMs; atMs += intervalMs)
      network.at(startMs + atMs, () => asks.push(ask(name)));
  };
  for (const [index, name] of names.entries()) every(name, honestEveryMs, index * 100);
  if (isGreedy) every('greedy', greedyEveryMs, 0);
  await network.runFor(loadMs + 5_000);
  await Promise.all(asks);
  for (const node of network.nodes.values()) node.expectNothingLeft();
  const mostOfGreedy = most.get(network.node('greedy').peerId) ?? 0;
  const hash = network.trace.hash();
  await network.stop();
  return { ...told, mostOfGreedy, hash };
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(share * sorted.length) - 1]!;
}

/**
 * Checks that a peer that asks a hundred times its share is served its share, and that nobody else waits longer. Time
 * on a processor costs nothing here: this proves what is admitted and what is refused, not what a flood of signatures
 * costs the one who verifies them.
 */
export async function checkShares(
  createNetwork: NetworkFixture['createNetwork'],
  { honest, loadMs }: Pick<Load, 'honest' | 'loadMs'>,
): Promise<void> {
  for (const [seed, carrier] of [
    [1, 'sessions'],
    [2, 'streams'],
  ] as const) {
    const load = { seed, carrier, loadMs, honest };
    const calm = await underLoad(createNetwork, { ...load, isGreedy: false });
    const flooded = await underLoad(createNetwork, { ...load, isGreedy: true });
    expect([...flooded.honest.keys()], `seed ${seed}`).toEqual(['answered']);
    const asked = honest * (loadMs / honestEveryMs);
    expect(flooded.honest.get('answered')).toHaveLength(asked);
    const p99s = [calm, flooded].map((run) => percentile(run.honest.get('answered')!, 0.99));
    expect(p99s[1]! / p99s[0]!, `seed ${seed}: p99 of ${p99s.join(' and ')} ms`).toBeLessThan(1.1);

    expect([...flooded.greedy.keys()].toSorted()).toEqual(['BUSY', 'answered']);
    expect(flooded.mostOfGreedy).toBe(rpcDefaults.maxInboundRequestsPerPeer);
    // There and back, and no service time.
    expect(Math.max(...flooded.greedy.get('BUSY')!)).toBeLessThanOrEqual(2 * (20 + 5) + 1);
    expect(flooded.greedy.get('BUSY')!.length).toBeGreaterThan(loadMs / greedyEveryMs / 10);
  }
}
