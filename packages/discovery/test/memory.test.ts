import type { ServiceType } from '@lloom/codec';
import { describe, expect, it } from 'vitest';
import { FakeDatastore } from './datastores.ts';
import { createService, descriptorFrame, executor, peerIds, readFrame, validator } from './fakes.ts';
import { settled } from './machines.ts';
import { collect, errorOf } from './observing.ts';

const { bob, carol } = peerIds;
const hourMs = 3_600_000;

/** A service over what an earlier one has left behind, by a wall clock that may be wrong. */
async function start(datastore: FakeDatastore, { aheadMs = 0, ...config } = {}) {
  const made = await createService({ started: false, datastore, ...config });
  made.clock.set(aheadMs);
  await made.service.start();
  made.service.afterStart();
  await settled();
  const answering = (offers: Readonly<Record<string, readonly ServiceType[]>>): void => {
    const addresses = ['/ip4/127.0.0.1/tcp/5002'];
    const { clock } = made;
    made.network.onAsk = (peerId) =>
      peerId in offers
        ? descriptorFrame(peerId, offers[peerId]!, { clock, descriptor: { addresses } })
        : Promise.reject(new Error('refused'));
  };
  const sequence = async (): Promise<number> => readFrame(await made.network.serving!())?.sequence ?? 0;
  return { ...made, answering, sequence };
}

describe('peers that were known before a restart', () => {
  /** What is left by a node that knew Bob and Carol. */
  async function leave(): Promise<FakeDatastore> {
    const datastore = new FakeDatastore();
    const { service, answering } = await start(datastore);
    answering({ [bob]: [executor()], [carol]: [validator] });
    await service.describeService(bob);
    await service.describeService(carol);
    await service.stop();
    return datastore;
  }

  it('are not believed, and asked although the DHT names nobody', async () => {
    const { service, network, answering } = await start(await leave());
    expect([service.servicesOf(bob), service.snapshot().descriptors]).toMatchObject([
      [],
      { live: 0, kept: 2, accepted: 0 },
    ]);
    answering({ [bob]: [executor()] });
    const found = await service.findModelProviders('demo-small');
    expect([found.map(({ peerId }) => peerId), network.asked]).toEqual([[bob], [bob]]);
    expect(service.servicesOf(bob)).toEqual([executor()]);
    await service.stop();
  });

  it('are asked also by a node that has no DHT, and by a refresh', async () => {
    const { service, network, answering } = await start(await leave());
    network.loseDht();
    answering({ [bob]: [executor()] });
    expect(await service.discoverExecutors()).toHaveLength(1);
    network.asked.length = 0;
    await service.refreshServices();
    expect(network.asked).toEqual([bob]);
    await service.stop();
  });

  it('do not count when they are gone, or offer something else by now', async () => {
    const { service, network, answering } = await start(await leave());
    answering({ [carol]: [] });
    expect(await service.findModelProviders('demo-small')).toEqual([]);
    expect(await service.discoverValidators()).toEqual([]);
    expect(network.asked).toEqual([bob, carol]);
    await service.stop();
  });

  it('are dialled when there is no bootstrap peer, and when none of them answers', async () => {
    const datastore = await leave();
    const alone = await start(await datastore.copy());
    const dialled: string[] = [];
    expect([...alone.network.connected].toSorted()).toEqual([bob, carol].toSorted());
    expect(alone.service.snapshot().bootstrap).toEqual({ state: 'joined', peers: [] });
    expect(await errorOf(alone.service.bootstrap())).toMatchObject({ code: 'NO_BOOTSTRAP_PEERS' });
    await alone.service.stop();

    const { dave } = peerIds;
    const address = `/ip4/127.0.0.1/tcp/4001/p2p/${dave}`;
    const cut = await createService({ started: false, datastore, bootstrapPeers: [address] });
    const joined = collect(cut.service, 'bootstrap:joined');
    cut.network.onDial = async (peerId) => {
      dialled.push(peerId);
      if (peerId !== carol) throw new Error('refused');
    };
    await cut.service.start();
    cut.service.afterStart();
    await settled();
    expect(dialled[0]).toBe(dave);
    expect(dialled.slice(1).toSorted()).toEqual([bob, carol].toSorted());
    expect(joined).toMatchObject([{ peerIds: [carol] }]);
    await cut.service.stop();
  });

  it('cannot be replaced by what they said before that', async () => {
    const datastore = new FakeDatastore();
    const first = await start(datastore);
    const said = (sequence: number, services: readonly ServiceType[]) =>
      descriptorFrame(bob, services, { clock: first.clock, descriptor: { sequence } });
    const old = await said(1, [executor()]);
    await first.network.handlers.get('announce')!(bob, old);
    await first.network.handlers.get('announce')!(bob, await said(2, []));
    await first.service.stop();
    const { service, network } = await start(datastore);
    expect(await errorOf(network.handlers.get('announce')!(bob, old))).toMatchObject({
      data: { reason: 'STALE' },
    });
    expect(service.servicesOf(bob)).toEqual([]);
    await service.stop();
  });

  it('are only slower to find when what is known of them is lost', async () => {
    const datastore = await leave();
    for (const { key } of await datastore.all()) await datastore.put(key, new Uint8Array(100));
    const damaged = await start(datastore);
    expect(damaged.service.snapshot().descriptors.kept).toBe(0);
    await damaged.service.stop();
    datastore.failing.add('query');
    const { service, network, answering } = await start(datastore);
    expect(network.errors).toEqual([new Error('the disk is gone')]);
    network.names(bob);
    answering({ [bob]: [executor()] });
    expect(await service.discoverExecutors()).toHaveLength(1);
    await service.stop();
  });
});

