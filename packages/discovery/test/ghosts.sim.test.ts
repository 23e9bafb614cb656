import { test, type NetworkFixture } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import type { ServiceType } from '@lloom/codec';
import type { ChannelVerdict, DescriptorChannel } from '../src/index.ts';
import { advertiseAll, errorOf, offer, peerIdOf, serviceOf, star, type SimNetwork } from './simNodes.ts';

const link = { delayMs: 50 };
const nodes = ['hub', 'v1', 'e1', 'e2', 'c1', 'c2'];
/** Two announcements: for so long somebody may be listed of whom nothing is heard. */
const beliefMs = 60_000;

/** A channel to everybody, without a way of its own through the network. */
class Ether {
  last: Uint8Array | undefined;
  readonly #receivers = new Map<string, (frame: Uint8Array) => Promise<ChannelVerdict>>();

  channelOf(name: string): DescriptorChannel {
    return {
      publish: async (frame) => {
        this.last = frame;
        const others = [...this.#receivers].filter(([other]) => other !== name);
        await Promise.all(others.map(([, receive]) => receive(frame)));
      },
      subscribe: (receive) => {
        this.#receivers.set(name, receive);
        return () => this.#receivers.delete(name);
      },
    };
  }

  deliver(to: string, frame: Uint8Array): Promise<ChannelVerdict> {
    return this.#receivers.get(to)!(frame);
  }
}

/** Everything in which a node may show that it believes in an executor. */
async function traces(network: SimNetwork, by: string, peerId: string): Promise<string[]> {
  const service = serviceOf(network, by);
  const found: string[] = [];
  const list = await network.run(() => service.findModelProviders('demo-small'));
  if (list.some((each) => each.peerId === peerId)) found.push('list');
  if (service.servicesOf(peerId).length > 0) found.push('servicesOf');
  if (service.alternativeTo({ peerId: 'nobody', model: 'demo-small' }) === peerId) found.push('alternative');
  const chosen = await network
    .run(() => service.selectExecutor({ model: 'demo-small', prefer: 'price' }))
    .catch(() => undefined);
  if (chosen?.peerId === peerId) found.push('selection');
  const answer = await network.run(() =>
    service.queryRegistry(peerIdOf(network, 'v1'), { type: 'findModel', model: 'demo-small' }),
  );
  if (
    answer.type === 'executorList' &&
    answer.executors.some(({ descriptor }) => descriptor.peerId === peerId)
  )
    found.push('registry');
  return found;
}

async function start(createNetwork: NetworkFixture['createNetwork']): Promise<SimNetwork> {
  const network = await createNetwork({ nodes, link, createNode: star() });
  await network.run(serviceOf(network, 'v1').advertiseService({ kind: 'validator', stake: '1' }));
  await advertiseAll(network, ['e1', 'e2']);
  await network.runFor(35_000);
  for (const by of ['c1', 'c2'])
    await network.run(() => serviceOf(network, by).findModelProviders('demo-small'));
  return network;
}

describe('an executor that died', () => {
  for (const isSilent of [false, true]) {
    test(`${isSilent ? 'with its machine' : 'as a process'} is nowhere two announcements later`, async ({
      createNetwork,
    }) => {
      const network = await start(createNetwork);
      const peerId = peerIdOf(network, 'e1');
      expect(await traces(network, 'c1', peerId)).toContain('registry');
      network.crash('e1', { isSilent });
      await network.runFor(beliefMs);
      for (const by of ['c1', 'c2', 'hub']) expect(await traces(network, by, peerId)).toEqual([]);
      // Who looks is not even asked to wait for it.
      const startedAt = network.clock.elapsed();
      await network.run(() => serviceOf(network, 'c2').findModelProviders('demo-small', { maxAgeMs: 0 }));
      expect(network.clock.elapsed() - startedAt).toBeLessThan(2_000);
    });
  }

  test('is not brought back by what it had signed, when somebody relays that again', async ({
    createNetwork,
  }) => {
    const ether = new Ether();
    const role = (name: string) => ({ channel: ether.channelOf(name) });
    const network = await createNetwork({ nodes: ['hub', 'e1', 'c1'], link, createNode: star(role) });
    await advertiseAll(network, ['e1']);
    await network.runFor(35_000);
    const service = serviceOf(network, 'c1');
    const peerId = peerIdOf(network, 'e1');
    expect(service.servicesOf(peerId)).toEqual([offer]);
    const frame = ether.last!;
    network.crash('e1', { isSilent: true });
    for (let turn = 0; turn < 6; turn += 1) {
      expect(await network.run(() => ether.deliver('c1', frame))).toBe('ignore');
      await network.runFor(beliefMs / 6);
    }
    expect(service.servicesOf(peerId)).toEqual([]);
    // It is still valid, and known to be old.
    expect(await network.run(() => ether.deliver('c1', frame))).toBe('ignore');
    expect(service.snapshot().descriptors).toMatchObject({ live: 0, dropped: { REPLAYED: 7, FORGED: 0 } });
  });
});

describe('a model that is withdrawn', () => {
  test('is gone at once for connected peers, and for a validator', async ({ createNetwork }) => {
    const network = await start(createNetwork);
    const peerId = peerIdOf(network, 'e1');
    const two: ServiceType = { kind: 'executor', models: ['demo-small', 'demo-large'], capacity: 4 };
    await network.run(serviceOf(network, 'e1').updateServiceInfo(two));
    await network.runFor(1_000);
    expect(serviceOf(network, 'c1').servicesOf(peerId)).toEqual([two]);
    await network.run(
      serviceOf(network, 'e1').updateServiceInfo({ kind: 'executor', models: ['demo-large'], capacity: 4 }),
    );
    // A stream, a frame, and the way there.
    await network.runFor(500);
    expect(await traces(network, 'c1', peerId)).toEqual(['servicesOf']);
    const withdrawal = serviceOf(network, 'e1').withdrawService('executor');
    await network.run(withdrawal);
    expect(serviceOf(network, 'c1').servicesOf(peerId)).toEqual([]);
    expect(await traces(network, 'c1', peerId)).toEqual([]);
  });

  test('is refused by the selection that knew of it', async ({ createNetwork }) => {
    const network = await start(createNetwork);
    for (const name of ['e1', 'e2']) await network.run(serviceOf(network, name).withdrawService('executor'));
    const error = await errorOf(
      network.run(() => serviceOf(network, 'c1').selectExecutor({ model: 'demo-small' })),
    );
    expect(error).toMatchObject({ code: 'NO_PROVIDERS' });
  });
});
