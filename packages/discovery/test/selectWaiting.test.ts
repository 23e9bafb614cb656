import { describe, expect, test } from 'vitest';
import type { SelectionQuery } from '../src/types.ts';
import { createService, descriptorFrame, executor, never, peerIds } from './fakes.ts';

const { bob, carol, dave } = peerIds;
const model = 'demo-small';

describe('somebody who suits is waited for', () => {
  /** Bob has too short a context, and Carol suits; she answers late. Others never do. */
  async function amidLate() {
    const made = await createService();
    const { service, network, clock } = made;
    network.names(bob, carol);
    network.onAsk = async (peerId, signal) => {
      if (peerId !== bob && peerId !== carol) return never(signal);
      if (peerId === carol) await new Promise<void>((resolve) => void clock.setTimeout(resolve, 400));
      const contextLength = peerId === bob ? 2_048 : 8_192;
      return descriptorFrame(peerId, [executor([model], { contextLength })], { clock });
    };
    const select = (query: Omit<SelectionQuery, 'model'> = {}) => service.selectExecutor({ model, ...query });
    return { ...made, select };
  }

  test('when one who does not has answered first', async () => {
    const { service, clock, select } = await amidLate();
    const chosen = select({ minContext: 4_096 });
    await clock.advance(400);
    expect(await chosen).toMatchObject({ peerId: carol });
    await service.stop();
  });

  test('when one who is excluded has answered first', async () => {
    const { service, clock, select } = await amidLate();
    const chosen = select({ exclude: [bob] });
    await clock.advance(400);
    expect(await chosen).toMatchObject({ peerId: carol });
    await service.stop();
  });

  test('when one who does not was heard before', async () => {
    const { service, clock, select } = await amidLate();
    await service.describeService(bob);
    const chosen = select({ minContext: 4_096 });
    await clock.advance(400);
    expect(await chosen).toMatchObject({ peerId: carol });
    await service.stop();
  });

  test('when all are asked once more', async () => {
    const { service, network, clock, select } = await amidLate();
    network.names(bob);
    await select();
    network.names(bob, carol);
    const chosen = select({ minContext: 4_096 });
    await clock.advance(400);
    expect(await chosen).toMatchObject({ peerId: carol });
    expect(network.asked).toEqual([bob, bob, carol]);
    await service.stop();
  });

  test('and others only for as long as after any first answer', async () => {
    const { service, network, clock, select } = await amidLate();
    network.names(bob, carol, dave);
    const chosen = select({ minContext: 4_096 });
    let isOver = false;
    void chosen.then(() => (isOver = true));
    await clock.advance(699);
    expect(isOver).toBe(false);
    await clock.advance(1);
    expect(await chosen).toMatchObject({ peerId: carol });
    await service.stop();
  });

  test('but not by lists: they settle after whoever is first', async () => {
    const { service, clock } = await amidLate();
    const list = service.findModelProviders(model);
    await clock.advance(300);
    expect((await list).map(({ peerId }) => peerId)).toEqual([bob]);
    await service.stop();
  });
});
