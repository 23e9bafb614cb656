import { ConfigError } from '@lloom/core';
import { describe, expect, it } from 'vitest';

import {
  relayServerDefaults,
  resolveAutonatConfig,
  resolveCallConfig,
  resolveNatConfig,
  resolveRelayClientConfig,
  resolveRelayServerConfig,
} from './config.ts';

const problemsOf = (resolve: () => unknown): unknown => {
  try {
    return resolve();
  } catch (error) {
    return ConfigError.is(error) ? error.data.problems : error;
  }
};

/** An object of which this field throws when it is read. */
const broken = (field: string): object =>
  Object.defineProperty({}, field, {
    enumerable: true,
    get: () => {
      throw new Error('it is broken');
    },
  });

describe('a configuration', () => {
  it.each([
    ['autonat', resolveAutonatConfig],
    ['relayClient', resolveRelayClientConfig],
    ['relayServer', resolveRelayServerConfig],
    ['nat', resolveNatConfig],
  ] as const)('of %s that throws when it is read is told as such', (path, resolve) => {
    const wanted = 'an object that can be read';
    expect(problemsOf(() => resolve(broken('any')))).toEqual([{ path, got: 'it is broken', wanted }]);
  });

  it('relays when it says how, and never without relays', () => {
    expect(resolveNatConfig().relayServer).toBe(false);
    expect(resolveNatConfig({ relayServer: {} }).relayServer).toEqual(relayServerDefaults);
    const few = resolveNatConfig({ relayServer: { maxReservations: 1 } }).relayServer;
    expect(few).toEqual({ ...relayServerDefaults, maxReservations: 1 });
    for (const [given, problem] of [
      [
        { enableRelay: false, relayServer: {} },
        { path: 'nat.relayServer', got: 'relaying', wanted: 'false, as enableRelay is' },
      ],
      [{ relayServer: true }, { path: 'relayServer', got: 'true', wanted: 'an object' }],
      [
        { relayServer: { maxReservations: 0 } },
        { path: 'relayServer.maxReservations', got: '0', wanted: 'a whole number from 1 to 10000' },
      ],
    ] as const)
      expect(problemsOf(() => resolveNatConfig(given as object))).toEqual([problem]);
  });

  it('of a call takes a signal and nothing else', () => {
    const { signal } = new AbortController();
    expect(resolveCallConfig('act', { signal }).signal).toBe(signal);
    expect(resolveCallConfig('act')).toEqual({});
    for (const [given, problem] of [
      [null, { path: 'nat.act', got: 'null', wanted: 'an object' }],
      [{ signal: 'x' }, { path: 'nat.act.signal', got: '"x"', wanted: 'an AbortSignal' }],
      [{ late: 1 }, { path: 'nat.act.late', got: 'an unknown field', wanted: 'one of signal' }],
    ] as const)
      expect(problemsOf(() => resolveCallConfig('act', given as object))).toEqual([problem]);
  });
});
