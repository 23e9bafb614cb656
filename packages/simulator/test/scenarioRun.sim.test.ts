import { expect, test } from 'vitest';
import { runScenario, type Scenario, type ScenarioProgress } from '../src/index.ts';

const small: Scenario = {
  version: 1,
  name: 'small',
  description: 'A seller, and a buyer who comes later.',
  durationMs: 6_000,
  seed: 3,
  network: { networkDelayMs: 10 },
  nodes: [
    { role: 'executor', group: 'seller', count: 1 },
    { role: 'client', group: 'buyer', count: 1, atMs: 1_000 },
  ],
  load: [{ name: 'steady', requestsPerSecond: 2, fromMs: 2_000, untilMs: 5_000 }],
  events: [
    { atMs: 2_500, type: 'crash', nodes: 'buyer' },
    { atMs: 2_600, type: 'crash', nodes: 'buyer0' },
    { atMs: 3_000, type: 'restart', nodes: ['buyer0', 'seller'] },
    { atMs: 3_500, type: 'link', between: ['seller', 'buyer'], link: { delayMs: 30 } },
    { atMs: 3_600, type: 'pricing', executors: 'seller', pricing: { inboundPrice: '7', outboundPrice: '9' } },
    { atMs: 5_200, type: 'hold', between: ['seller0', 'buyer0'] },
    { atMs: 5_300, type: 'release', between: ['seller0', 'buyer0'] },
    { atMs: 5_400, type: 'partition', groups: ['seller', 'buyer'] },
    { atMs: 5_500, type: 'heal' },
    { atMs: 5_600, type: 'partitionOneWay', from: 'seller', to: 'buyer' },
  ],
  properties: [
    {
      what: 'The buyer is there',
      when: 'eventually',
      withinMs: 3_000,
      measure: 'connectedShare',
      atLeast: 1,
    },
    { what: 'Everything is free', when: 'finally', measure: 'paidPerToken', atMost: 0 },
    { what: 'Nothing runs twice', when: 'always', measure: 'duplicateExecutions', atMost: 0 },
  ],
};

const dear = {
  what: 'Tokens cost the new price',
  when: 'finally',
  measure: 'paidPerToken',
  atLeast: 7,
} as const;

test('a scenario is run from its beginning to its end, with a word after each second, and the same every time', async () => {
  const told: ScenarioProgress[] = [];
  const report = await runScenario(small, { onProgress: (progress) => void told.push(progress) });
  const again = await runScenario(small);

  expect(again.traceHash).toBe(report.traceHash);
  expect(report).toMatchObject({ name: 'small', description: small.description, seed: 3, durationMs: 6_000 });
  expect(report.nodes.map(({ name }) => name)).toEqual(['seller0', 'buyer0']);
  const kinds = new Set(report.timeline.map(({ kind }) => kind));
  expect([...kinds]).toEqual(expect.arrayContaining(['crash', 'link', 'pricing', 'hold', 'partition']));
  expect(told.map(({ elapsedMs }) => elapsedMs)).toEqual([1_000, 2_000, 3_000, 4_000, 5_000, 6_000]);
  const { asked, answered, failed } = report.metrics.requests;
  expect(told.at(-1)).toEqual({ elapsedMs: 6_000, durationMs: 6_000, up: 2, asked, answered, failed });
  expect(answered).toBeGreaterThan(0);
  // What does not hold is a result, not an error.
  expect(report.properties.map(({ what, holds }) => [what, holds])).toEqual([
    ['The buyer is there', true],
    ['Everything is free', false],
    ['Nothing runs twice', true],
  ]);
});

test('a run can be larger, shorter, and ended early', async () => {
  const larger = await runScenario(small, { numNodes: 4, durationMs: 1_500, seed: 4 });
  expect(larger.seed).toBe(4);
  expect(larger.nodes.map(({ name }) => name)).toEqual(['seller0', 'seller1', 'buyer0', 'buyer1']);
  expect(larger.durationMs).toBe(1_500);

  const controller = new AbortController();
  const onProgress = ({ elapsedMs }: ScenarioProgress): void => {
    if (elapsedMs >= 2_000) controller.abort();
  };
  const ended = await runScenario(small, { signal: controller.signal, onProgress });
  expect(ended.durationMs).toBe(2_000);
  expect(ended.properties.at(-1)).toMatchObject({
    holds: false,
    isDecided: false,
    detail: 'duplicateExecutions had less than 1 to measure; want at most 0',
  });
});

test('a run that ends before a node comes back has its report, whatever was planned for the time of its stop', async () => {
  const nodes: Scenario['nodes'] = [{ role: 'executor', group: 'seller', count: 2 }, small.nodes[1]!];
  // Nodes that are asked or answer need a moment to stop.
  const events = [4_010, 4_030, 4_060, 4_100].flatMap((atMs): NonNullable<Scenario['events']> => [
    { atMs: atMs - 1_000, type: 'crash', nodes: 'seller1' },
    { atMs, type: 'restart', nodes: 'seller1' },
  ]);
  const ended = await runScenario({ ...small, nodes, events }, { durationMs: 4_000 });
  expect([ended.durationMs, ended.metrics.nodes.up]).toEqual([4_000, 2]);
});

test('a price that is set while an executor is down counts when it is back', async () => {
  const pricing = { inboundPrice: '7', outboundPrice: '9' };
  const events: Scenario['events'] = [
    { atMs: 1_000, type: 'crash', nodes: 'seller' },
    { atMs: 1_200, type: 'pricing', executors: 'seller', pricing },
    { atMs: 1_400, type: 'restart', nodes: 'seller' },
  ];
  const { properties, timeline } = await runScenario({ ...small, events, properties: [dear] });
  expect(properties).toMatchObject([{ holds: true }]);
  expect(timeline).toContainEqual(
    expect.objectContaining({ atMs: 1_200, kind: 'pricing', nodes: ['seller0'] }),
  );
});

test('a run that cannot be is refused, and leaves nothing behind', async () => {
  await expect(runScenario({ ...small, durationMs: -1 })).rejects.toMatchObject({ code: 'INVALID_SCENARIO' });
  await expect(runScenario(small, { numNodes: 1 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  const badConfig = { ...small, network: { node: { packages: { rpc: { timeoutMs: -1 } } } } };
  await expect(runScenario(badConfig)).rejects.toThrow('timeoutMs');
  // Time is real again.
  await new Promise((resolve) => setTimeout(resolve, 1));
});
