import { describe, expect, it } from 'vitest';
import { DiscoveryError } from '../src/errors.ts';
import { FakeMeter } from './descriptors.ts';
import { createService, descriptorFrame, executor, never, peerIds, validator } from './fakes.ts';
import { settled } from './machines.ts';
import { errorOf } from './observing.ts';

const { bob, carol } = peerIds;
const searches = 'discovery_searches_total';

async function metered(given: Parameters<typeof createService>[0] = {}) {
  const meter = new FakeMeter();
  return { ...(await createService({ meter, ...given })), meter };
}

describe('the figures of searches', () => {
  it('tell what came of each, and how long it took', async () => {
    const { clock, meter, network, service } = await metered();
    network.names(bob);
    network.onAsk = async (peerId) => {
      await clock.advance(200);
      return descriptorFrame(peerId, [executor()], { clock });
    };
    await service.discoverExecutors({ limit: 1 });
    network.onAsk = () => Promise.reject(new Error('nobody'));
    network.names();
    await service.discoverValidators();
    network.loseDht();
    await errorOf(service.findModelProviders('other'));
    await service.selectExecutor({ model: 'demo-small' });
    expect(Object.fromEntries(meter.counts)).toMatchObject({
      [`${searches} found`]: 2,
      [`${searches} empty`]: 1,
      [`${searches} failed`]: 1,
    });
    const [first, ...others] = meter.values.get('discovery_search_seconds') ?? [];
    expect(first).toBeGreaterThanOrEqual(0.2);
    expect(others).toHaveLength(3);
    await service.stop();
  });

  it('leave out those that their caller gave up, or that cannot be made', async () => {
    const { meter, network, service } = await metered();
    network.names(bob);
    network.onAsk = (_, signal) => never(signal);
    const controller = new AbortController();
    const search = errorOf(service.discoverExecutors({ signal: controller.signal }));
    await settled();
    controller.abort();
    expect(DiscoveryError.is(await search, 'CANCELLED')).toBe(true);
    await errorOf(service.findModelProviders(''));
    const stopped = errorOf(service.discoverExecutors());
    await service.stop();
    expect(DiscoveryError.is(await stopped, 'STOPPED')).toBe(true);
    expect([...meter.counts.keys()].filter((key) => key.startsWith(searches))).toEqual([]);
    expect(meter.values.size).toBe(0);
  });
});

describe('the figures of what is known', () => {
  it('tell who is believed to offer what', async () => {
    const { clock, meter, network, service } = await metered();
    expect(meter.read('discovery_providers')).toEqual({ executor: 0, validator: 0 });
    network.names(bob, carol);
    network.onAsk = (peerId) =>
      descriptorFrame(peerId, peerId === bob ? [executor(), validator] : [executor()], { clock });
    await service.discoverExecutors();
    expect(meter.read('discovery_providers')).toEqual({ executor: 2, validator: 1 });
    await clock.advance(600_000);
    expect(meter.read('discovery_providers')).toEqual({ executor: 0, validator: 0 });
    await service.stop();
  });

  it('tell whether this node is part of the network', async () => {
    const bootstrapPeers = [`/ip4/127.0.0.1/tcp/4001/p2p/${bob}`];
    const seed = await metered();
    expect(seed.meter.read('discovery_joined')).toBe(1);
    // Others join it, and it has nobody to join.
    seed.network.names(carol);
    const descriptor = { addresses: ['/ip4/127.0.0.1/tcp/4002'] };
    seed.network.onAsk = () => descriptorFrame(carol, [executor()], { clock: seed.clock, descriptor });
    expect(await seed.service.discoverExecutors()).toHaveLength(1);
    expect(seed.meter.read('discovery_joined')).toBe(1);
    await seed.service.stop();
    expect(seed.meter.read('discovery_joined')).toBe(0);
    const { clock, meter, network, service } = await metered({ bootstrapPeers, started: false });
    network.onDial = () => Promise.reject(new Error('connection refused'));
    await service.start();
    service.afterStart();
    await settled();
    expect(meter.read('discovery_joined')).toBe(0);
    network.onDial = () => Promise.resolve();
    await clock.advance(60_000);
    expect(meter.read('discovery_joined')).toBe(1);
    network.connected.clear();
    network.watcher?.onDisconnect(bob);
    expect(meter.read('discovery_joined')).toBe(0);
    await service.stop();
  });
});

describe('a meter that throws', () => {
  it('stops no search', async () => {
    const fail = (): never => {
      throw new Error('no space');
    };
    const meter = { counter: () => fail, histogram: () => fail, gauge: fail };
    const { clock, network, service } = await createService({ meter });
    network.names(bob);
    network.onAsk = (peerId) => descriptorFrame(peerId, [executor()], { clock });
    expect(await service.discoverExecutors()).toHaveLength(1);
    expect(network.errors).toContainEqual(new Error('no space'));
    await service.stop();
  });
});
