import { ConfigError } from '@lloom/core';
import { describe, expect, it } from 'vitest';

import { limitsInEffect, resolveLimits, resolvePeersConfig, resolvePool, wantedLimits } from './config.ts';

describe('resolvePeersConfig()', () => {
  it('takes the documented defaults', () => {
    expect(resolvePeersConfig()).toEqual({
      addressPolicy: 'public',
      maxConnections: 200,
      maxInboundConnections: 200,
      maxOutboundConnections: 200,
      maxConnectionsPerPeer: 3,
      maxConnectionsPerIp: 64,
      maxPendingConnections: 30,
      dialTimeoutMs: 10_000,
      disconnectCooldownMs: 10_000,
      maxKnownPeers: 1_000,
      maxBans: 10_000,
      maxMaintainedPeers: 128,
      redialMinDelayMs: 5_000,
      redialMaxDelayMs: 300_000,
      pingIntervalMs: 15_000,
      pingTimeoutMs: 10_000,
      maxMissedPings: 3,
      reputationHalfLifeMs: 600_000,
      disconnectBelow: -20,
      banBelow: -50,
      reputationBanMs: 1_800_000,
      backgroundProtocols: [
        '/ipfs/',
        '/libp2p/autonat/',
        '/libp2p/dcutr',
        '/meshsub/',
        '/floodsub/',
        '/lloom/kad/',
        '/lloom/rpc/',
      ],
    });
    expect(Object.isFrozen(resolvePeersConfig({ maxConnections: 1 }))).toBe(true);
  });

  it('gives each direction as much as there is in all, unless it is told otherwise', () => {
    expect(resolvePeersConfig({ maxConnections: 50, maxInboundConnections: 40 })).toMatchObject({
      maxInboundConnections: 40,
      maxOutboundConnections: 50,
    });
  });

  it('lists every problem', () => {
    const wrong = { addressPolicy: 'none', maxConnections: 0, dialTimeoutMs: 1.5, maxPeers: 1 };
    const resolve = (): unknown => resolvePeersConfig(wrong as object);
    expect(resolve).toThrow(ConfigError);
    expect(resolve).toThrow(
      /peers\.addressPolicy.*peers\.maxConnections.*peers\.dialTimeoutMs.*peers\.maxPeers/,
    );
  });
});

describe('resolveLimits()', () => {
  const current = wantedLimits({ maxInboundConnections: 200 });

  it('changes what is given only', () => {
    expect(resolveLimits(current, { maxConnectionsPerIp: 5 })).toEqual({
      ...current,
      maxConnectionsPerIp: 5,
    });
  });

  it('lets a direction follow the total unless it was given a share, which is kept', () => {
    const shares: unknown[] = [];
    let wanted = current;
    for (const change of [
      { maxConnections: 3 },
      { maxConnections: 300 },
      { maxOutboundConnections: 300 },
      { maxConnections: 500 },
    ]) {
      wanted = resolveLimits(wanted, change);
      const { maxConnections, maxInboundConnections, maxOutboundConnections } = limitsInEffect(wanted);
      shares.push([maxConnections, maxInboundConnections, maxOutboundConnections]);
    }
    expect(shares).toEqual([
      [3, 3, 3],
      [300, 200, 300],
      [300, 200, 300],
      [500, 200, 300],
    ]);
  });

  it('names the wrong limit', () => {
    expect(() => resolveLimits(current, { maxConnectionsPerPeer: 0 })).toThrow(
      /peers\.limits\.maxConnectionsPerPeer/,
    );
  });
});

describe('resolvePool()', () => {
  it('takes the documented defaults', () => {
    expect(resolvePool({})).toEqual({
      minConnections: 10,
      maxConnections: 100,
      idleTimeoutMs: 300_000,
      connectionTtlMs: 3_600_000,
      roles: {},
    });
  });

  it.each([
    ['minConnections', { minConnections: 200 }],
    ['idleTimeoutMs', { idleTimeoutMs: 0 }],
    ['roles', { roles: { executor: -1 } }],
    ['roles', { roles: { miner: 1 } }],
    ['roles', { roles: null }],
  ])('names %s when it cannot be', (name, pool) => {
    expect(() => resolvePool(pool as object)).toThrow(new RegExp(`peers\\.pool\\.${name}`));
  });
});
