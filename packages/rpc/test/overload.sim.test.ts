import { seededRandom } from '@lloom/simkit';
import { test, type NetworkFixture } from '@lloom/simkit/vitest';
import { encodeFrame } from '@lloom/codec';
import { describe, expect } from 'vitest';
import { rpcDefaults } from '../src/config.ts';
import { heldBufferBytes } from './memory.ts';
import { readFrames } from './misbehaviour.ts';
import { protocol, question } from './nodes.ts';
import {
  createPair,
  fidelities,
  nodes,
  outcomeOf,
  pause,
  whole,
  type Carrier,
  type SimNode,
} from './simulation.ts';

const mebibyte = 1024 * 1024;
const lingerMs = 2_000;

interface Load {
  readonly seed: number;
  readonly carrier: Carrier;
  readonly loadMs: number;
  /** Peers that ask no more than others do. */
  readonly honest: readonly string[];
  /** Whether one peer asks a hundred times as often as each of the others. */
  readonly isGreedy: boolean;
}

const honest = Array.from({ length: 10 }, (_, index) => `honest${index}`);
const honestEveryMs = 2_000;
const greedyEveryMs = honestEveryMs / 100;

/** What peers get of an executor that needs about a second for each of as many requests at once as it is given. */
async function underLoad(
  createNetwork: NetworkFixture['createNetwork'],
  { seed, carrier, loadMs, honest: names, isGreedy }: Load,
) {
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
 * Time on a processor costs nothing here: this proves what is admitted and what is refused, not what a flood of
 * signatures costs the one who verifies them.
 */
test('a peer that asks a hundred times its share is served its share, and nobody else waits longer', async ({
  createNetwork,
}) => {
  const loadMs = 6_000;
  for (const [seed, carrier] of [
    [1, 'sessions'],
    [2, 'streams'],
  ] as const) {
    const load = { seed, carrier, loadMs, honest };
    const calm = await underLoad(createNetwork, { ...load, isGreedy: false });
    const flooded = await underLoad(createNetwork, { ...load, isGreedy: true });
    expect([...flooded.honest.keys()], `seed ${seed}`).toEqual(['answered']);
    const asked = honest.length * (loadMs / honestEveryMs);
    expect(flooded.honest.get('answered')).toHaveLength(asked);
    const p99s = [calm, flooded].map((run) => percentile(run.honest.get('answered')!, 0.99));
    expect(p99s[1]! / p99s[0]!, `seed ${seed}: p99 of ${p99s.join(' and ')} ms`).toBeLessThan(1.1);

    expect([...flooded.greedy.keys()].toSorted()).toEqual(['BUSY', 'answered']);
    expect(flooded.mostOfGreedy).toBe(rpcDefaults.maxInboundRequestsPerPeer);
    // There and back, and no service time.
    expect(Math.max(...flooded.greedy.get('BUSY')!)).toBeLessThanOrEqual(2 * (20 + 5) + 1);
    expect(flooded.greedy.get('BUSY')!.length).toBeGreaterThan(loadMs / greedyEveryMs / 10);
  }
});

for (const carrier of ['sessions', 'streams'] as const)
  test(`the same load by ${carrier} gives the same run`, async ({ createNetwork }) => {
    const load = { seed: 5, carrier, loadMs: 1_000, honest: honest.slice(0, 3), isGreedy: true };
    expect(await underLoad(createNetwork, load)).toEqual(await underLoad(createNetwork, load));
  });

describe.for(fidelities)('over %s links', (fidelity) => {
  test('sixty-four clients that send a byte now and then are all ended by the deadline, in bounded memory', async ({
    createNetwork,
  }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      fidelity,
      executor: { maxInboundRequestsPerPeer: 64 },
    });
    await network.run(asker.rpc.request(executor.peerId, { type: 'ping' }));
    const before = heldBufferBytes();
    const config = { maxOutboundStreams: 100 };
    const open = () => asker.node.dialProtocol(executor.node.peerId, protocol, config);
    const streams = await network.run(Promise.all(Array.from({ length: 64 }, open)));
    const answers = Promise.all(streams.map((stream) => readFrames(stream)));
    // A frame of ten MiB is announced; a byte of it comes each second.
    for (const stream of streams) stream.send(new Uint8Array([0x80, 0x80, 0x80, 0x05]));
    for (let second = 0; second < 29; second++) {
      await network.runFor(1_000);
      for (const stream of streams) stream.send(new Uint8Array([1]));
    }
    expect(executor.rpc.activeInbound).toBe(64);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * mebibyte);
    for (const answer of await network.run(answers))
      expect(answer).toMatchObject([{ code: 'INVALID_REQUEST' }]);
    await network.runFor(lingerMs);
    executor.expectNothingLeft();
  });

  test('while large requests that never end take all the memory there is for them, others are told BUSY', async ({
    createNetwork,
  }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      fidelity,
      executor: { maxUnverifiedBytes: 1_000_000 },
    });
    const open = () => asker.node.dialProtocol(executor.node.peerId, protocol);
    const ask = async () => {
      const stream = await open();
      const frames = readFrames(stream);
      stream.send(encodeFrame(new Uint8Array(20_000)));
      const [answer] = await frames;
      stream.abort(new Error('enough'));
      return answer;
    };
    const endless = await network.run(open());
    const refusal = readFrames(endless);
    endless.send(new Uint8Array([0x80, 0x80, 0x80, 0x05]));
    endless.send(new Uint8Array(999_000));
    await network.runFor(5_000);
    expect(await network.run(ask())).toMatchObject({ type: 'error', code: 'BUSY', retryAfterMs: 1_000 });
    expect(await network.run(refusal)).toMatchObject([{ code: 'INVALID_REQUEST' }]);
    await network.runFor(lingerMs);
    // Nothing is a request of 20,000 zeros; that it was read to its end is what counts.
    expect(await network.run(ask())).toMatchObject({ type: 'error', code: 'INVALID_REQUEST' });
    await network.runFor(lingerMs);
    executor.expectNothingLeft();
  });
});
