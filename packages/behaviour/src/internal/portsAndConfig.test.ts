import { ConfigError } from '@lloom/core';
import { MemoryDatastore } from 'datastore-core';
import { describe, expect, test } from 'vitest';
import { resolveNetworkConfig, type NetworkConfig, type NodePorts } from '../config.ts';
import { portsAndConfig } from './portsAndConfig.ts';

const split = (given: object) =>
  portsAndConfig(given as NetworkConfig & NodePorts, (network) => resolveNetworkConfig(network));

/** What is said of each wrong field. */
function problemsOf(given: object): string[] {
  try {
    split(given);
  } catch (error) {
    if (ConfigError.is(error)) return error.data.problems.map(({ path }) => path);
    throw error;
  }
  return [];
}

describe('the ports of a node', () => {
  test.each<[keyof NodePorts, readonly unknown[]]>([
    ['registry', [{}, 5, null, 'prom-client', { metrics: () => '' }]],
    ['tracer', [5, {}, null, { startSpan: 5 }]],
    ['log', [5, {}, null]],
    ['clock', [5, {}, { now: () => 0 }]],
    ['random', [{}, Math.random]],
    ['inspect', [5, {}]],
    ['datastore', [{}, '/data']],
    ['localDiscovery', [5, {}]],
    ['stack', [{}, { transports: [] }]],
    ['services', [5, null, { identify: 5 }, { kad: () => undefined }]],
  ])('%s: what is none is refused', (name, values) => {
    expect(values.map((value) => problemsOf({ [name]: value }))).toEqual(
      values.map(() => [`network.${name}`]),
    );
  });

  test('what is got and what is wanted is told, and the problems of the configuration beside it', () => {
    expect(() => split({ log: 5, tracer: {}, chainId: 'one' })).toThrow(
      /"network.tracer" is .*, want a tracer such as openTelemetry.* startSpan.*"network.log" is 5, want a function.*"network.chainId" is "one"/,
    );
  });

  test('stay what they are when they are right, and are not given when they are undefined', () => {
    const given = { datastore: new MemoryDatastore(), log: () => {}, tracer: undefined, clock: { ...clock } };
    const { ports, config } = split({ ...given, chainId: 5 });
    expect(ports.datastore).toBe(given.datastore);
    expect(ports.clock).toBe(given.clock);
    expect(Object.keys(ports)).toEqual(['clock', 'datastore', 'log']);
    expect(config.chainId).toBe(5);
  });
});

const clock = { now: Date.now, elapsed: Date.now, setTimeout, clearTimeout };
