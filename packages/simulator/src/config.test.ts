import { describe, expect, test } from 'vitest';
import { ConfigError } from '@lloom/core';
import {
  resolveChurn,
  resolveGossipLoad,
  resolveLoad,
  resolveOptions,
  resolvePricing,
  resolveSimulation,
} from './config.ts';
import { knownRegions, regionsInTurn } from './regions.ts';

/** The fields that are told to be wrong. */
function problemsOf(resolve: () => unknown): readonly string[] {
  try {
    resolve();
  } catch (error) {
    if (ConfigError.is(error)) return error.data.problems.map(({ path }) => path);
  }
  return [];
}

describe('a simulation', () => {
  test('has defaults, and its seed from the environment when none is given', () => {
    expect(resolveSimulation({ numNodes: 5 }, '77')).toEqual({
      numNodes: 5,
      fields: {},
      seed: 77,
      fidelity: 'fast',
      topology: 'bootstrap',
      node: {},
      sampleIntervalMs: 1_000,
      keptTraceLines: 1_000,
    });
    expect(resolveSimulation({ numNodes: 5, seed: 3 }, '77').seed).toBe(3);
    expect(resolveSimulation({ numNodes: 5 }).seed).toBe(1);
    expect(problemsOf(() => resolveSimulation({ numNodes: 5 }, 'seven'))).toEqual(['simulation.seed']);
    const { link, fields } = resolveSimulation({
      numNodes: 5,
      link: 'global',
      networkDelayMs: 9,
      packetLoss: 0,
    });
    expect([link, fields]).toEqual(['global', { delayMs: 9, lossRatio: 0 }]);
  });

  test('that cannot be is told with every problem', () => {
    const wrong = {
      numNodes: 10_001,
      networkDelayMs: -1,
      packetLoss: 1,
      link: { delayMs: -5, nonsense: 1 },
      topology: [['a']],
      fidelity: 'slow',
      sampleIntervalMs: 1,
      inspect: 'me',
    };
    expect(problemsOf(() => resolveSimulation(wrong as never))).toEqual([
      'simulation.numNodes',
      'simulation.networkDelayMs',
      'simulation.packetLoss',
      'simulation.topology',
      'simulation.fidelity',
      'simulation.sampleIntervalMs',
      'simulation.inspect',
      'simulation.link.delayMs',
      'simulation.link.nonsense',
    ]);
    expect(problemsOf(() => resolveSimulation({ numNodes: 2, inspect: {} as never }))).toEqual([
      'simulation.inspect',
    ]);
    for (const nothing of [undefined, null, {}, 7, []]) {
      expect(problemsOf(() => resolveSimulation(nothing as never))).toContain('simulation.numNodes');
    }
  });
});

describe('own links between regions', () => {
  const regions = { europe: { 'us-east': 45 }, moon: { moon: 1, europe: { delayMs: 1_300 } } };

  test('make the links those of the world, and are a copy', () => {
    const given = structuredClone(regions);
    const { link, regions: resolved } = resolveSimulation({ numNodes: 2, regions: given });
    given.europe['us-east'] = -1;
    expect([link, resolved]).toEqual(['global', regions]);
    expect(resolveSimulation({ numNodes: 2, link: 'global', regions }).link).toBe('global');
  });

  test.each<[string, object]>([
    ['simulation.regions', { regions, link: 'lan' }],
    ['simulation.regions', { regions, link: { delayMs: 5 } }],
    ['simulation.regions', { regions: 5 }],
    ['simulation.regions', { regions: { 'two words': { europe: 5 } } }],
    ['simulation.regions.europe.moon: link.delayMs', { regions: { europe: { moon: { delayMs: -1 } } } }],
    [
      'simulation.regions',
      { regions: { a: Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`b${i}`, 1])) } },
    ],
  ])('that cannot be are told at %s: %j', (path, config) => {
    expect(problemsOf(() => resolveSimulation({ numNodes: 2, ...config }))).toEqual([path]);
  });

  test('say where nodes may live', () => {
    expect(resolveOptions('client', { region: 'moon' }, knownRegions(regions)).region).toBe('moon');
    const wrong = { region: 'mars' };
    expect(() => resolveOptions('client', wrong, knownRegions(regions))).toThrow(/region.*us-east.*moon/s);
    expect(regionsInTurn({ a: { a: 1, b: 2 } })).toEqual(['a', 'b']);
    expect(regionsInTurn(regions)).toEqual(regionsInTurn());
  });
});

describe('nodes', () => {
  test('have what their role knows, and nothing else', () => {
    expect(resolveOptions('executor', { capacity: 2 })).toMatchObject({
      group: 'e',
      capacity: 2,
      thinkMs: 200,
    });
    expect(resolveOptions('validator').stake).toBe('1');
    expect(problemsOf(() => resolveOptions('client', { capacity: 2 }))).toEqual(['client.capacity']);
    const wrong = {
      group: '0',
      capacity: 0,
      pricing: { inboundPrice: '-1' },
      bandwidth: { up: 1 },
      region: 'moon',
    };
    expect(problemsOf(() => resolveOptions('executor', wrong as never))).toEqual(
      Object.keys(wrong).map((name) => `executor.${name}`),
    );
    const bandwidth = { uploadBytesPerSecond: 1_000 };
    expect(resolveOptions('relay', { bandwidth }).bandwidth).toEqual(bandwidth);
  });
});

test.each([
  ['load', () => resolveLoad({ requestsPerSecond: 0, maxPrice: 'much', timeoutMs: 0 } as never), 3],
  ['gossipLoad', () => resolveGossipLoad({ intervalMs: 0, from: [''] }), 2],
  ['churn', () => resolveChurn({ meanUpMs: 0, isSilent: 'yes' } as never), 2],
  ['setPricing', () => resolvePricing({ inboundPrice: '1' } as never), 1],
  ['setPricing', () => resolvePricing(undefined as never), 1],
] as const)('%s that cannot be is told with every problem', (...[scope, resolve, count]) => {
  const problems = problemsOf(resolve);
  expect(problems).toHaveLength(count);
  for (const path of problems) expect(path.startsWith(`${scope}.`)).toBe(true);
});
