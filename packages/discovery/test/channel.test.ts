import { describe, expect, it } from 'vitest';
import type { ChannelVerdict, DescriptorChannel } from '../src/ports.ts';
import {
  createService,
  descriptorFrame,
  executor,
  peerIds,
  readFrame,
  tampered,
  validator,
} from './fakes.ts';
import { settled } from './machines.ts';

const { alice, bob, carol } = peerIds;

/** A channel that a test fills, and what was sent through it. */
class FakeChannel implements DescriptorChannel {
  readonly published: Uint8Array[] = [];
  readonly receivers = new Set<(frame: Uint8Array) => Promise<ChannelVerdict>>();
  onPublish: () => Promise<void> = () => Promise.resolve();

  publish(frame: Uint8Array): Promise<void> {
    this.published.push(frame);
    return this.onPublish();
  }

  subscribe(receive: (frame: Uint8Array) => Promise<ChannelVerdict>): () => void {
    this.receivers.add(receive);
    return () => this.receivers.delete(receive);
  }

  /** What the service makes of a frame of others. */
  bring(frame: Uint8Array): Promise<ChannelVerdict> {
    const [receive] = this.receivers;
    return receive!(frame);
  }
}

async function createMember() {
  const channel = new FakeChannel();
  const made = await createService({ channel });
  const frame = (peerId = bob, services = [executor()]): Promise<Uint8Array> =>
    descriptorFrame(peerId, services, { clock: made.clock });
  return { ...made, channel, frame };
}

describe('the channel', () => {
  it('carries what is offered at once, and again within each interval, although nobody is connected', async () => {
    const { service, channel, clock } = await createMember();
    await service.advertiseService(executor());
    await settled();
    expect(channel.published.map(readFrame)).toMatchObject([{ peerId: alice, services: [executor()] }]);
    await clock.advance(300_000);
    expect(channel.published.length).toBeGreaterThanOrEqual(11);
    await service.stop();
  });

  it('carries a withdrawal', async () => {
    const { service, channel } = await createMember();
    await service.advertiseService(executor());
    await settled();
    await service.withdrawService('executor');
    expect(channel.published.map(readFrame).at(-1)?.services).toEqual([]);
    await service.stop();
  });

  it('brings what others offer, and is told to pass it on, once', async () => {
    const { service, network, channel, clock, frame } = await createMember();
    const said = await frame();
    expect(await channel.bring(said)).toBe('accept');
    expect([service.servicesOf(bob), network.asked]).toEqual([[executor()], []]);
    expect(await channel.bring(said)).toBe('ignore');
    await clock.advance(1);
    expect(await channel.bring(await frame(bob, [validator]))).toBe('accept');
    await service.stop();
  });

  it('may bring anything: what proves nothing is blamed on the sender, and never throws', async () => {
    const { service, channel, frame } = await createMember();
    const broken = [new Uint8Array(), new Uint8Array([255, 255, 255])];
    for (const bytes of [...broken, tampered(await frame())])
      expect(await channel.bring(bytes)).toBe('reject');
    // A later version may allow more than this one.
    expect(await channel.bring(new Uint8Array(100_000))).toBe('ignore');
    expect(service.snapshot().descriptors).toMatchObject({
      kept: 0,
      dropped: { MALFORMED: 3, FORGED: 1 },
    });
    await service.stop();
  });

  it('does not make this node one of its own providers', async () => {
    const { service, channel } = await createMember();
    await service.advertiseService(executor());
    await settled();
    expect(await channel.bring(channel.published[0]!)).toBe('ignore');
    await channel.bring(await descriptorFrame(alice, [executor()]));
    expect(await service.discoverExecutors()).toEqual([]);
    await service.stop();
  });

  it('holds up nobody when it fails, or never ends', async () => {
    const { service, network, channel, clock } = await createMember();
    network.audience.push(bob, carol);
    channel.onPublish = () => Promise.reject(new Error('nobody is in the mesh'));
    await service.advertiseService(executor());
    await settled();
    expect([network.told.length, network.errors]).toEqual([2, [new Error('nobody is in the mesh')]]);
    channel.onPublish = () => new Promise(() => {});
    await clock.advance(60_000);
    expect(network.told.length).toBeGreaterThanOrEqual(4);
    await service.stop();
    expect(clock.pending).toBe(0);
  });

  it('is listened to from each start to each stop', async () => {
    const { service, channel } = await createMember();
    expect(channel.receivers.size).toBe(1);
    await service.stop();
    expect(channel.receivers.size).toBe(0);
    await service.start();
    service.afterStart();
    expect(channel.receivers.size).toBe(1);
    await service.stop();
    expect(channel.receivers.size).toBe(0);
  });
});
