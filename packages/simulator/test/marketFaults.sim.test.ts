import { describe, expect } from 'vitest';
import type { NetworkSimulator } from '../src/index.ts';
import { test } from '../src/vitest.ts';

/** Two executors, a client and a validator, all connected. */
async function small(sim: NetworkSimulator): Promise<NetworkSimulator> {
  sim.spawnValidatorNodes(1);
  sim.spawnExecutorNodes(2, { thinkMs: 100, tokenMs: 10 });
  sim.spawnClientNodes(1);
  await sim.runUntil(() => sim.allNodesConnected());
  return sim;
}

const config = { numNodes: 4, networkDelayMs: 10 };

describe('faults', () => {
  test('partitions cut groups and nodes off until they are lifted, and stand on the timeline', async ({
    createSimulator,
  }) => {
    const sim = await small(createSimulator(config));
    const ping = async (from: string, to: string): Promise<unknown> =>
      sim.run(() =>
        sim
          .node(from)
          .behaviour.request(sim.node(to).peerId, { type: 'ping' }, { timeoutMs: 1_000 })
          .catch((error: { code: string }) => error.code),
      );
    const lift = sim.partition('e', ['c', 'v0']);
    expect(await ping('c0', 'e0')).toBe('TIMEOUT');
    expect(await ping('c0', 'v0')).toEqual({ type: 'pong' });
    lift();
    expect(await ping('c0', 'e0')).toEqual({ type: 'pong' });
    sim.partitionOneWay('e0', 'c');
    expect(await ping('c0', 'e0')).toBe('TIMEOUT');
    sim.heal();
    sim.hold('c0', 'e1');
    expect(await ping('c0', 'e1')).toBe('TIMEOUT');
    sim.release('c0', 'e1');
    const beganAtMs = sim.elapsedMs;
    sim.setLink('e', 'c', { delayMs: 200 });
    expect(await ping('c0', 'e1')).toEqual({ type: 'pong' });
    expect(sim.elapsedMs - beganAtMs).toBeGreaterThanOrEqual(400);
    const { timeline } = sim.report();
    expect(timeline.map(({ kind }) => kind)).toEqual(['partition', 'partition', 'hold', 'link']);
    expect(timeline[0]).toMatchObject({
      text: 'partition: e0, e1 | c0, v0',
      nodes: ['e0', 'e1', 'c0', 'v0'],
    });
    for (const { kind, atMs, untilMs } of timeline) {
      if (kind !== 'link') expect(untilMs).toBeGreaterThan(atMs);
    }
  });

  test('a crashed executor is down, its offer goes stale, and it comes back as it was', async ({
    createSimulator,
  }) => {
    const sim = await small(createSimulator(config));
    await sim.runUntil(() => sim.measure('offersSeenShare').value === 1);
    const { peerId } = sim.node('e0');
    sim.crash('e0', { isSilent: true });
    expect([sim.node('e0').state, sim.metrics().nodes.up]).toEqual(['down', 3]);
    expect(sim.measure('staleOffers')).toEqual({ value: 3, count: 3 });
    expect(() => sim.crash('e')).toThrow(expect.objectContaining({ code: 'WRONG_STATE' }));
    expect(sim.node('e1').state).toBe('up');
    await sim.runUntil(() => sim.measure('staleOffers').value === 0, { timeoutMs: 90_000 });
    sim.at(sim.elapsedMs + 100, async () => sim.restart('e0'));
    await sim.runUntil(() => sim.node('e0').state === 'up');
    await sim.runUntil(() => sim.measure('offersSeenShare').value === 1 && sim.allNodesConnected());
    expect(sim.node('e0').peerId).toBe(peerId);
    const [crash, restart] = sim.report().timeline;
    expect(crash).toMatchObject({ kind: 'crash', nodes: ['e0'], untilMs: restart!.atMs });
    expect(restart).toMatchObject({ kind: 'restart', nodes: ['e0'] });
  });

  test('nodes that come and go do so until a moment, and are all back then', async ({ createSimulator }) => {
    const sim = await small(createSimulator(config));
    const stop = sim.churn({ meanUpMs: 1_500, meanDownMs: 300, isSilent: false });
    await sim.runFor(5_000);
    stop();
    const crashes = sim.report().timeline.filter(({ kind }) => kind === 'crash');
    expect(crashes.length).toBeGreaterThan(2);
    await sim.runUntil(() => sim.metrics().nodes.up === 4);
    await sim.runFor(5_000);
    expect(sim.report().timeline.filter(({ kind }) => kind === 'crash')).toHaveLength(crashes.length);
  });
});

