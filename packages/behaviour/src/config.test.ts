import { describe, expect, test } from 'vitest';
import { resolveNetworkConfig } from './config.ts';

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
