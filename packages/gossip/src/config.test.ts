import { ConfigError, systemClock, systemRandom } from '@lloom/core';
import { describe, expect, it } from 'vitest';
import { FakeClock, thrownBy } from '../test/fakes.ts';
import { checkMeshSize, gossipDefaults, resolveGossipConfig } from './config.ts';

describe('resolveGossipConfig', () => {
  it('has the defaults that are written beside each field', () => {
    const { config } = resolveGossipConfig();
    expect(config).toEqual({ ...gossipDefaults, meshSize: { target: 6, high: 12 } });
    expect(config).toMatchObject({
      heartbeatIntervalMs: 1_000,
      validationMode: 'strict',
      maxMessageBytes: 65_536,
    });
  });

  it('gives a bootstrapper a wide mesh, unless another one is wanted', () => {
    expect(resolveGossipConfig({ profile: 'bootstrapper' }).config.meshSize).toEqual({
      target: 64,
      high: 128,
    });
    const meshSize = { target: 3, high: 5 };
    expect(resolveGossipConfig({ profile: 'bootstrapper', meshSize }).config.meshSize).toEqual(meshSize);
  });

  it('tells ports from configuration', () => {
    const clock = new FakeClock();
    const { config, ports } = resolveGossipConfig({ clock, publishTimeoutMs: 5 });
    expect(config).not.toHaveProperty('clock');
    expect(config.publishTimeoutMs).toBe(5);
    expect(ports).toMatchObject({ clock, random: systemRandom, keys: undefined });
    expect(resolveGossipConfig().ports.clock).toBe(systemClock);
  });

  it('lists every problem at once', () => {
    const config = {
      heartbeatIntervalMs: 99,
      validationMode: 'lax',
      profile: 'hub',
      meshSize: { target: 7, high: 6 },
      maxMessageBytes: 1_023,
      maxMessagesPerSecond: 0,
      maxMessageBurst: 0,
      maxMessageAgeMs: 60_001,
      publishTimeoutMs: -1,
      maxPendingPublishes: -1,
      validationTimeoutMs: 0,
      maxPendingValidations: 0,
      degradedAfterMs: 0,
      typo: 1,
    };
    const error = thrownBy(() => resolveGossipConfig(config as object));
    expect(ConfigError.is(error) && error.data.problems.map(({ path }) => path)).toEqual(
      Object.keys(config).map((name) => `gossip.${name}`),
    );
  });

  it.each([null, 'strict', 7, []])('refuses %j as a whole', (config) => {
    expect(thrownBy(() => resolveGossipConfig(config as never))).toMatchObject({ code: 'INVALID_CONFIG' });
  });
});

describe('checkMeshSize', () => {
  it('takes what gossipsub can do', () => {
    for (const [target, high] of [
      [1, 1],
      [6, 12],
      [256, 256],
    ] as const)
      expect(checkMeshSize({ target, high })).toEqual({ target, high });
  });

  const wrong: [unknown, unknown][] = [
    [0, 1],
    [7, 6],
    [1, 257],
    [1.5, 3],
    ['6', 12],
    [null, undefined],
    [1n, 2n],
    [Symbol('x'), 1],
  ];
  it.each(wrong)('refuses %s and %s, and says what it got', (target, high) => {
    const error = thrownBy(() => checkMeshSize({ target, high } as never));
    expect(error).toMatchObject({ code: 'INVALID_CONFIG', data: { problems: [{ path: 'meshSize' }] } });
  });

  it('refuses what throws when it is read', () => {
    const meshSize = {
      get target(): number {
        throw new Error('hostile');
      },
      high: 12,
    };
    expect(thrownBy(() => resolveGossipConfig({ meshSize }))).toMatchObject({ code: 'INVALID_CONFIG' });
  });
});
