import { AddressError } from '@lloom/core';
import { describe, expect, it } from 'vitest';
import { DiscoveryError } from '../src/errors.ts';
import { createService, descriptorFrame, executor, peerIdOf, peerIds, validator } from './fakes.ts';

const { alice, bob, carol } = peerIds;
const model = 'demo-small';

/** A service in a network whose DHT names nobody, and of whose peers each serves the model. */
async function createHinted() {
  const made = await createService();
  const { service, network, clock } = made;
  network.onAsk = (peerId) => descriptorFrame(peerId, [executor()], { clock });
  const find = async (of = model): Promise<string[]> =>
    (await service.findModelProviders(of, { maxAgeMs: 0 })).map(({ peerId }) => peerId);
  return { ...made, find };
}

describe('a peer that is said to serve a model', () => {
  it('is asked when the model is looked for, and counts when it says so itself', async () => {
    const { service, network, find } = await createHinted();
    service.updateExecutorInfo(bob, [model]);
    expect(service.servicesOf(bob)).toEqual([]);
    expect(await find()).toEqual([bob]);
    expect(service.servicesOf(bob)).toEqual([executor()]);
    expect(network.asked).toEqual([bob]);
    await service.stop();
  });

  it('is asked when any executor is looked for, and not for another model, nor as a validator', async () => {
    const { service, network, find } = await createHinted();
    service.updateExecutorInfo(bob, [model]);
    expect(await find('other')).toEqual([]);
    expect(await service.discoverValidators()).toEqual([]);
    expect(network.asked).toEqual([]);
    expect((await service.discoverExecutors()).map(({ peerId }) => peerId)).toEqual([bob]);
    await service.stop();
  });

  it('does not count when it says no', async () => {
    const { service, network, clock, find } = await createHinted();
    network.onAsk = (peerId) => descriptorFrame(peerId, [validator], { clock });
    service.updateExecutorInfo(bob, [model]);
    expect([await find(), network.asked]).toEqual([[], [bob]]);
    // It was heard: what others say of it is worth nothing any more.
    expect([await find(), network.asked]).toEqual([[], [bob]]);
    await service.stop();
  });

  it('is asked after those that the DHT names', async () => {
    const { service, network, find } = await createHinted();
    network.names(carol);
    service.updateExecutorInfo(bob, [model]);
    expect(await find()).toEqual([carol, bob]);
    await service.stop();
  });

  it('is asked no more after two announcements, and when that is taken back', async () => {
    const { service, clock, find, network } = await createHinted();
    service.updateExecutorInfo(bob, [model]);
    service.updateExecutorInfo(carol, [model]);
    service.updateExecutorInfo(carol, []);
    await clock.advance(59_999);
    expect(await find()).toEqual([bob]);
    service.updateExecutorInfo(carol, [model]);
    await clock.advance(60_000);
    network.asked.length = 0;
    await find();
    expect(network.asked).not.toContain(carol);
    await service.stop();
  });

  it('is taken at its own word when that is known', async () => {
    const { service, network, find } = await createHinted();
    await service.describeService(bob);
    network.asked.length = 0;
    service.updateExecutorInfo(bob, ['other']);
    expect([await find('other'), network.asked]).toEqual([[], []]);
    await service.stop();
  });

  it('is never this node itself', async () => {
    const { service, network, find } = await createHinted();
    service.updateExecutorInfo(alice, [model]);
    expect([await find(), network.asked]).toEqual([[], []]);
    expect(service.alternativeTo({ peerId: bob, model })).toBeUndefined();
    await service.stop();
  });

  it('is one of 1,024 at most: the oldest goes first', async () => {
    const { service, network, find } = await createHinted();
    const ids = Array.from({ length: 1_025 }, (_, index) => peerIdOf(index));
    for (const peerId of ids) service.updateExecutorInfo(peerId, [model]);
    await find();
    expect([network.asked.length, network.asked.includes(ids[0]!), network.asked.includes(ids[1]!)]).toEqual([
      1_024,
      false,
      true,
    ]);
    await service.stop();
  });

  it.each<[string, unknown]>([
    ['no list', model],
    ['nothing', undefined],
    ['an empty name', ['']],
    ['a name that is too long', ['x'.repeat(257)]],
    ['a name that is no text', [7]],
    ['too many names', Array.from({ length: 1_025 }, (_, index) => `m${index}`)],
  ])('is refused with %s', async (_, models) => {
    const { service, find } = await createHinted();
    const note = (): void => service.updateExecutorInfo(bob, models as string[]);
    expect(note).toThrow(DiscoveryError);
    expect(note).toThrow(expect.objectContaining({ code: 'INVALID_SERVICE' }) as Error);
    expect(await find()).toEqual([]);
    await service.stop();
  });

  it('needs a peer id', async () => {
    const { service } = await createHinted();
    const note = (): void => service.updateExecutorInfo('bob', [model]);
    expect(note).toThrow(AddressError);
    expect(note).toThrow(expect.objectContaining({ code: 'INVALID_PEER_ID' }) as Error);
    await service.stop();
  });
});
