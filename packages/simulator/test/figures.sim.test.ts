import { describe, expect } from 'vitest';
import { GossipTopic } from '@lloom/behaviour';
import { test } from '../src/vitest.ts';

describe('questions', () => {
  test('are answered, billed and measured, and the dear executor is left alone', async ({
    createSimulator,
  }) => {
    const sim = createSimulator({ numNodes: 3, networkDelayMs: 10 });
    const quick = { thinkMs: 100, tokenMs: 10 };
    sim.spawnExecutorNodes(1, quick);
    sim.spawnExecutorNodes(1, {
      ...quick,
      group: 'dear',
      pricing: { inboundPrice: '5', outboundPrice: '9' },
    });
    sim.spawnClientNodes(1);
    await sim.runUntil(() => sim.measure('offersSeenShare').value === 1);
    const fromMs = sim.elapsedMs;
    const stop = sim.load({ name: 'cheap', prefer: 'price', requestsPerSecond: 4, answerTokens: 5 });
    await sim.runFor(5_000);
    stop();
    await sim.runFor(2_000);
    const { requests, elapsedMs } = sim.metrics();
    expect(requests).toMatchObject({
      pending: 0,
      failed: 0,
      failures: {},
      duplicateExecutions: 0,
      overbilled: 0,
    });
    expect(requests.answered).toBeGreaterThan(8);
    expect(requests.executions).toBe(requests.answered);
    // Eight words of the question, five tokens of the answer.
    expect(requests.spent).toBe(String(requests.answered * (8 * 1 + 5 * 2)));
    expect(requests.latencyMs.p50).toBeGreaterThanOrEqual(160);
    expect(requests.firstTokenMs.max).toBeLessThan(requests.latencyMs.max);
    const count = requests.answered;
    expect(sim.measure('answeredShare', { load: 'cheap' })).toEqual({ value: 1, count });
    expect(sim.measure('answeredShare', { load: 'other' })).toEqual({ value: 0, count: 0 });
    expect(sim.measure('answersShare', { executors: 'e', fromMs, untilMs: elapsedMs })).toEqual({
      value: 1,
      count,
    });
    expect(sim.measure('answersShare', { executors: 'dear' })).toEqual({ value: 0, count });
    expect(sim.measure('paidPerToken')).toEqual({ value: 18 / 5, count: 5 * count });
    expect(sim.measure('latencyMs', { percentile: 100 }).value).toBe(requests.latencyMs.max);
    expect(sim.measure('bytesPerNodeSecond').value).toBeGreaterThan(0);
    expect(sim.measure('endedTwice')).toEqual({ value: 0, count });

    await sim.setPricing('e', { inboundPrice: '10', outboundPrice: '10' });
    await sim.runUntil(() => sim.measure('offersSeenShare').value === 1);
    const dearAtMs = sim.elapsedMs;
    sim.load({ prefer: 'price', requestsPerSecond: 4, answerTokens: 5, untilMs: dearAtMs + 2_000 });
    // Nobody sells for that.
    sim.load({ name: 'poor', maxPrice: '20', answerTokens: 5, untilMs: dearAtMs + 2_000 });
    await sim.runFor(20_000);
    expect(sim.measure('answersShare', { executors: 'dear', fromMs: dearAtMs }).value).toBe(1);
    expect(sim.measure('failed', { load: 'poor' })).toEqual({
      value: expect.any(Number) as number,
      count: expect.any(Number) as number,
    });
    expect(sim.measure('answeredShare', { load: 'poor' }).value).toBe(0);
    expect(Object.keys(sim.metrics().requests.failures)).toEqual(['NO_PROVIDERS']);
    const report = sim.report();
    expect(report.requestLatency.at(-1)?.[1]).toBe(1);
    expect(report.requests).toHaveLength(sim.metrics().requests.asked);
    expect(report.timeline.map(({ kind }) => kind)).toEqual(['load', 'pricing', 'load', 'load']);
  });

  test('to executors that refuse, hang or break off end once, and others go on', async ({
    createSimulator,
  }) => {
    const sim = createSimulator({ numNodes: 5, networkDelayMs: 10 });
    const quick = { thinkMs: 50, tokenMs: 5 };
    sim.spawnExecutorNodes(1, quick);
    for (const conduct of ['refuses', 'hangs', 'fails'] as const) {
      sim.spawnExecutorNodes(1, {
        ...quick,
        group: conduct,
        conduct,
        pricing: { inboundPrice: '0', outboundPrice: '0' },
      });
    }
    sim.spawnClientNodes(1);
    await sim.runUntil(() => sim.measure('offersSeenShare').value === 1);
    const untilMs = sim.elapsedMs + 4_000;
    sim.load({ requestsPerSecond: 1, answerTokens: 8, untilMs, timeoutMs: 8_000, maxAttempts: 6 });
    await sim.runFor(8_000);
    const { asked, answered, overbilled, duplicateExecutions, executions } = sim.metrics().requests;
    expect(asked).toBeGreaterThan(1);
    expect([answered, overbilled, duplicateExecutions]).toEqual([asked, 0, 0]);
    expect(executions).toBeGreaterThan(2 * asked);
    expect(sim.measure('endedTwice').value).toBe(0);
    expect(sim.measure('answersShare', { executors: ['refuses', 'hangs'] }).value).toBe(0);
    expect(sim.measure('answersShare', { executors: 'e' }).value).toBe(1);
  });

  test('to an executor that says it can do more than it can wait inside of it', async ({
    createSimulator,
  }) => {
    const sim = createSimulator({ numNodes: 2 });
    sim.spawnExecutorNodes(1, { capacity: 1, announcedCapacity: 8, thinkMs: 1_000, tokenMs: 0 });
    sim.spawnClientNodes(1);
    await sim.runUntil(() => sim.measure('offersSeenShare').value === 1);
    sim.load({ requestsPerSecond: 1_000, answerTokens: 1, untilMs: sim.elapsedMs + 5 });
    await sim.runFor(20_000);
    const { answered, latencyMs } = sim.metrics().requests;
    expect(answered).toBeGreaterThan(1);
    expect(Math.round(latencyMs.max / 1_000)).toBe(answered);
  });

  test('of a client that goes down end with that, and it is left out until it is back', async ({
    createSimulator,
  }) => {
    const sim = createSimulator({ numNodes: 2, networkDelayMs: 10 });
    sim.spawnExecutorNodes(1, { thinkMs: 5_000 });
    sim.spawnClientNodes(1);
    await sim.runUntil(() => sim.measure('offersSeenShare').value === 1);
    sim.load({ requestsPerSecond: 2 });
    await sim.runFor(4_000);
    const { asked } = sim.metrics().requests;
    sim.crash('c');
    await sim.runFor(10_000);
    expect(sim.metrics().requests).toMatchObject({ asked, pending: 0, failures: { CLIENT_DOWN: asked } });
  });
});

