import { ConfigError, systemClock, systemRandom } from '@lloom/core';
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../test/fakes.ts';
import { discoveryDefaults, resolveDiscoveryConfig } from './config.ts';

describe('resolveDiscoveryConfig', () => {
  it('has the defaults of the specification', () => {
    expect(resolveDiscoveryConfig().config).toEqual(discoveryDefaults);
    expect(discoveryDefaults).toMatchObject({
      kadProtocol: '/lloom/kad/1.0.0',
      queryTimeoutMs: 60_000,
      discoveryIntervalMs: 300_000,
      descriptorTtlMs: 90_000,
    });
  });

  it('tells ports from configuration', () => {
    const clock = new FakeClock();
    const { config, ports } = resolveDiscoveryConfig({ clock, queryTimeoutMs: 5 });
    expect(config).not.toHaveProperty('clock');
    expect(config.queryTimeoutMs).toBe(5);
    expect(ports).toMatchObject({ clock, random: systemRandom, signer: undefined });
    expect(resolveDiscoveryConfig().ports.clock).toBe(systemClock);
  });

  it('lists every problem at once', () => {
    const config = {
      queryTimeoutMs: 0,
      descriptorTtlMs: 600_001,
      concurrency: 65,
      bootstrapPeers: ['x'],
      typo: 1,
    };
    let problems: readonly { readonly path: string }[] = [];
    try {
      resolveDiscoveryConfig(config as object);
    } catch (error) {
      if (ConfigError.is(error)) ({ problems } = error.data);
    }
    expect(problems.map(({ path }) => path)).toEqual([
      'discovery.queryTimeoutMs',
      'discovery.descriptorTtlMs',
      'discovery.concurrency',
      'discovery.bootstrapPeers',
      'discovery.typo',
    ]);
  });
});
