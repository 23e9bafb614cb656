import type { LocalDiscovery } from '@lloom/discovery';
import { createStack } from '@lloom/transport';
import { describe, expect, test } from 'vitest';
import { hasOnlyLoopback, localDiscoveryOf } from './mdns.ts';

const address = (internal: boolean) => ({
  address: '127.0.0.1',
  netmask: '255.0.0.0',
  mac: '00:00:00:00:00:00',
  family: 'IPv4' as const,
  cidr: null,
  internal,
});

describe('what sights local peers', () => {
  const given = (() => undefined) as unknown as LocalDiscovery;
  const stack = createStack();

  test('is what was given, in place of mDNS', async () => {
    expect(await localDiscoveryOf({ enableMdns: true }, { localDiscovery: given })).toBe(given);
    expect(await localDiscoveryOf({ enableMdns: true }, { localDiscovery: given, stack })).toBe(given);
    expect(await localDiscoveryOf({ enableMdns: true }, {})).toBeTypeOf('function');
  });

  test('is nothing when it is disabled, and beside a stack that was given', async () => {
    expect(await localDiscoveryOf({ enableMdns: false }, { localDiscovery: given })).toBeUndefined();
    expect(await localDiscoveryOf({ enableMdns: true }, { stack })).toBeUndefined();
  });
});

test('a machine has only loopback when no interface leads anywhere else', () => {
  expect(hasOnlyLoopback({ lo: [address(true)] })).toBe(true);
  expect(hasOnlyLoopback({})).toBe(true);
  expect(hasOnlyLoopback({ lo: [address(true)], eth0: [address(false)] })).toBe(false);
});