describe('the own sequence number', () => {
  /** What is left by a node that knew Bob, and whose clock was ahead by an hour. */
  async function useAhead() {
    const datastore = new FakeDatastore();
    const { service, answering, sequence } = await start(datastore, { aheadMs: hourMs });
    answering({ [bob]: [executor()] });
    await service.describeService(bob);
    await service.advertiseService(executor());
    const used = await sequence();
    await service.stop();
    return { datastore: await datastore.copy(), used };
  }

  /** A service that waits for its datastore. */
  async function startSlowly(datastore: FakeDatastore) {
    const made = await createService({ started: false, datastore });
    const starting = made.service.start();
    const sequence = async (): Promise<number> => readFrame(await made.network.serving!())?.sequence ?? 0;
    return { ...made, sequence, starting };
  }

  it('grows over a restart, also when the clock is an hour back', async () => {
    const datastore = new FakeDatastore();
    const before = await start(datastore);
    await before.service.advertiseService(executor());
    const used = await before.sequence();
    await before.service.stop();
    const { service, sequence } = await start(datastore, { aheadMs: -hourMs });
    await service.advertiseService(executor());
    expect(await sequence()).toBeGreaterThan(used);
    await service.stop();
  });

  it('grows also for what was offered before the start', async () => {
    const datastore = new FakeDatastore();
    const before = await start(datastore);
    await before.service.advertiseService(executor());
    const used = await before.sequence();
    await before.service.stop();
    const made = await createService({ started: false, datastore });
    made.clock.set(-hourMs);
    await made.service.advertiseService(executor());
    await made.service.start();
    made.service.afterStart();
    expect(readFrame(await made.network.serving!())?.sequence).toBeGreaterThan(used);
    await made.service.stop();
  });

  it('grows also when only that can be read, and nothing else', async () => {
    const datastore = new FakeDatastore();
    const before = await start(datastore);
    await before.service.advertiseService(executor());
    const used = await before.sequence();
    await before.service.stop();
    datastore.failing.add('query');
    const { service, sequence } = await start(datastore, { aheadMs: -hourMs });
    await service.advertiseService(executor());
    expect(await sequence()).toBeGreaterThan(used);
    await service.stop();
  });

  it('grows although peers take longer to read than the start waits, and they are taken up later', async () => {
    const { datastore, used } = await useAhead();
    const loading = datastore.hold('query');
    const { service, network, clock, sequence, starting } = await startSlowly(datastore);
    await clock.advance(10_000);
    await starting;
    await service.advertiseService(executor());
    expect(await sequence()).toBeGreaterThan(used);
    expect([service.snapshot().descriptors.kept, network.errors.length]).toEqual([0, 1]);
    loading.resolve();
    await settled();
    expect(service.snapshot().descriptors.kept).toBe(1);
    await service.stop();
  });

  it('is shown when it is read, however late, and is then above what was used', async () => {
    const { datastore, used } = await useAhead();
    const loading = datastore.hold('get');
    const { service, clock, sequence, starting } = await startSlowly(datastore);
    await clock.advance(10_000);
    await starting;
    await service.advertiseService(executor());
    const shown = sequence();
    loading.resolve();
    expect(await shown).toBeGreaterThan(used);
    expect(await sequence()).toBe(await shown);
    await service.stop();
  });

  it('and peers that are read when the service has stopped are not taken up', async () => {
    const { datastore } = await useAhead();
    const loading = datastore.hold('query');
    const { service, clock, starting } = await startSlowly(datastore);
    await clock.advance(10_000);
    await starting;
    await service.stop();
    loading.resolve();
    await settled();
    expect(service.snapshot().descriptors.kept).toBe(0);
  });

  it('is offered without a disk that works, by the clock alone', async () => {
    const datastore = new FakeDatastore();
    datastore.failing.add('put');
    const { service, network, clock, sequence } = await start(datastore);
    await service.advertiseService(executor());
    expect(await sequence()).toBe(clock.now());
    expect(network.errors).toContainEqual(new Error('the disk is full'));
    await service.stop();
  });

  /** Offers again and again, and hands out what it signs, until the process dies in a write; every number that was seen. */
  async function liveAndDie(datastore: FakeDatastore, aheadMs: number): Promise<number[]> {
    const made = await createService({ started: false, datastore });
    made.clock.set(aheadMs);
    await made.service.start();
    const seen: number[] = [];
    for (let round = 0; round < 6; round++) {
      await made.service.advertiseService(executor([`m${round}`]));
      void made.network.serving!().then((frame) => seen.push(readFrame(frame)!.sequence));
      await made.clock.advance(25_000);
      const frame = await descriptorFrame(bob, [executor()], { descriptor: { sequence: round + 1 } });
      await made.network.handlers.get('announce')!(bob, frame).catch(() => undefined);
    }
    // It is not stopped: it is dead.
    return seen;
  }

  it('is never used twice, in whichever write the process dies, also with clocks that go back', async () => {
    const whole = new FakeDatastore();
    await liveAndDie(whole, 0);
    const writes = whole.written.length;
    expect(writes).toBeGreaterThan(4);
    for (const isLastDone of [false, true]) {
      for (let dying = 1; dying <= writes + 1; dying++) {
        const disk = new FakeDatastore();
        const seen: number[] = [];
        let left: FakeDatastore = disk;
        for (const aheadMs of [0, -hourMs, -2 * hourMs, hourMs, 0]) {
          left = await left.copy();
          left.isLastDone = isLastDone;
          left.writesLeft = dying;
          seen.push(...(await liveAndDie(left, aheadMs)));
        }
        const last = await start(await left.copy(), { aheadMs: -hourMs });
        await last.service.advertiseService(executor());
        seen.push(await last.sequence());
        await last.service.stop();
        const grows = seen.every((number, index) => index === 0 || number > seen[index - 1]!);
        expect({ isLastDone, dying, grows, seen }).toMatchObject({ isLastDone, dying, grows: true });
      }
    }
  });
});
