import type { ExecutorService, ServiceType } from '@lloom/codec';
import { describe, expect, test } from 'vitest';
import { DiscoveryError } from '../src/errors.ts';
import type { PeerPerformance } from '../src/ports.ts';
import type { AlternativeQuery } from '../src/types.ts';
import { createService, descriptorFrame, executor, never, peerIds, validator } from './fakes.ts';
import { settled } from './machines.ts';

const { alice, bob, carol, dave } = peerIds;
const model = 'demo-small';
const signal = new AbortController().signal;
const price = (outboundPrice: string, inboundPrice = '1') => ({ inboundPrice, outboundPrice });

type Offers = Readonly<Record<string, readonly ServiceType[]>>;

/** What peers answer that ask for these offers; those that are not named are silent. */
function answering(
  { network, clock }: Pick<Awaited<ReturnType<typeof createService>>, 'network' | 'clock'>,
  offers: Offers,
  addresses: readonly string[] = ['/ip4/127.0.0.1/tcp/5001'],
): void {
  network.onAsk = (peerId, asked) => {
    const services = offers[peerId];
    return services === undefined
      ? never(asked)
      : descriptorFrame(peerId, services, { clock, descriptor: { addresses } });
  };
}

/** A service that knows what these peers offer. */
async function knowing(offers: Offers, config: Parameters<typeof createService>[0] = {}) {
  const made = await createService(config);
  answering(made, offers);
  for (const peerId of Object.keys(offers)) await made.service.describeService(peerId);
  return made;
}

const offer = (more: Partial<ExecutorService> = {}): ServiceType[] => [executor([model], more)];

