import { test as it } from '@lloom/inspector/vitest';
import { describe, expect } from 'vitest';
import {
  advertisementMachine,
  announcementMachine,
  bootstrapMachine,
  refreshMachine,
} from '../src/machines/index.ts';
import { createService, executor, never, peerIds, validator } from './fakes.ts';
import { settled } from './machines.ts';
import { collect, errorOf } from './observing.ts';

const { bob, carol } = peerIds;
const bootstrapAddress = `/ip4/127.0.0.1/tcp/4001/p2p/${bob}`;

describe('starting and stopping', () => {
  it('tells peers of the DHT as they become known', async () => {
    const { service, network } = await createService();
    const updated = collect(service, 'routing:updated');
    network.watcher?.onPeer({ peerId: bob, addresses: ['/ip4/127.0.0.1/tcp/1'] });
    expect(updated).toEqual([{ peerId: bob, addresses: ['/ip4/127.0.0.1/tcp/1'] }]);
    await service.stop();
  });

  it('can be called twice, each', async () => {
    const { service, network } = await createService({ started: false });
    await service.stop();
    await Promise.all([service.start(), service.start()]);
    service.afterStart();
    service.afterStart();
    expect(network.serving).toBeDefined();
    await service.stop();
    await service.stop();
    expect([network.serving, network.watcher]).toEqual([undefined, undefined]);
    service.afterStart();
    expect(service.snapshot().running).toBe(false);
  });

  it('leaves another service alone that answers already', async () => {
    const { service, network } = await createService({ started: false });
    const other = async () => new Uint8Array();
    network.handlers.set('descriptor', other);
    await expect(service.start()).rejects.toThrow('somebody serves already');
    await service.stop();
    expect(network.handlers).toEqual(new Map([['descriptor', other]]));
  });

  it('leaves no timer and no wait behind, whatever is under way', async () => {
    const { service, network, clock } = await createService({ bootstrapPeers: [bootstrapAddress] });
    network.onFind = async function* (_, signal) {
      yield { peerId: carol, addresses: [] };
      await never(signal);
    };
    network.onAsk = (_, signal) => never(signal);
    network.onFindSelf = (signal) => never(signal);
    network.onProvide = (_, signal) => never(signal);
    network.onRetire = () => new Promise(() => {});
    await service.advertiseService(executor());
    await service.advertiseService(validator);
    await settled();
    const acts = [
      service.withdrawService('executor').catch(() => 'withdrawn'),
      errorOf(service.discoverExecutors()),
      errorOf(service.validators().next()),
      errorOf(service.describeService(carol)),
      errorOf(service.bootstrap()),
      errorOf(service.kadBootstrap()),
      errorOf(service.refreshServices()),
      service.events()[Symbol.asyncIterator]().next(),
    ];
    await settled();
    expect(clock.pending).toBeGreaterThan(5);
    await service.stop();
    await Promise.all(acts);
    await settled();
    expect(clock.pending).toBe(0);
    expect(service.snapshot().bootstrap.state).toBe('stopped');
  });

  it('shows its machines to an inspector, and itself as plain JSON', async ({ machines }) => {
    const inspect = machines.inspect as (event: { readonly type: string }) => void;
    const { service } = await createService({ inspect, bootstrapPeers: [bootstrapAddress] });
    await service.advertiseService(executor());
    await service.refreshServices();
    await settled();
    const all = [advertisementMachine, announcementMachine, bootstrapMachine, refreshMachine];
    for (const machine of all) {
      expect(machines.coverage(machine).taken).toBeGreaterThan(0);
    }
    const snapshot = service.snapshot();
    expect(JSON.parse(JSON.stringify(snapshot))).toEqual(snapshot);
    expect(snapshot).toMatchObject({
      running: true,
      advertisements: [{ service: executor(), state: 'published' }],
      announcement: { state: 'pausing' },
      bootstrap: { state: 'joined', peers: [bootstrapAddress] },
      refresh: { state: 'resting', interests: [] },
    });
    await service.stop();
  });

  it('survives listeners that throw', async () => {
    const { service, network } = await createService();
    service.addEventListener('routing:updated', () => {
      throw new Error('by the user');
    });
    network.watcher?.onPeer({ peerId: bob, addresses: [] });
    expect(network.errors).toHaveLength(1);
    await service.stop();
  });
});
