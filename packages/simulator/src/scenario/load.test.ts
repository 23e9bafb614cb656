import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { SimulatorError } from '../errors.ts';
import { loadScenario, parseScenario, scenarioNames } from './load.ts';
import type { Scenario } from './types.ts';

const small: Scenario = {
  version: 1,
  name: 'small',
  description: 'A seller and a buyer.',
  durationMs: 10_000,
  nodes: [
    { role: 'executor', group: 'seller', count: 2 },
    { role: 'client', group: 'buyer', count: 1, atMs: 2_000 },
  ],
  load: [{ name: 'steady' }],
  properties: [{ what: 'Every question is answered', when: 'finally', measure: 'answeredShare', atLeast: 1 }],
};

const property = small.properties[0]!;

/** A scenario with something else in it, as a file may have it. */
const withField = (fields: object): object => ({ ...small, ...fields });

function problemsOf(value: unknown): readonly string[] {
  try {
    parseScenario(value);
    return [];
  } catch (error) {
    if (!SimulatorError.is(error, 'INVALID_SCENARIO')) throw error;
    return error.data.problems;
  }
}

const folder = mkdtempSync(join(tmpdir(), 'scenarios-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(content: string | Uint8Array): string {
  const path = join(folder, 'scenario.json');
  writeFileSync(path, content);
  return path;
}

describe('a scenario is loaded', () => {
  test('by the name of one that comes with the package, and all of them are scenarios of that name', async () => {
    const names = scenarioNames();
    expect(names).toContain('discovery');
    for (const name of names) expect(await loadScenario(name)).toMatchObject({ version: 1, name });
  });

  test('from a file, as it stands there', async () => {
    await expect(loadScenario(file(JSON.stringify(small)))).resolves.toEqual(small);
  });

  test('or is told not to be there, with the names of those that are', async () => {
    await expect(loadScenario('flashcrowd')).rejects.toMatchObject({
      code: 'UNKNOWN_SCENARIO',
      data: { name: 'flashcrowd', known: scenarioNames() },
    });
  });

  test.each([
    ['{"version": 1,\n "name": "a" "b"}', 'line 2, column 14: this is not JSON'],
    ['{"version": 1,\n', 'line 2, column 1: this is not JSON'],
    ['{"nodes": [1,]}', 'line 1, column 14: this is not JSON'],
    ['{"nodes": [1 2]}', 'line 1, column 14: this is not JSON'],
    ['{"a": 01}', 'line 1, column 8: this is not JSON'],
    ['{"a": "\\x"}', 'line 1, column 7: this is not JSON'],
    ['{a: 1}', 'line 1, column 2: this is not JSON'],
    ['[{}] {}', 'line 1, column 6: this is not JSON'],
    ['[}', 'line 1, column 2: this is not JSON'],
    ['', 'line 1, column 1: this is not JSON'],
    ['['.repeat(100_000), 'line 1, column 100001: this is not JSON'],
    [Uint8Array.of(0x7b, 0xff, 0x7d), 'the file is no text in UTF-8'],
    [' '.repeat(1_048_577), 'the file is larger than 1 MiB'],
  ])('unless the file holds something else: %.40s', async (content, problem) => {
    await expect(loadScenario(file(content))).rejects.toMatchObject({
      code: 'INVALID_SCENARIO',
      data: { problems: [problem] },
    });
  });

  test('unless what has that name cannot be read, or has no end', async () => {
    await expect(loadScenario(folder)).rejects.toMatchObject({
      data: { problems: [expect.stringContaining('the file cannot be read: EISDIR')] },
    });
    await expect(loadScenario('/dev/zero')).rejects.toMatchObject({
      data: { problems: ['the file is larger than 1 MiB'] },
    });
    await expect(loadScenario('a\0b')).rejects.toMatchObject({ code: 'INVALID_SCENARIO' });
  });
});

describe('a value that is no scenario', () => {
  test.each([
    [undefined, 'scenario: got a value of type undefined, want an object'],
    [null, 'scenario: got null, want an object'],
    [[], 'scenario: got a list, want an object'],
    ['discovery', 'scenario: got a value of type string, want an object'],
    [withField({ version: 2 }), 'version: got 2, want 1'],
    [withField({ nme: 'x' }), /^nme: got an unknown field, want one of \$schema, version, name, /],
    [
      withField({ name: 'Price War' }),
      'name: got "Price War", want what it is called: lower case words with hyphens between',
    ],
    [withField({ durationMs: 0 }), 'durationMs: got 0, want a number from 1 to 86,400,000'],
    [withField({ nodes: [] }), 'nodes: got [], want a list of 1 to 100 entries'],
    [
      withField({ nodes: [{ ...small.nodes[0], count: 0 }] }),
      'nodes[0].count: got 0, want a whole number from 1 to 10,000',
    ],
    [
      withField({ nodes: [{ ...small.nodes[0], count: 1.5 }] }),
      'nodes[0].count: got 1.5, want a whole number from 1 to 10,000',
    ],
    [
      withField({ nodes: [{ role: 'executor', group: 'e1', count: 1 }] }),
      /^nodes\[0\]\.group: got "e1", want letters, digits and hyphens\. The last is no digit/,
    ],
    [
      withField({ nodes: [{ role: 'miner', group: 'm', count: 1 }] }),
      'nodes[0].role: got "miner", want one of "executor", "client", "validator", "relay"',
    ],
    [
      withField({ nodes: [{ role: 'client', group: 'c', count: 1, models: [] }] }),
      /^nodes\[0\]\.models: got an unknown field, want one of role, group, count/,
    ],
    [withField({ nodes: [{ role: 'executor', count: 1 }] }), 'nodes[0]: got no group'],
    [
      withField({ events: [{ atMs: 1, type: 'explode' }] }),
      /^events\[0\]\.type: got "explode", want one of "partition", /,
    ],
    [
      withField({ network: { link: 'moon' } }),
      /^network\.link: got "moon", want how all nodes are connected: "lan", /,
    ],
    [
      withField({ network: { link: { delayMs: -1 } } }),
      'network.link.delayMs: got -1, want a number from 0 to 86,400,000',
    ],
    [
      withField({ network: { link: { delay: 1 } } }),
      /^network\.link\.delay: got an unknown field, want one of delayMs, /,
    ],
    [
      withField({ network: { node: { listenAddresses: [] } } }),
      /^network\.node\.listenAddresses: got an unknown field/,
    ],
    [withField({ load: [{ from: [] }] }), 'load[0].from: got [], want a list of 1 to 10,000 entries'],
    [withField({ load: [{ from: 7 }] }), 'load[0].from: got 7, want a group, a node, or a list of them'],
    [
      withField({ load: [{ maxPrice: '1.5' }] }),
      /^load\[0\]\.maxPrice: got "1\.5", want an amount in wei, as a decimal text$/,
    ],
    [
      withField({ properties: [{ ...property, measure: 'happiness' }] }),
      /^properties\[0\]\.measure: got "happiness", want one of "connectedShare", /,
    ],
    [withField({ 'a/b~c': 1 }), /^a\/b~c: got an unknown field/],
  ])('is told its place, what was got and what is wanted: %#', (value, problem) => {
    const [told, ...others] = problemsOf(value);
    expect(others).toEqual([]);
    expect(told).toMatch(problem);
  });

  test('is told every problem at once, and not more than can be read', () => {
    const [first, second] = problemsOf(withField({ version: 2, durationMs: -1 }));
    expect([first, second]).toEqual([
      expect.stringMatching(/^version/),
      expect.stringMatching(/^durationMs/),
    ]);
    const nodes = Array.from({ length: 100 }, () => ({ role: 'client', group: 'c', count: 0 }));
    const many = problemsOf(withField({ nodes }));
    expect(many).toHaveLength(51);
    expect(many.at(-1)).toBe('and 50 problems more');
  });

  test('is named in the message', () => {
    expect(() => parseScenario({ ...small, version: 2 })).toThrow(
      'Cannot use scenario "small": version: got 2, want 1',
    );
  });
});

describe('a scenario contradicts itself', () => {
  const executors = { role: 'executor', group: 'e', count: 9_999 } as const;
  test.each<[string, object]>([
    [
      'nodes: got 10,001 nodes in all, want at most 10,000',
      { nodes: [executors, { ...small.nodes[1], count: 2 }] },
    ],
    [
      'nodes[2].group: got "seller", want a name of its own: nodes[0] has it',
      { nodes: [...small.nodes, small.nodes[0]] },
    ],
    [
      'nodes[1].atMs: got 10,000, want less than durationMs, 10,000',
      { nodes: [small.nodes[0], { ...small.nodes[1], atMs: 10_000 }] },
    ],
    [
      'nodes[0].region: got "europe", want network.link "global": there are no regions without it',
      { nodes: [{ ...small.nodes[0], region: 'europe' }, small.nodes[1]] },
    ],
    [
      'nodes[0].region: got "mars", want one of "us-east", "us-west", "south-america", "europe", "africa", "india", "east-asia", "oceania", "moon"',
      {
        network: { regions: { moon: { europe: 9 } } },
        nodes: [
          { ...small.nodes[0], region: 'mars' },
          { ...small.nodes[1], region: 'moon' },
        ],
      },
    ],
    [
      'network.regions: got regions beside link "lan", want no link beside them, or "global"',
      { network: { link: 'lan', regions: { europe: { india: 9 } } } },
    ],
    ['load[1].name: got "load0", want a name of its own: load[0] has it', { load: [{}, { name: 'load0' }] }],
    [
      'network.topology[0]: got "buyer1", want a group or a node: seller (seller0 to seller1), buyer (buyer0 to buyer0)',
      { network: { topology: [['seller0', 'buyer1']] } },
    ],
    [
      'network.topology[0]: got "seller0" twice, want two nodes',
      { network: { topology: [['seller0', 'seller0']] } },
    ],
    [
      'load[0].from: got "sellers", want a group or a node: seller (seller0 to seller1), buyer (buyer0 to buyer0)',
      { load: [{ from: 'sellers' }] },
    ],
    [
      'load[0].model: got "demo-large", want a model that an executor offers: "demo-small"',
      { load: [{ model: 'demo-large' }] },
    ],
    ['load[0].untilMs: got 1, want more than fromMs, 2', { load: [{ fromMs: 2, untilMs: 1 }] }],
    ['load[0].from: got nothing, want nodes, since there are no clients', { nodes: [small.nodes[0]] }],
    [
      'load[1].name: got "steady", want a name of its own: load[0] has it',
      { load: [{ name: 'steady' }, { name: 'steady' }] },
    ],
    ['gossip[0].fromMs: got 20,000, want less than durationMs, 10,000', { gossip: [{ fromMs: 20_000 }] }],
    [
      'churn[0].nodes: got "seller2", want a group or a node: seller (seller0 to seller1), buyer (buyer0 to buyer0)',
      { churn: [{ nodes: ['seller0', 'seller2'] }] },
    ],
    [
      'events[0].atMs: got 10,000, want less than durationMs, 10,000',
      { events: [{ atMs: 10_000, type: 'heal' }] },
    ],
    [
      'events[0].atMs: got 1,000, want at least 2,000, when "buyer0" of nodes comes',
      { events: [{ atMs: 1_000, type: 'crash', nodes: 'buyer0' }] },
    ],
    [
      'events[0].groups[1]: got "seller1", want a node that is not in groups[0] already',
      { events: [{ atMs: 2_000, type: 'partition', groups: ['seller', ['buyer', 'seller1']] }] },
    ],
    [
      'events[0].between[0]: got "seller", want a single node: a group with a number behind it, from 0',
      { events: [{ atMs: 2_000, type: 'hold', between: ['seller', 'buyer0'] }] },
    ],
    [
      'events[0].executors: got "buyer0", a client, want executors: "seller"',
      {
        events: [
          {
            atMs: 2_000,
            type: 'pricing',
            executors: 'buyer0',
            pricing: { inboundPrice: '1', outboundPrice: '1' },
          },
        ],
      },
    ],
    [
      'properties[0]: got no bound, want atLeast or atMost, or both',
      { properties: [{ ...property, atLeast: undefined }] },
    ],
    [
      'properties[0].atLeast: got 2, want at most atMost, 1',
      { properties: [{ ...property, atLeast: 2, atMost: 1 }] },
    ],
    [
      'properties[0].withinMs: got 5, want no such field with "finally"',
      { properties: [{ ...property, withinMs: 5 }] },
    ],
    [
      'properties[0].withinMs: got 5, want at least fromMs, 6',
      { properties: [{ ...property, when: 'eventually', withinMs: 5, fromMs: 6 }] },
    ],
    [
      'properties[0].withinMs: got 10,001, want at most durationMs, 10,000',
      { properties: [{ ...property, when: 'eventually', withinMs: 10_001 }] },
    ],
    [
      'properties[0].fromMs: got 1, want no such field with "finally"; of.fromMs says what is measured',
      { properties: [{ ...property, fromMs: 1 }] },
    ],
    [
      'properties[0].of.load: got "rush", want the name of a load: steady',
      { properties: [{ ...property, of: { load: 'rush' } }] },
    ],
    [
      'properties[0].of.percentile: got 90, want no such field with "answeredShare"',
      { properties: [{ ...property, of: { percentile: 90 } }] },
    ],
    [
      'properties[0].of.executors: got nobody, want executors whose share it is: that of all is 1',
      { properties: [{ ...property, measure: 'answersShare' }] },
    ],
    [
      'properties[0].of.executors: got "seller7", want executors: "seller"',
      { properties: [{ ...property, measure: 'answersShare', of: { executors: 'seller7' } }] },
    ],
    [
      'properties[0].of.fromMs: got 1, want no such field with "connectedShare"',
      { properties: [{ ...property, measure: 'connectedShare', of: { fromMs: 1 } }] },
    ],
    [
      'properties[0].measure: got "gossipReach", want gossip to measure',
      { properties: [{ ...property, measure: 'gossipReach' }] },
    ],
    ['properties[0].measure: got "answeredShare", want a load to measure', { load: [] }],
  ])('%s', (problem, fields) => {
    const given = JSON.parse(JSON.stringify(withField(fields))) as unknown;
    expect(problemsOf(given)).toEqual([problem]);
  });
});
