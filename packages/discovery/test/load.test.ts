import { describe, expect, test } from 'vitest';
import type { LoadSource } from '../src/index.ts';
import { createService, executor, peerIds, readFrame, validator } from './fakes.ts';

type Load = LoadSource['load'];

/** A node with an offer, and a load that a test changes. */
async function createBusyNode(offer = executor(['demo-small'], { capacity: 4 })) {
  const source = { load: { capacity: 4, freeSlots: 4, queueDepth: 0 } };
  const made = await createService({ load: source });
  await made.service.advertiseService(offer);
  const set = (load: Partial<Load>): void => {
    source.load = { ...source.load, ...load };
  };
  const ask = async () => {
    const { sequence = 0, services = [] } = readFrame(await made.network.serving!()) ?? {};
    return { sequence, offer: services.find(({ kind }) => kind === 'executor') };
  };
  return { ...made, source, set, ask };
}

describe('the offer of an executor', () => {
  test('says how busy the node is when it is signed', async () => {
    const { service, set, ask } = await createBusyNode();
    set({ freeSlots: 1 });
    expect((await ask()).offer).toMatchObject({ capacity: 4, freeSlots: 1, queueDepth: 0 });
    set({ freeSlots: 0, queueDepth: 7 });
    await service.updateServiceInfo(executor(['demo-small', 'demo-large']));
    expect((await ask()).offer).toMatchObject({ freeSlots: 0, queueDepth: 7 });
    expect(await service.describeService(peerIds.alice)).toMatchObject({ services: [{ queueDepth: 7 }] });
    await service.stop();
  });

  test('is signed again when the load has changed, at most once a second, with a higher sequence', async () => {
    const { service, clock, signer, set, ask } = await createBusyNode();
    const idle = await ask();
    set({ freeSlots: 1 });
    const first = await ask();
    expect([first.offer, first.sequence > idle.sequence]).toMatchObject([{ freeSlots: 1 }, true]);
    set({ freeSlots: 3 });
    await clock.advance(999);
    expect(await ask()).toEqual(first);
    await clock.advance(1);
    const second = await ask();
    expect(second.offer).toMatchObject({ freeSlots: 3 });
    expect(second.sequence).toBeGreaterThan(first.sequence);
    set({ freeSlots: 2 });
    expect(await ask()).toEqual(second);
    expect(signer.signed).toBe(3);
    await service.stop();
  });

  test('is not signed again while the load stays the same', async () => {
    const { service, clock, signer, set, ask } = await createBusyNode();
    const first = await ask();
    set({ freeSlots: 0 });
    set({ freeSlots: 4 });
    await clock.advance(29_999);
    expect(await ask()).toEqual(first);
    expect(signer.signed).toBe(1);
    await service.stop();
  });

  test('is announced as it is, with a higher sequence only when it is another one', async () => {
    const { service, network, clock, set } = await createBusyNode();
    network.audience.push(peerIds.bob);
    await clock.advance(60_000);
    set({ freeSlots: 1 });
    await clock.advance(30_000);
    const told = network.told.map(({ frame }) => readFrame(frame)!);
    expect(told.at(-1)?.services).toMatchObject([{ freeSlots: 1 }]);
    expect(told[1]?.sequence).toBe(told[0]?.sequence);
    expect(told.at(-1)?.sequence).toBeGreaterThan(told[0]?.sequence ?? Number.NaN);
    await service.stop();
  });

  test('follows a source that changes the object it gave', async () => {
    const { service, clock, source, ask } = await createBusyNode();
    expect((await ask()).offer).toMatchObject({ freeSlots: 4 });
    source.load.freeSlots = 1;
    await clock.advance(1_000);
    expect((await ask()).offer).toMatchObject({ freeSlots: 1 });
    await service.stop();
  });

  test('has a higher sequence than the one that became too old, when the load is another one', async () => {
    const { service, clock, set, ask } = await createBusyNode();
    const first = await ask();
    await clock.advance(60_000);
    const same = await ask();
    expect(same.sequence).toBe(first.sequence);
    set({ freeSlots: 0 });
    await clock.advance(60_000);
    expect((await ask()).sequence).toBeGreaterThan(same.sequence);
    await service.stop();
  });

  test.for<[title: string, load: Load, free: number]>([
    ['of a node that takes more than it offers', { capacity: 128, freeSlots: 128, queueDepth: 0 }, 4],
    ['that has as many at work as it offers', { capacity: 128, freeSlots: 124, queueDepth: 0 }, 0],
    ['that has more at work than it offers', { capacity: 128, freeSlots: 100, queueDepth: 0 }, 0],
    ['of a node that takes less than it offers', { capacity: 2, freeSlots: 2, queueDepth: 0 }, 2],
    ['of a node without a free slot', { capacity: 2, freeSlots: 0, queueDepth: 3 }, 0],
  ])('has no more free slots than it promises: one %s', async ([, load, free]) => {
    const { service, set, ask } = await createBusyNode();
    set(load);
    expect((await ask()).offer).toMatchObject({ freeSlots: free, queueDepth: load.queueDepth });
    await service.stop();
  });

  test('keeps what it was advertised with when nobody tells the load', async () => {
    const { service, network } = await createService();
    await service.advertiseService(executor(['demo-small'], { freeSlots: 3 }));
    expect(readFrame(await network.serving!())?.services).toEqual([
      executor(['demo-small'], { freeSlots: 3 }),
    ]);
    await service.stop();
  });
});

test('the offer of a validator says nothing of a load, and is not signed again for it', async () => {
  const { service, clock, network, signer, set } = await createBusyNode();
  await service.advertiseService(validator);
  const withdrawal = service.withdrawService('executor');
  await clock.advance(1_000);
  await withdrawal;
  expect(readFrame(await network.serving!())?.services).toEqual([validator]);
  set({ freeSlots: 0 });
  await clock.advance(10_000);
  expect(readFrame(await network.serving!())?.services).toEqual([validator]);
  expect(signer.signed).toBe(1);
  await service.stop();
});
