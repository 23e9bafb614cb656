import { describe, expect, test } from 'vitest';
import { packageConfigs, resolveNetworkConfig, type NetworkConfig } from './config.ts';

describe('enableMdns', () => {
  test('holds as the specification wants it, but not on this machine alone', () => {
    expect(resolveNetworkConfig({}).enableMdns).toBe(true);
    expect(resolveNetworkConfig({ addressPolicy: 'lan' }).enableMdns).toBe(true);
    expect(resolveNetworkConfig({ addressPolicy: 'loopback' }).enableMdns).toBe(false);
    expect(resolveNetworkConfig({ enableMdns: false }).enableMdns).toBe(false);
  });

  test('is admitted under loopback only where it reaches nobody else', () => {
    const config = { addressPolicy: 'loopback', enableMdns: true } as const;
    expect(resolveNetworkConfig(config, () => true).enableMdns).toBe(true);
    expect(() => resolveNetworkConfig(config, () => false)).toThrow(
      /"network.enableMdns" is true, want false/,
    );
  });

  test('is true or false', () => {
    for (const addressPolicy of ['public', 'loopback'] as const) {
      const config = { addressPolicy, enableMdns: 'yes' as unknown as boolean };
      expect(() => resolveNetworkConfig(config)).toThrow(/want true or false/);
    }
  });
});

describe('enableAutonat, enableRelay', () => {
  const natOf = (config: NetworkConfig) => packageConfigs(resolveNetworkConfig(config)).nat;

  test('hold as the specification wants it', () => {
    expect(resolveNetworkConfig({})).toMatchObject({ enableAutonat: true, enableRelay: true });
    expect(natOf({ enableAutonat: false, enableRelay: false })).toEqual({
      enableAutonat: false,
      enableRelay: false,
    });
  });

  test('give way to what is said of the package, which says the rest', () => {
    const nat = { enableRelay: false, autonat: { onlyGlobalIps: false } };
    expect(natOf({ packages: { nat } })).toEqual({ enableAutonat: true, ...nat });
  });

  test('are true or false', () => {
    const config = { enableAutonat: 1, enableRelay: 'no' } as unknown as NetworkConfig;
    expect(() => resolveNetworkConfig(config)).toThrow(/enableAutonat.*\n?.*enableRelay/s);
  });
});

describe('enableMetrics, logLevel', () => {
  test('a node counts, and logs nothing, unless it is told otherwise', () => {
    expect(resolveNetworkConfig({})).toMatchObject({ enableMetrics: true, logLevel: 'off' });
    expect(() => resolveNetworkConfig({ logLevel: 'loud' as 'off' })).toThrow(/network.logLevel/);
  });

  test('a node logs a thousand records a second, unless it is told otherwise', () => {
    expect(resolveNetworkConfig({}).maxLogRecordsPerSecond).toBe(1_000);
    for (const maxLogRecordsPerSecond of [0, 100_001])
      expect(() => resolveNetworkConfig({ maxLogRecordsPerSecond })).toThrow(
        /network.maxLogRecordsPerSecond/,
      );
  });

  test('what is counted stands in packages.metrics', () => {
    const packages = { metrics: { includeProcess: true } };
    expect(packageConfigs(resolveNetworkConfig({ packages })).metrics).toEqual(packages.metrics);
  });
});