describe('another executor of a model', () => {
  test('is one that has proven that it serves it', async () => {
    const { service } = await knowing({ [bob]: offer(), [carol]: [executor(['other'])] });
    expect(service.alternativeTo({ peerId: dave, model })).toBe(bob);
    expect(service.alternativeTo({ peerId: dave, model: 'unknown' })).toBeUndefined();
    await service.stop();
  });

  test('is never the one that it stands in for, nor one that is not wanted', async () => {
    const { service } = await knowing({ [bob]: offer(), [carol]: offer(), [dave]: [validator] });
    expect(service.alternativeTo({ peerId: bob, model })).toBe(carol);
    expect(service.alternativeTo({ peerId: carol, model, exclude: [] })).toBe(bob);
    expect(service.alternativeTo({ peerId: bob, model, exclude: [carol] })).toBeUndefined();
    await service.stop();
  });

  test('can do what is wanted beyond chat', async () => {
    const { service } = await knowing({ [bob]: offer(), [carol]: offer({ features: ['json', 'tools'] }) });
    expect(service.alternativeTo({ peerId: dave, model, features: ['tools'] })).toBe(carol);
    expect(service.alternativeTo({ peerId: dave, model, features: ['tools', 'vision'] })).toBeUndefined();
    expect(service.alternativeTo({ peerId: carol, model, features: [] })).toBe(bob);
    await service.stop();
  });

  test('is not known any more when its descriptor has expired', async () => {
    const { service, network, clock } = await createService();
    const given = { clock, ttlMs: 40_000, descriptor: { addresses: ['/ip4/127.0.0.1/tcp/5001'] } };
    network.onAsk = (peerId) => descriptorFrame(peerId, offer(), given);
    await service.describeService(bob);
    await clock.advance(39_999);
    expect(service.alternativeTo({ peerId: dave, model })).toBe(bob);
    await clock.advance(1);
    expect(service.alternativeTo({ peerId: dave, model })).toBeUndefined();
    await service.stop();
  });

  test.for<[title: string, better: Partial<ExecutorService>, worse: Partial<ExecutorService>]>([
    ['has free slots, however cheap others are', { freeSlots: 1, pricing: price('9') }, { freeSlots: 0 }],
    ['has free slots, before one that does not say', { freeSlots: 1 }, {}],
    ['does not say, before one that has none', {}, { freeSlots: 0 }],
    ['has the shorter queue', { freeSlots: 0, queueDepth: 1 }, { freeSlots: 0, queueDepth: 2 }],
    ['asks less for the answer', { pricing: price('9', '3') }, { pricing: price('10', '1') }],
    ['asks less for the question', { pricing: price('9', '1') }, { pricing: price('9', '2') }],
    ['names a price', { pricing: price('1000') }, {}],
    [
      'asks less for this model',
      { pricing: price('9'), modelPricing: { [model]: price('1') } },
      { pricing: price('2') },
    ],
    [
      'asks less than a number can hold',
      { pricing: price('9'.repeat(40)) },
      { pricing: price(`1${'0'.repeat(40)}`) },
    ],
  ])('is the one that %s', async ([, better, worse]) => {
    for (const [good, bad] of [
      [bob, carol],
      [carol, bob],
    ] as const) {
      const { service } = await knowing({ [bad]: offer(worse), [good]: offer(better) });
      expect(service.alternativeTo({ peerId: dave, model })).toBe(good);
      await service.stop();
    }
  });

  test('is the same at each call, and not the same at every node', async () => {
    const chosen = new Set<string | undefined>();
    for (let node = 0; node < 16; node++) {
      const random = { bytes: (length: number) => new Uint8Array(length), float: () => node / 16 };
      const { service } = await knowing({ [bob]: offer(), [carol]: offer(), [dave]: offer() }, { random });
      const first = service.alternativeTo({ peerId: alice, model });
      expect(service.alternativeTo({ peerId: alice, model })).toBe(first);
      chosen.add(first);
      await service.stop();
    }
    expect(chosen).toEqual(new Set([bob, carol, dave]));
  });

  test('has no lost connection, unless nobody else is known', async () => {
    const { service, network } = await knowing({
      [bob]: offer({ pricing: price('1') }),
      [carol]: offer({ pricing: price('2') }),
    });
    expect(service.alternativeTo({ peerId: dave, model })).toBe(bob);
    network.watcher?.onDisconnect(bob);
    expect(service.alternativeTo({ peerId: dave, model })).toBe(carol);
    expect(service.alternativeTo({ peerId: carol, model })).toBe(bob);
    await service.stop();
  });

  test('is one of whom others say so, when nobody has proven it', async () => {
    const { service, network } = await knowing({ [bob]: offer(), [dave]: [validator] });
    service.updateExecutorInfo(carol, [model]);
    service.updateExecutorInfo(dave, [model]);
    expect(service.alternativeTo({ peerId: alice, model })).toBe(bob);
    expect(service.alternativeTo({ peerId: bob, model })).toBe(carol);
    expect(await service.findAlternative({ peerId: bob })).toBe(carol);
    expect(network.asked).toHaveLength(2);
    expect(service.alternativeTo({ peerId: bob, model, exclude: [carol] })).toBeUndefined();
    service.updateExecutorInfo(carol, []);
    expect(service.alternativeTo({ peerId: bob, model })).toBeUndefined();
    await service.stop();
  });

  test('is nobody whose reputation is bad, whoever speaks for it', async () => {
    const experience = { performanceOf: () => ({ reputation: -50 }) };
    const { service } = await knowing({ [bob]: offer() }, { experience });
    service.updateExecutorInfo(carol, [model]);
    expect(service.alternativeTo({ peerId: dave, model })).toBeUndefined();
    await service.stop();
  });

  test('is fast, when prices are equal', async () => {
    const latency: Readonly<Record<string, number>> = { [bob]: 500, [carol]: 50 };
    const experience = { performanceOf: (peerId: string) => ({ latencyMs: latency[peerId]! }) };
    const { service } = await knowing({ [bob]: offer(), [carol]: offer() }, { experience });
    expect(service.alternativeTo({ peerId: dave, model })).toBe(carol);
    await service.stop();
  });

  test('is another one at once when the best one has got enough to do, or is avoided', async () => {
    const known: Record<string, PeerPerformance> = {};
    const { service } = await knowing(
      { [bob]: offer({ capacity: 2 }), [carol]: offer({ capacity: 2 }) },
      { experience: { performanceOf: (peerId) => known[peerId] } },
    );
    const query = { peerId: dave, model };
    const best = service.alternativeTo(query)!;
    const other = best === bob ? carol : bob;
    known[best] = { underWay: 2 };
    expect(service.alternativeTo(query)).toBe(other);
    known[other] = { isAvoided: true };
    expect(service.alternativeTo(query)).toBe(best);
    delete known[best];
    expect(service.alternativeTo(query)).toBe(best);
    await service.stop();
  });

  test('is found without comparing all again, until somebody is heard or lost, and for a second at most', async () => {
    let compared = 0;
    const performanceOf = () => {
      compared++;
      return undefined;
    };
    const { service, network, clock } = await knowing(
      { [bob]: offer(), [carol]: offer(), [dave]: [executor(['other'])] },
      { experience: { performanceOf } },
    );
    const countOf = (query: AlternativeQuery): number => {
      compared = 0;
      service.alternativeTo(query);
      return compared;
    };
    const query = { peerId: bob, model };
    // Both, and once more the one that is named: it may have got enough to do meanwhile.
    expect(countOf(query)).toBe(3);
    expect(countOf({ ...query, exclude: [carol] })).toBe(0);
    await clock.advance(999);
    expect(countOf({ peerId: carol, model })).toBe(1);
    await clock.advance(1);
    expect(countOf(query)).toBe(3);
    network.watcher?.onDisconnect(carol);
    expect(countOf(query)).toBe(2);
    await service.describeService(carol);
    expect(countOf(query)).toBe(3);
    expect(countOf({ ...query, model: 'other' })).toBe(2);
    expect(countOf({ peerId: dave })).toBe(0);
    await service.stop();
  });

  test('is connected, or has named an address', async () => {
    const { service, network, clock } = await createService();
    answering({ network, clock }, { [bob]: offer() }, []);
    await service.describeService(bob);
    expect(service.alternativeTo({ peerId: dave, model })).toBe(bob);
    network.connected.delete(bob);
    expect(service.alternativeTo({ peerId: dave, model })).toBeUndefined();
    await service.stop();
  });

  test('serves any model of the one that it stands in for when none is named', async () => {
    const two = executor(['a', 'b']);
    const { service } = await knowing({ [bob]: [two], [carol]: [executor(['b'])], [dave]: [validator] });
    expect(service.alternativeTo({ peerId: bob })).toBe(carol);
    expect(service.alternativeTo({ peerId: carol })).toBe(bob);
    expect(service.alternativeTo({ peerId: dave })).toBeUndefined();
    expect(service.alternativeTo({ peerId: 'nobody' })).toBeUndefined();
    await service.stop();
  });
});

