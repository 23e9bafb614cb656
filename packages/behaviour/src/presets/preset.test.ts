import { describe, expect, test } from 'vitest';
import { ConfigError, systemClock } from '@lloom/core';
import { LloomBehaviour, Identity, type NetworkConfig } from '../index.ts';
import { client, executor, relay, validator, type Preset } from './index.ts';

const presets = { client, executor, relay, validator };

describe('what is given wins over what the preset wants, field by field', () => {
  test.each<[string, NetworkConfig, NetworkConfig]>([
    [
      'a field',
      client({ listenAddresses: ['/ip4/127.0.0.1/tcp/0'] }),
      { listenAddresses: ['/ip4/127.0.0.1/tcp/0'] },
    ],
    ['another one beside it', client({ chainId: 5 }), { listenAddresses: [], chainId: 5 }],
    [
      'a field of a package',
      relay({ packages: { nat: { enableHolePunching: false } } }),
      { packages: { nat: { enableHolePunching: false, relayServer: {} } } },
    ],
    [
      'one below it',
      relay({ packages: { nat: { relayServer: { maxReservations: 1 } } } }),
      { packages: { nat: { relayServer: { maxReservations: 1 } } } },
    ],
    [
      'a refusal',
      relay({ packages: { nat: { relayServer: false } } }),
      { packages: { nat: { relayServer: false } } },
    ],
    [
      'another package',
      validator({ packages: { rpc: { capacity: 1 } } }),
      { packages: { gossip: { profile: 'bootstrapper' }, rpc: { capacity: 1 } } },
    ],
  ])('%s', (_, config, wanted) => expect(config).toMatchObject(wanted));

  test('what is undefined is not given', () => {
    const given: object = { datastorePath: undefined, listenAddresses: undefined };
    const config = client(given);
    expect(config.listenAddresses).toEqual([]);
  });

  test('ports are handed on as they are', () => {
    expect(executor({ clock: systemClock }).clock).toBe(systemClock);
  });

  test('a node of two roles has both presets, in any order', () => {
    expect(relay(validator({ chainId: 5 }))).toEqual(validator(relay({ chainId: 5 })));
  });
});

test('an executor takes in all that may run or wait, and half of its queue may be of one peer', () => {
  const rpcOf = (rpc?: object) => executor(rpc && { packages: { rpc } }).packages?.rpc;
  expect(rpcOf()).toEqual({
    capacity: 4,
    maxQueuedRequests: 8,
    maxQueuedRequestsPerPeer: 4,
    maxInboundRequests: 128,
  });
  expect(rpcOf({ capacity: 100, maxQueuedRequests: 75, maxQueuedRequestsPerPeer: 5 })).toEqual({
    ...{ capacity: 100, maxQueuedRequests: 75, maxQueuedRequestsPerPeer: 5 },
    maxInboundRequests: 175,
  });
});

test.each(Object.entries(presets))(
  'what cannot be right stays wrong, and is told by the node: %s',
  async (_, preset) => {
    const refused = async (config: unknown) =>
      LloomBehaviour.create(
        Identity.generate(),
        (preset as (config: unknown) => ReturnType<Preset>)(config),
      ).catch((error: unknown) => error);
    for (const config of [
      { packages: 5 },
      { listenAddresses: 'all' },
      { packages: { rpc: { capacity: 'many' } } },
      { unknown: 1 },
      { enableRelay: false, packages: { nat: { relayServer: {} } } },
    ])
      expect(await refused(config)).toBeInstanceOf(ConfigError);
  },
);
