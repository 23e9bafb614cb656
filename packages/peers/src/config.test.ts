import { ConfigError } from '@lloom/core';
import { describe, expect, it } from 'vitest';

import { peersDefaults, resolveLimits, resolvePeersConfig } from './config.ts';

describe('resolvePeersConfig()', () => {
  it('takes the documented defaults', () => {
    expect(resolvePeersConfig()).toEqual({
      addressPolicy: 'public',
      maxConnections: 200,
      maxConnectionsPerPeer: 3,
      maxPendingConnections: 30,
      dialTimeoutMs: 10_000,
      disconnectCooldownMs: 10_000,
      maxKnownPeers: 1_000,
    });
    expect(Object.isFrozen(resolvePeersConfig({ maxConnections: 1 }))).toBe(true);
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
  const { maxConnections, maxConnectionsPerPeer, maxPendingConnections } = peersDefaults;
  const current = { maxConnections, maxConnectionsPerPeer, maxPendingConnections };

  it('changes what is given only', () => {
    expect(resolveLimits(current, { maxConnections: 5 })).toEqual({ ...current, maxConnections: 5 });
  });

  it('names the wrong limit', () => {
    expect(() => resolveLimits(current, { maxConnectionsPerPeer: 0 })).toThrow(
      /peers\.limits\.maxConnectionsPerPeer/,
    );
  });
});
