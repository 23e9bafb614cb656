import { describe, expect } from 'vitest';
import { parseScenario } from '../src/index.ts';
import { test } from '../src/vitest.ts';

const refusal = (act: string): unknown =>
  expect.objectContaining({ code: 'INVALID_ARGUMENT', data: expect.objectContaining({ act }) as unknown });

describe('what cannot be used', () => {
  test('of properties is told by the first run, and the simulator goes on and gives time back', async ({
    createSimulator,
  }) => {
    const { setTimeout } = globalThis;
    const sim = createSimulator({ numNodes: 1 });
    sim.spawnClientNodes(1);
    sim.always('is no condition', 5 as unknown as () => boolean);
    sim.trace.note(null as never);
    await expect(sim.runFor(1)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await sim.runFor(1);
    expect(sim.node('c0').state).toBe('up');
    await sim.stop();
    expect(globalThis.setTimeout).toBe(setTimeout);
  });

  test('is refused at once where it can be', async ({ createSimulator }) => {
    const sim = createSimulator({ numNodes: 1 });
    const nothing = Object.create(null) as never;
    expect(() => sim.at(1, undefined as never)).toThrow(refusal('plan an act'));
    await expect(sim.runUntil(5 as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(() => sim.measure(nothing)).toThrow(refusal('measure'));
    expect(sim.measure('latencyMs', null as never)).toEqual({ value: 0, count: 0 });
    expect(() => sim.crash(nothing)).toThrow(refusal('crash'));
    expect(() => sim.node(nothing)).toThrow(expect.objectContaining({ code: 'UNKNOWN_NODE' }));
    const options = [
      { models: [] },
      { announcedCapacity: 100_001 },
      { pricing: { inboundPrice: '007', outboundPrice: '1' } },
    ];
    for (const each of options) {
      expect(() => sim.spawnExecutorNodes(1, each)).toThrow(
        expect.objectContaining({ code: 'INVALID_CONFIG' }),
      );
    }
  });

  test('of scenarios is told though it is endless or too deep', () => {
    let deep: unknown = [];
    for (let depth = 0; depth < 50_000; depth += 1) deep = [deep];
    const scenario = { version: 1, name: 'odd', description: '', durationMs: 1, properties: [] };
    const wrong = [deep, Array.from({ length: 3_000 }, () => 1), [{ role: 'client', group: 'c', count: 1n }]];
    for (const nodes of wrong) {
      expect(() => parseScenario({ ...scenario, nodes })).toThrow(
        expect.objectContaining({ code: 'INVALID_SCENARIO' }),
      );
    }
  });
});

describe('what goes wrong while nodes start', () => {
  test('rejects the run that was to await it, and nobody else', async ({ createSimulator }) => {
    const sim = createSimulator({ numNodes: 1 });
    sim.spawnClientNodes(1);
    await expect(sim.run(Promise.reject(new Error('was over before')))).rejects.toThrow('was over before');
  });

  test('leaves alone what somebody else has started meanwhile', async ({ createSimulator }) => {
    const sim = createSimulator({ numNodes: 3 });
    sim.spawnClientNodes(3);
    await sim.runFor(1);
    sim.crash('c');
    await sim.run(() => Promise.all([sim.restart(['c0', 'c2']), sim.restart(['c1', 'c2'])]));
    expect(sim.nodes.map(({ state }) => state)).toEqual(['up', 'up', 'up']);
  });
});
