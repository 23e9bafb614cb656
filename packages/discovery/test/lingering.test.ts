import { describe, expect, it } from 'vitest';
import { createService, descriptorFrame, executor, never, peerIds } from './fakes.ts';
import { settled } from './machines.ts';

const { bob, carol, dave } = peerIds;
const model = 'demo-small';

/** A service over links on which Bob answers at once and Carol after a second. */
async function createSlow() {
  const made = await createService();
  const { service, network, clock } = made;
  network.names(bob, carol);
  network.onAsk = async (peerId, signal) => {
    if (peerId === carol)
      await Promise.race([
        never(signal),
        new Promise<void>((resolve) => clock.setTimeout(() => resolve(), 1_000)),
      ]);
    return descriptorFrame(peerId, [executor()], { clock });
  };
  const list = async (aheadMs: number): Promise<string[]> => {
    const listing = service.findModelProviders(model);
    await clock.advance(aheadMs);
    return (await listing).map(({ peerId }) => peerId);
  };
  return { ...made, list };
}

describe('a list that has settled', () => {
  it('is searched on, so that the next one has those who were slow', async () => {
    const { service, clock, network, list } = await createSlow();
    expect(await list(300)).toEqual([bob]);
    // At once, with what is known by now: the search for it is under way.
    expect(await list(0)).toEqual([bob]);
    await clock.advance(700);
    expect(await list(0)).toEqual([bob, carol]);
    expect(network.asked).toEqual([bob, carol]);
    await service.stop();
  });

  it('is not searched on when the service stops, or the time of the search is over', async () => {
    const { service, clock, network, list } = await createSlow();
    network.names(bob, carol, dave);
    network.onAsk = (peerId, signal) =>
      peerId === bob ? descriptorFrame(peerId, [executor()], { clock }) : never(signal);
    expect(await list(300)).toEqual([bob]);
    await service.stop();
    await settled();
    expect(clock.pending).toBe(0);
  });

  it('is told once, as it was given', async () => {
    const { service, clock, list } = await createSlow();
    const told: number[] = [];
    service.addEventListener('service:discovered', ({ detail }) => told.push(detail.providers.length));
    await list(300);
    await clock.advance(5_000);
    expect(told).toEqual([1]);
    await service.stop();
  });
});

describe('a peer that somebody names at wrong addresses', () => {
  it('is asked once more where others say that it is', async () => {
    const { service, network, clock } = await createService();
    const dialled: (readonly string[])[] = [];
    const [wrong, right] = ['/ip4/127.0.0.1/tcp/9', '/ip4/127.0.0.1/tcp/5001'];
    network.onFind = async function* () {
      for (const address of [wrong, right, wrong, right]) yield { peerId: bob, addresses: [address] };
    };
    network.dial = async (peerId, addresses) => {
      dialled.push(addresses);
      if (!addresses.includes(right)) throw new Error('nobody is there');
      network.connected.add(peerId);
    };
    network.onAsk = (peerId) => descriptorFrame(peerId, [executor()], { clock });
    const found = await service.findModelProviders(model);
    expect(found.map(({ peerId }) => peerId)).toEqual([bob]);
    // Where libp2p knows it, in between.
    expect(dialled).toEqual([[wrong], [], [right]]);
    await service.stop();
  });
});
