import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { test } from '@lloom/simkit/vitest';
import { expect } from 'vitest';
import { GossipTopic } from '../src/index.ts';
import { findAndAsk, serve, star } from './simNodes.ts';
import { executors, clients, ten } from './tenNodes.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const minuteMs = 60_000;
const hours = 2;
/** What fills in the first half hour is bounded, and full then. */
const settledMinutes = 30;
const everyMinutes = 10;
const maxSlopeMb = 1;

/** What is in use when nothing is left to collect, in MB. */
function heapMb(): number {
  collect();
  collect();
  return process.memoryUsage().heapUsed / 1e6;
}

/** By how much a figure rises an hour: the slope of the straight line that fits best. */
function slopeOf(points: readonly { readonly hours: number; readonly mb: number }[]): number {
  const mean = (of: readonly number[]): number => of.reduce((sum, each) => sum + each, 0) / of.length;
  const [x, y] = [mean(points.map((point) => point.hours)), mean(points.map((point) => point.mb))];
  const rise = points.reduce((sum, point) => sum + (point.hours - x) * (point.mb - y), 0);
  return rise / points.reduce((sum, point) => sum + (point.hours - x) ** 2, 0);
}

test('ten nodes that ask, answer and gossip for two hours need no more memory at the end', async ({
  createNetwork,
}) => {
  const network = await createNetwork({ ...ten, seed: 1, createNode: star() });
  const nodes = [...network.nodes.values()];
  for (const name of executors) await network.run(serve(network.node(name), network.clock));
  const status = { type: 'networkMetrics', totalPeers: 10, activeExecutors: 5, activeRequests: 0 } as const;
  for (const node of nodes) await network.run(node.subscribeTopic(GossipTopic.NetworkStatus));
  const points: { hours: number; mb: number }[] = [];
  for (let minute = 1; minute <= hours * 60; minute += 1) {
    const endsAtMs = minute * minuteMs;
    await network.runFor(Math.max(0, endsAtMs - network.clock.elapsed()));
    await network.run(Promise.all(clients.map((name) => findAndAsk(network.node(name)))));
    const message = { ...status, averageLatencyMs: minute };
    for (const node of nodes) await network.run(node.publishMessage(GossipTopic.NetworkStatus, message));
    if (minute >= settledMinutes && minute % everyMinutes === 0)
      points.push({ hours: minute / 60, mb: heapMb() });
  }
  const [received] = nodes.map((node) => node.metrics().messagesReceived);
  expect(received).toBeGreaterThan(hours * 60);
  const slope = slopeOf(points);
  expect.soft(slope, JSON.stringify(points)).toBeLessThan(maxSlopeMb);
});
