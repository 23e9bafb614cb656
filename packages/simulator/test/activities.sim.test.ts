import { describe, expect } from 'vitest';
import { test } from '../src/vitest.ts';

const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT' }) as unknown;

describe('loads', () => {
  test('have names of their own, also when they are over', async ({ createSimulator }) => {
    const sim = createSimulator({ numNodes: 1 });
    sim.spawnClientNodes(1);
    sim.load();
    const stop = sim.load({ name: 'steady' });
    expect(() => sim.load({ name: 'load0' })).toThrow(refused);
    stop();
    expect(() => sim.load({ name: 'steady' })).toThrow(refused);
    sim.load({ name: 'load3' });
    // Its number is that of a load with that name, so it takes the next.
    sim.load();
    expect(sim.report().timeline.map(({ text }) => text.split(':')[0])).toEqual([
      'load0',
      'steady',
      'load3',
      'load4',
    ]);
  });

  test('that are over leave room for others', async ({ createSimulator }) => {
    const sim = createSimulator({ numNodes: 1 });
    sim.spawnClientNodes(1);
    for (let count = 0; count < 10_000; count += 1) sim.gossipLoad({ fromMs: 5, untilMs: 5 });
    expect(() => sim.load()).toThrow(refused);
    await sim.runFor(5);
    sim.load();
    expect(sim.report().leftOut.timeline).toBeGreaterThan(0);
  });
});