describe('looking for another executor', () => {
  test('asks nobody when one is known', async () => {
    const { service, network } = await knowing({ [bob]: offer() });
    network.asked.length = 0;
    expect(await service.findAlternative({ peerId: dave, model }, { signal })).toBe(bob);
    expect(network.asked).toEqual([]);
    await service.stop();
  });

  test('gives the first who confirms, and does not wait for those who are silent', async () => {
    const { service, network, clock } = await createService();
    network.names(dave, carol, bob);
    answering({ network, clock }, { [bob]: offer() });
    expect(await service.findAlternative({ peerId: dave, model }, { signal })).toBe(bob);
    await settled();
    // What is left are the timers of the machines; the search has none any more.
    expect(clock.pending).toBe(1);
    await service.stop();
  });

  test('goes on past those that are not wanted', async () => {
    const { service, network, clock } = await createService();
    network.names(bob, carol, dave);
    answering({ network, clock }, { [bob]: offer(), [carol]: offer(), [dave]: offer() });
    const query = { peerId: bob, model, exclude: [carol] };
    expect(await service.findAlternative(query, { signal })).toBe(dave);
    await service.stop();
  });

  test('looks among all executors when no model is named, for one that shares a model', async () => {
    const { service, network, clock } = await knowing({ [bob]: offer() });
    const keys: string[] = [];
    network.onFind = async function* (key) {
      keys.push(key);
      for (const peerId of [carol, dave]) yield { peerId, addresses: [] };
    };
    answering({ network, clock }, { [carol]: [executor(['other'])], [dave]: offer() });
    const found = service.findAlternative({ peerId: bob });
    // Bob is asked first, for it said lately that it serves, and does not answer.
    await clock.advance(50);
    expect(await found).toBe(dave);
    expect(keys).toEqual(['lloom/executor']);
    expect(await service.findAlternative({ peerId: 'of whom nothing is known' })).toBeUndefined();
    expect(keys).toHaveLength(1);
    await service.stop();
  });

  test('gives nobody when everybody was asked', async () => {
    const { service, network, clock } = await createService();
    network.names(bob, carol);
    answering({ network, clock }, { [bob]: [validator], [carol]: [] });
    expect(await service.findAlternative({ peerId: dave, model }, { signal })).toBeUndefined();
    await service.stop();
  });

  test('gives nobody after five seconds', async () => {
    const { service, network, clock } = await createService();
    network.onFind = async function* (_, asked) {
      yield { peerId: bob, addresses: [] };
      await never(asked);
    };
    network.onAsk = (_, asked) => never(asked);
    let found: string | undefined = 'nothing yet';
    const search = service.findAlternative({ peerId: dave, model }, { signal }).then((id) => (found = id));
    await clock.advance(4_999);
    expect(found).toBe('nothing yet');
    await clock.advance(1);
    expect(await search).toBeUndefined();
    await service.stop();
  });

  test('gives nobody without a DHT, without a verifier, before the start and when the service stops', async () => {
    const lost = await createService();
    lost.network.loseDht();
    expect(await lost.service.findAlternative({ peerId: dave, model }, { signal })).toBeUndefined();
    await lost.service.stop();
    expect(await lost.service.findAlternative({ peerId: dave, model }, { signal })).toBeUndefined();
    const blind = await createService({ verifier: undefined as never });
    expect(await blind.service.findAlternative({ peerId: dave, model }, { signal })).toBeUndefined();
    await blind.service.stop();
    const stopped = await createService();
    stopped.network.onFind = async function* (_, asked) {
      yield { peerId: bob, addresses: [] };
      await never(asked);
    };
    const search = stopped.service.findAlternative({ peerId: dave, model }, { signal });
    await settled();
    await stopped.service.stop();
    expect(await search).toBeUndefined();
  });

  test('is given up when its signal fires', async () => {
    const { service, network, clock } = await createService();
    let isLeft = false;
    network.onFind = async function* (_, asked) {
      asked.addEventListener('abort', () => (isLeft = true));
      yield { peerId: bob, addresses: [] };
      await never(asked);
    };
    network.onAsk = (_, asked) => never(asked);
    const [first, second] = [new AbortController(), new AbortController()];
    const query = { peerId: dave, model };
    const searches = [first, second].map((each) =>
      service.findAlternative(query, { signal: each.signal }).catch((error: unknown) => error),
    );
    await settled();
    first.abort();
    expect(await searches[0]).toSatisfy((error) => DiscoveryError.is(error, 'CANCELLED'));
    expect(isLeft).toBe(false);
    second.abort();
    expect(await searches[1]).toSatisfy((error) => DiscoveryError.is(error, 'CANCELLED'));
    expect(isLeft).toBe(true);
    expect(await service.findAlternative(query, second).catch((error: unknown) => error)).toSatisfy((error) =>
      DiscoveryError.is(error, 'CANCELLED'),
    );
    await settled();
    expect(clock.pending).toBe(1);
    await service.stop();
  });

  test('asks the DHT once for all who look for the same, and each gets one that suits it', async () => {
    const { service, network, clock } = await createService();
    let searches = 0;
    network.onFind = async function* () {
      searches++;
      for (const peerId of [bob, carol]) yield { peerId, addresses: [] };
    };
    answering({ network, clock }, { [bob]: offer(), [carol]: offer() });
    const asking = [bob, carol, dave].flatMap((peerId) =>
      Array.from({ length: 100 }, () => service.findAlternative({ peerId, model }, { signal })),
    );
    const found = await Promise.all(asking);
    expect(searches).toBe(1);
    expect(new Set(found.slice(0, 100))).toEqual(new Set([carol]));
    expect(new Set(found.slice(100, 200))).toEqual(new Set([bob]));
    expect(new Set(found.slice(200))).not.toContain(undefined);
    expect(network.asked).toHaveLength(2);
    await service.stop();
  });

  test('looks for at most 16 models at a time', async () => {
    const { service, network } = await createService();
    let searches = 0;
    network.onFind = async function* (_, asked) {
      searches++;
      yield { peerId: bob, addresses: [] };
      await never(asked);
    };
    network.onAsk = (_, asked) => never(asked);
    const asking = Array.from({ length: 40 }, (_, n) =>
      service.findAlternative({ peerId: dave, model: `model-${n}` }, { signal }),
    );
    await settled();
    expect(searches).toBe(16);
    await service.stop();
    expect(new Set(await Promise.all(asking))).toEqual(new Set([undefined]));
  });
});