describe('properties', () => {
  test('that were wanted before the first run are asked from then on', async ({ createSimulator }) => {
    const sim = createSimulator(config);
    const alive = sim.always('nobody is down', () => sim.nodes.every(({ state }) => state !== 'down'));
    const found = sim.eventually(
      'all know all',
      () => sim.metrics().nodes.up === 4 && sim.allNodesConnected(),
      {
        withinMs: 60_000,
        everyMs: 500,
      },
    );
    const dropped = sim.always('nothing', () => false);
    dropped.end();
    expect([alive.status, found.status, found.decidedAtMs]).toEqual(['pending', 'pending', undefined]);
    await small(sim);
    await sim.runFor(1_000);
    expect([alive.status, found.status, dropped.status]).toEqual(['pending', 'holds', 'pending']);
    sim.at(sim.elapsedMs + 500, () => sim.crash('e1'));
    await expect(sim.runFor(1_000)).rejects.toMatchObject({ code: 'PROPERTY_VIOLATED' });
    expect(alive).toMatchObject({ status: 'violated', what: 'nobody is down' });
  });
});

describe('what cannot be', () => {
  test('is refused with a code, and changes nothing', async ({ createSimulator }) => {
    const sim = createSimulator({ numNodes: 3 });
    const refused = (code: string, data: object = {}): unknown =>
      expect.objectContaining({
        name: 'SimulatorError',
        code,
        data: expect.objectContaining(data) as unknown,
      });
    sim.spawnExecutorNodes(2);
    expect(() => sim.spawnClientNodes(2)).toThrow(
      refused('TOO_MANY_NODES', { numNodes: 3, spawned: 2, wanted: 2 }),
    );
    for (const count of [0, 1.5, Number.NaN, '1' as unknown as number]) {
      expect(() => sim.spawnClientNodes(count)).toThrow(refused('INVALID_ARGUMENT'));
    }
    expect(() => sim.spawnClientNodes(1, { group: 'e' })).toThrow(refused('INVALID_ARGUMENT'));
    expect(() => sim.spawnClientNodes(1, { group: 'e0' })).toThrow(refused('INVALID_ARGUMENT'));
    expect(sim.nodes).toHaveLength(2);
    const unknown = refused('UNKNOWN_NODE', { name: 'x', known: ['e', 'e0', 'e1'] });
    expect(() => sim.node('x')).toThrow(unknown);
    expect(() => sim.crash(['e0', 'x'])).toThrow(unknown);
    expect(() => sim.load({ from: 'x' })).toThrow(unknown);
    expect(() => sim.measure('answersShare', { executors: 'x' })).toThrow(unknown);
    expect(() => sim.partition('e0', 'e1')).toThrow(refused('WRONG_STATE', { state: 'planned' }));
    expect(() => sim.heal()).toThrow(refused('WRONG_STATE'));
    expect(() => sim.node('e0').behaviour).toThrow(refused('WRONG_STATE', { name: 'e0', act: 'use' }));
    await expect(sim.restart('e0')).rejects.toEqual(refused('WRONG_STATE', { act: 'restart' }));
    await expect(sim.runFor(-1)).rejects.toEqual(refused('INVALID_ARGUMENT'));
    expect(() => sim.at(Number.NaN, () => undefined)).toThrow(refused('INVALID_ARGUMENT'));
    expect(() => sim.measure('nonsense' as 'failed')).toThrow(refused('INVALID_ARGUMENT'));
    expect(() => sim.measure('latencyMs', { percentile: 0 })).toThrow(refused('INVALID_ARGUMENT'));
    expect(() => sim.partition(7 as unknown as string)).toThrow(refused('INVALID_ARGUMENT'));
    sim.spawnClientNodes(1);
    await expect(sim.setPricing('c', { inboundPrice: '1', outboundPrice: '1' })).rejects.toEqual(
      refused('INVALID_ARGUMENT'),
    );
    await expect(sim.setPricing('e', { inboundPrice: '1' } as never)).rejects.toMatchObject({
      name: 'ConfigError',
    });
    expect(sim.trace.length).toBe(0);
  });
});
