import { describe, expect, it } from 'vitest';
import { createService, executor, never, peerIdOf, peerIds, readFrame } from './fakes.ts';
import { settled } from './machines.ts';

const { bob } = peerIds;
const intervalMs = 30_000;

/** A service to which many peers listen, or connect. `heard` is what bob was told, who answers: how many services. */
async function createCrowd(count: number) {
  const made = await createService();
  const { network } = made;
  const crowd = Array.from({ length: count }, (_, at) => peerIdOf(at));
  const silent = new Set(crowd);
  const heard: (number | undefined)[] = [];
  network.onAskExchange = (peerId, frame, signal) => {
    if (silent.has(peerId)) return never(signal);
    if (peerId === bob) heard.push(readFrame(frame)?.services.length);
    return Promise.resolve(new Uint8Array());
  };
  return { ...made, crowd, silent, heard };
}

describe('behind many peers that accept announcements and never answer', () => {
  for (const count of [31, 32, 96, 200])
    it(`${count} of them, an offer and a withdrawal reach a peer at once`, async () => {
      const { service, network, clock, crowd, heard } = await createCrowd(count);
      network.audience.push(...crowd, bob);
      await service.advertiseService(executor());
      await settled();
      expect(heard).toEqual([1]);
      await clock.advance(3 * intervalMs);
      const withdrawal = service.withdrawService('executor');
      await settled();
      expect(heard.at(-1)).toBe(0);
      await clock.advance(1_000);
      await withdrawal;
      await service.stop();
    });

  it('whom not even a frame can be sent to, a peer that answered last time is told first', async () => {
    const { service, network, clock, crowd, heard } = await createCrowd(200);
    network.audience.push(...crowd, bob);
    network.onSend = (peerId, signal) => (peerId === bob ? Promise.resolve() : never(signal));
    await service.advertiseService(executor());
    await settled();
    expect(heard).toEqual([]);
    // Each of them keeps the others waiting for a quarter of a second, 32 at a time.
    await clock.advance(7 * 250);
    expect(heard).toEqual([1]);
    await clock.advance(10_000);
    heard.length = 0;
    await service.updateServiceInfo(executor(['demo-large']));
    await settled();
    expect(heard).toEqual([1]);
    await service.stop();
  });

  it('a peer that connects is greeted at once, and the silent ones are given up', async () => {
    const { service, network, clock, crowd, heard } = await createCrowd(640);
    await service.advertiseService(executor());
    for (const peerId of [...crowd, bob]) network.watcher?.onListener(peerId);
    await settled();
    expect(heard).toEqual([1]);
    await service.stop();
    expect(clock.pending).toBe(0);
  });
});

describe('peers that are told', () => {
  it('come last when they did not answer the last time, and are what is left out', async () => {
    const { service, network, clock, crowd, silent } = await createCrowd(1_500);
    network.audience.push(...crowd);
    for (const peerId of crowd.slice(1_000)) silent.delete(peerId);
    const told = async (): Promise<number[]> => {
      await settled();
      const all = network.told.splice(0).map(({ peerId }) => crowd.indexOf(peerId));
      await clock.advance(10_000);
      return all;
    };
    await service.advertiseService(executor());
    expect(await told()).toEqual(crowd.slice(0, 1_024).keys().toArray());
    await service.updateServiceInfo(executor(['demo-large']));
    const again = await told();
    // The 24 that answered, the 476 nobody has told yet, and as many of the silent as there is room for.
    const first = Array.from({ length: 500 }, (_, at) => 1_000 + at);
    expect(again).toEqual([...first, ...crowd.slice(0, 524).keys().toArray()]);
    await service.stop();
  });

  it('do not count as silent when the next announcement cut them off', async () => {
    const { service, network, clock, crowd } = await createCrowd(1);
    network.audience.push(...crowd);
    await service.advertiseService(executor());
    await settled();
    network.told.length = 0;
    network.audience.push(bob);
    const withdrawal = service.withdrawService('executor');
    await clock.advance(1_000);
    await withdrawal;
    expect(network.told.map(({ peerId }) => peerId)).toEqual([...crowd, bob]);
    await service.stop();
  });
});

describe('peers that connect', () => {
  it('are greeted 32 at a time, and of those that wait the newest 256; the others hear the next announcement', async () => {
    const { service, network, clock, crowd } = await createCrowd(2_000);
    await service.advertiseService(executor());
    network.onSend = (_, signal) => never(signal);
    for (const peerId of crowd) network.watcher?.onListener(peerId);
    await settled();
    expect(network.told).toHaveLength(32);
    await clock.advance(2_500);
    const newest = [...crowd.slice(0, 32), ...crowd.slice(-256)];
    expect(network.told.map(({ peerId }) => peerId)).toEqual(newest);
    // Whoever was dropped was not greeted: it is when it connects again.
    network.watcher?.onListener(crowd[100]!);
    await settled();
    expect(network.told.at(-1)?.peerId).toBe(crowd[100]);
    await service.stop();
  });
});
