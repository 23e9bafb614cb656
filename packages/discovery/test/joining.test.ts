import { AddressError } from '@lloom/core';
import { describe, expect, it } from 'vitest';
import { createService, executor, never, peerIds } from './fakes.ts';
import { settled } from './machines.ts';
import { collect, errorOf } from './observing.ts';

const { alice, bob, carol } = peerIds;
const bootstrapAddress = `/ip4/127.0.0.1/tcp/4001/p2p/${bob}`;

describe('joining', () => {
  it('joins by itself, and tells', async () => {
    const { service, network } = await createService({ started: false, bootstrapPeers: [bootstrapAddress] });
    const joined = collect(service, 'bootstrap:joined');
    await service.start();
    service.afterStart();
    await settled();
    expect(joined).toEqual([{ peerIds: [bob], foundPeers: 3 }]);
    expect(network.remembered).toEqual([bootstrapAddress]);
    await service.stop();
  });

  it('keeps trying until a peer answers, then publishes what waits', async () => {
    const { service, network, clock } = await createService({
      started: false,
      bootstrapPeers: [bootstrapAddress],
    });
    const retrying = collect(service, 'bootstrap:retrying');
    const advertised = collect(service, 'service:advertised');
    network.onDial = () => Promise.reject(new Error('connection refused'));
    network.taken = 0;
    await service.advertiseService(executor());
    await service.start();
    service.afterStart();
    await clock.advance(10_000);
    expect(retrying.length).toBeGreaterThan(2);
    expect(retrying[0]?.error.data.failures).toEqual([
      { address: bootstrapAddress, reason: 'connection refused' },
    ]);
    network.onDial = () => Promise.resolve();
    network.taken = 1;
    await clock.advance(30_000);
    expect(advertised).toHaveLength(1);
    await service.stop();
  });

  it('dials again when the last bootstrap peer is lost, and from time to time', async () => {
    const { service, network, clock } = await createService({ bootstrapPeers: [bootstrapAddress] });
    const joined = collect(service, 'bootstrap:joined');
    network.watcher?.onDisconnect(carol);
    await clock.advance(2_000);
    expect(joined).toHaveLength(0);
    network.connected.clear();
    network.watcher?.onDisconnect(bob);
    await clock.advance(2_000);
    expect(joined).toHaveLength(1);
    await clock.advance(990_000);
    expect(joined).toHaveLength(2);
    expect(network.remembered).toHaveLength(3);
    await service.stop();
  });

  it('rejects with a reason for every address, and goes on by itself', async () => {
    const { service, network, clock } = await createService();
    const other = `/dns4/bootstrap.example.org/tcp/4001/p2p/${carol}`;
    service.addBootstrapPeer(bootstrapAddress);
    service.addBootstrapPeer(other);
    service.addBootstrapPeer(other);
    expect(service.bootstrapPeers()).toEqual([bootstrapAddress, other]);
    expect(network.connected.size).toBe(0);
    network.onDial = (peerId, signal) =>
      peerId === bob ? Promise.reject(new Error('refused')) : never(signal);
    const failed = errorOf(service.bootstrap());
    await clock.advance(10_000);
    expect(await failed).toMatchObject({
      code: 'BOOTSTRAP_FAILED',
      data: {
        failures: [
          { address: bootstrapAddress, reason: 'refused' },
          { address: other, reason: 'no connection within 10000 ms' },
        ],
      },
    });
    expect(service.snapshot().bootstrap.state).toBe('backingOff');
    network.onDial = () => Promise.resolve();
    await service.bootstrap();
    expect(service.snapshot().bootstrap.state).toBe('joined');
    await service.stop();
  });

  it('succeeds when one of several answers', async () => {
    const { service, network } = await createService();
    service.addBootstrapPeer(bootstrapAddress);
    service.addBootstrapPeer(`/ip4/127.0.0.1/tcp/4002/p2p/${carol}`);
    network.onDial = (peerId) => (peerId === bob ? Promise.reject(new Error('refused')) : Promise.resolve());
    await service.bootstrap();
    await service.stop();
  });

  it('shares a round that is under way, and begins another for a new peer', async () => {
    const { service, network } = await createService();
    let dials = 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    network.onDial = () => {
      dials++;
      return promise;
    };
    service.addBootstrapPeer(bootstrapAddress);
    const both = [service.bootstrap(), service.bootstrap()];
    await settled();
    expect(dials).toBe(1);
    service.addBootstrapPeer(`/ip4/127.0.0.1/tcp/4002/p2p/${carol}`);
    both.push(service.bootstrap());
    await settled();
    expect(dials).toBe(3);
    resolve();
    await Promise.all(both);
    await service.stop();
  });

  it('has joined without a DHT, but cannot look itself up', async () => {
    const { service, network, clock } = await createService();
    network.loseDht();
    service.addBootstrapPeer(bootstrapAddress);
    await service.bootstrap();
    expect(await errorOf(service.kadBootstrap())).toMatchObject({ code: 'NO_DHT' });
    network.onFindSelf = () => Promise.reject(new Error('broken'));
    expect(await errorOf(service.kadBootstrap())).toMatchObject({ code: 'QUERY_FAILED' });
    network.onFindSelf = (signal) => never(signal);
    const slow = errorOf(service.kadBootstrap());
    await clock.advance(60_000);
    expect(await slow).toMatchObject({ code: 'QUERY_TIMEOUT' });
    const controller = new AbortController();
    const cancelled = errorOf(service.kadBootstrap({ signal: controller.signal }));
    controller.abort();
    expect(await cancelled).toMatchObject({ code: 'CANCELLED' });
    const stopped = errorOf(service.kadBootstrap());
    await service.stop();
    expect(await stopped).toMatchObject({ code: 'STOPPED' });
    expect(await errorOf(service.kadBootstrap())).toMatchObject({ code: 'STOPPED' });
  });

  it('needs a peer other than this node', async () => {
    const { service } = await createService();
    expect(await errorOf(service.bootstrap())).toMatchObject({
      code: 'NO_BOOTSTRAP_PEERS',
      data: { known: 0 },
    });
    service.addBootstrapPeer(`/ip4/127.0.0.1/tcp/4001/p2p/${alice}`);
    expect(await errorOf(service.bootstrap())).toMatchObject({
      code: 'NO_BOOTSTRAP_PEERS',
      data: { known: 1 },
    });
    await service.stop();
    expect(await errorOf(service.bootstrap())).toMatchObject({ code: 'STOPPED' });
  });

  it('lets a caller stop waiting', async () => {
    const { service, network } = await createService();
    network.onDial = (_, signal) => never(signal);
    service.addBootstrapPeer(bootstrapAddress);
    expect(await errorOf(service.bootstrap({ signal: AbortSignal.abort() }))).toMatchObject({
      code: 'CANCELLED',
    });
    expect(service.snapshot().bootstrap.state).toBe('idle');
    const controller = new AbortController();
    const waiting = errorOf(service.bootstrap({ signal: controller.signal }));
    controller.abort();
    expect(await waiting).toMatchObject({ code: 'CANCELLED' });
    expect(service.snapshot().bootstrap.state).toBe('dialing');
    const stopped = errorOf(service.bootstrap());
    await service.stop();
    expect(await stopped).toMatchObject({ code: 'STOPPED' });
  });

  const unusable = [
    ['/ip4/bootstrap1.lloom.network/tcp/4001/p2p/12D3KooWH3uVF6wv47WnArKHk5ZDVmGb6CVbEDqVyemfPnCaQnQM'],
    ['/ip4/bootstrap2.lloom.network/tcp/4001/p2p/12D3KooWLRPJgqrZxc7CZ7ojbVXKmQ3pYAe2dCTmJbHN6F5RdVkE'],
  ];
  it.each(unusable)('explains what is wrong with %s', async (address) => {
    const { service } = await createService({ started: false });
    const act = (): void => service.addBootstrapPeer(address);
    expect(act).toThrow(AddressError);
    expect(act).toThrow(expect.objectContaining({ code: 'INVALID_MULTIADDR' }) as Error);
    expect(act).toThrow('/dns4/bootstrap');
    await expect(createService({ bootstrapPeers: [address] })).rejects.toThrow('/dns4/bootstrap');
  });

  it('wants a peer id at the end of an address', async () => {
    const { service } = await createService({ started: false });
    expect(() => service.addBootstrapPeer('/ip4/127.0.0.1/tcp/4001')).toThrow(
      expect.objectContaining({ code: 'MISSING_PEER_ID' }) as Error,
    );
  });
});
