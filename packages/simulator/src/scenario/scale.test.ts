import { expect, test } from 'vitest';
import { asRun, nodesOf } from './scale.ts';
import type { Scenario } from './types.ts';

const scenario: Scenario = {
  version: 1,
  name: 'market',
  description: 'A market.',
  durationMs: 10_000,
  network: {
    topology: [
      ['buyer0', 'seller0'],
      ['buyer3', 'seller0'],
    ],
  },
  nodes: [
    { role: 'executor', group: 'seller', count: 6 },
    { role: 'client', group: 'buyer', count: 4 },
    { role: 'validator', group: 'watch', count: 1 },
  ],
  load: [{ requestsPerSecond: 11 }, { from: 'buyer3' }],
  events: [
    { atMs: 1, type: 'crash', nodes: ['seller5'] },
    { atMs: 2, type: 'crash', nodes: ['seller5', 'seller0'] },
    { atMs: 3, type: 'hold', between: ['seller0', 'buyer3'] },
    { atMs: 4, type: 'partition', groups: ['seller0', 'buyer3'] },
    { atMs: 5, type: 'heal' },
  ],
  churn: [{ nodes: 'seller4' }],
  properties: [],
};
const counts = (numNodes: number): number[] => asRun(scenario, { numNodes }).nodes.map(({ count }) => count);

test('a scenario grows and shrinks in proportion, and no group below one node', () => {
  expect(counts(11)).toEqual([6, 4, 1]);
  expect(counts(22)).toEqual([12, 8, 2]);
  expect(counts(110)).toEqual([60, 40, 10]);
  expect(counts(5)).toEqual([2, 2, 1]);
  expect(counts(3)).toEqual([1, 1, 1]);
  for (let numNodes = 3; numNodes <= 400; numNodes += 1) {
    const scaled = asRun(scenario, { numNodes });
    expect(nodesOf(scaled)).toBe(numNodes);
    expect(Math.min(...scaled.nodes.map(({ count }) => count))).toBeGreaterThanOrEqual(1);
  }
});

test('so do the questions a second; what concerns nodes that are not there is left out', () => {
  const { load, events, churn, network } = asRun(scenario, { numNodes: 3 });
  expect(load).toEqual([{ requestsPerSecond: 3 }]);
  expect(events).toEqual([scenario.events![1], scenario.events![4]]);
  expect(churn).toEqual([]);
  expect(network!.topology).toEqual([['buyer0', 'seller0']]);
});

test('what is given for a run goes before what the scenario says', () => {
  expect(asRun(scenario, {})).toEqual(scenario);
  expect(asRun(scenario, { seed: 9, durationMs: 5, fidelity: 'wire' })).toMatchObject({
    seed: 9,
    durationMs: 5,
    network: { fidelity: 'wire', topology: scenario.network!.topology },
  });
});

test.each([
  [{ numNodes: 2 }, 'numNodes 2, want a whole number from 3, one for each group, to 10,000'],
  [{ numNodes: 10_001 }, 'numNodes 10001, want'],
  [{ numNodes: 4.5 }, 'numNodes 4.5, want'],
  [{ numNodes: Number.NaN }, 'numNodes NaN, want'],
  [{ durationMs: 0 }, 'durationMs 0, want more than 0 and at most 86,400,000 ms'],
  [{ durationMs: Number.NaN }, 'durationMs NaN, want'],
])('a run with %o is refused', (config, message) => {
  expect(() => asRun(scenario, config)).toThrow(message);
});