describe('status messages', () => {
  test('reach every node that is up, also one that comes later', async ({ createSimulator }) => {
    const sim = createSimulator({ numNodes: 3, networkDelayMs: 20 });
    sim.spawnValidatorNodes(1);
    sim.spawnClientNodes(1);
    await sim.runUntil(() => sim.allNodesConnected());
    sim.gossipLoad({ intervalMs: 500 });
    await sim.runFor(2_000);
    sim.spawnClientNodes(1);
    await sim.runFor(3_000);
    const fromMs = sim.elapsedMs;
    await sim.runFor(3_000);
    const { gossip } = sim.metrics();
    expect(gossip.published).toBeGreaterThanOrEqual(15);
    expect(gossip.latencyMs.p50).toBeGreaterThanOrEqual(20);
    expect(sim.measure('gossipReach', { fromMs }).value).toBe(1);
    expect(sim.measure('gossipReach', { fromMs }).count).toBeGreaterThan(3);
    const curve = sim.report().gossipReach;
    expect(curve[0]).toEqual([0, 0]);
    expect(curve.at(-1)![1]).toBeGreaterThan(0.9);
  });

  test('of others on the same topic are not counted', async ({ createSimulator }) => {
    const sim = createSimulator({ numNodes: 3 });
    sim.spawnClientNodes(3);
    await sim.runUntil(() => sim.allNodesConnected());
    await sim.runFor(2_000);
    // The first message is cut off from c1 and c2, which get one of a stranger with its number.
    const lift = sim.partition('c0', ['c1', 'c2']);
    sim.gossipLoad({ from: 'c0', untilMs: sim.elapsedMs + 500 });
    await sim.runFor(100);
    const stranger = sim.node('c1').behaviour;
    const figures = { totalPeers: 2, activeExecutors: 0, activeRequests: 0, averageLatencyMs: 0 };
    await sim.run(() =>
      stranger.publishMessage(GossipTopic.NetworkStatus, { type: 'networkMetrics', ...figures }),
    );
    await sim.runFor(100);
    expect(sim.metrics().gossip).toMatchObject({ published: 1, delivered: 0 });
    lift();
  });
});

describe('links', () => {
  test('of the world have regions, and nodes live in the one that they are given', async ({
    createSimulator,
  }) => {
    const sim = createSimulator({ numNodes: 3, link: 'global', jitterMs: 0, packetLoss: 0 });
    sim.spawnClientNodes(2);
    sim.spawnExecutorNodes(1, { region: 'oceania', bandwidth: 'cable' });
    expect(sim.nodes.map(({ region }) => region)).toEqual(['us-east', 'us-west', 'oceania']);
    await sim.runUntil(() => sim.allNodesConnected());
    const beganAtMs = sim.elapsedMs;
    await sim.run(sim.node('c0').behaviour.request(sim.node('e0').peerId, { type: 'ping' }));
    expect(sim.elapsedMs - beganAtMs).toBeGreaterThanOrEqual(200);
    expect(sim.report()).toMatchObject({ network: 'global, up to 0 ms more, 0 % loss' });
    expect(sim.report().nodes[2]).toMatchObject({ name: 'e0', region: 'oceania' });
  });

  test('of regions of your own have their delays, and nodes live there in turn', async ({
    createSimulator,
  }) => {
    const regions = { earth: { earth: 1, moon: 1_300 }, moon: { moon: { delayMs: 2 } } };
    const sim = createSimulator({ numNodes: 4, regions, jitterMs: 0, packetLoss: 0 });
    sim.spawnClientNodes(2);
    expect(sim.nodes.map(({ region }) => region)).toEqual(['earth', 'moon']);
    const lacking = expect.objectContaining({ code: 'INVALID_ARGUMENT' }) as unknown;
    expect(() => sim.spawnClientNodes(1, { region: 'europe' })).toThrow(lacking);
    expect(() => sim.spawnClientNodes(1, { region: 'constructor' })).toThrow(/region/);
    expect(sim.nodes).toHaveLength(2);
    await sim.runUntil(() => sim.isConnected());
    const beganAtMs = sim.elapsedMs;
    await sim.run(sim.node('c0').behaviour.request(sim.node('c1').peerId, { type: 'ping' }));
    expect(sim.elapsedMs - beganAtMs).toBeGreaterThanOrEqual(2_600);
    expect(sim.report()).toMatchObject({
      network: 'global, own links of earth, moon, up to 0 ms more, 0 % loss',
      nodes: [{ region: 'earth' }, { region: 'moon' }],
    });
  });
});
