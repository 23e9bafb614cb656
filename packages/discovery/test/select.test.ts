import type { ExecutorService, ServiceType } from '@lloom/codec';
import { describe, expect, test } from 'vitest';
import { DiscoveryError } from '../src/errors.ts';
import type { Selection, SelectionQuery } from '../src/types.ts';
import {
  createService,
  descriptorFrame,
  executor,
  type FakeClock,
  never,
  peerIdOf,
  peerIds,
  validator,
} from './fakes.ts';
import { settled } from './machines.ts';

const { bob, carol, dave } = peerIds;
const eva = peerIdOf(5);
const model = 'demo-small';
const price = (outboundPrice: string, inboundPrice = '1') => ({ inboundPrice, outboundPrice });
const offer = (more: Partial<ExecutorService> = {}): ServiceType[] => [executor([model], more)];

type Offers = Record<string, readonly ServiceType[]>;

/** A service whose DHT names whoever stands here; what they offer may be changed. */
async function amid(offers: Offers, config: Parameters<typeof createService>[0] = {}) {
  const made = await createService(config);
  const { network, clock, service } = made;
  network.names(...Object.keys(offers));
  let sequence = 0;
  network.onAsk = (peerId, asked) => {
    const services = offers[peerId];
    const descriptor = { addresses: ['/ip4/127.0.0.1/tcp/5001'], sequence: ++sequence };
    return services === undefined ? never(asked) : descriptorFrame(peerId, services, { clock, descriptor });
  };
  const select = (query: Omit<SelectionQuery, 'model'> = {}, given = {}) =>
    service.selectExecutor({ model, ...query }, given);
  return { ...made, select };
}

const after = (clock: FakeClock, ms: number): Promise<void> =>
  new Promise((resolve) => void clock.setTimeout(resolve, ms));

const failure = async (promise: Promise<unknown>): Promise<DiscoveryError> =>
  promise.then(
    () => expect.fail('Expected a failure'),
    (error: unknown) => (DiscoveryError.is(error) ? error : expect.fail(String(error))),
  );

const three: Offers = {
  [bob]: offer({ pricing: price('1'), contextLength: 2_048 }),
  [carol]: offer({ pricing: price('2'), contextLength: 8_192, features: ['tools'] }),
  [dave]: offer({ pricing: price('3'), contextLength: 8_192, features: ['tools', 'vision'] }),
};

describe('selecting an executor', () => {
  test('gives the one that suits best, with its offer', async () => {
    const { service, select } = await amid(three);
    expect(await select()).toMatchObject({
      peerId: bob,
      info: { contextLength: 2_048 },
      heardAt: 1_700_000_000_000,
    });
    expect((await select({ minContext: 4_096 })).peerId).toBe(carol);
    expect((await select({ features: ['vision'] })).peerId).toBe(dave);
    expect((await select({ exclude: [bob] })).peerId).toBe(carol);
    expect((await select({ minContext: 4_096, maxPrice: '2' })).peerId).toBe(carol);
    await service.stop();
  });

  test('goes by what this node has seen of them, when that is preferred', async () => {
    const known = {
      [bob]: { latencyMs: 900, tokensPerSecond: 10 },
      [carol]: { latencyMs: 100, tokensPerSecond: 20 },
      [dave]: { latencyMs: 200, tokensPerSecond: 90 },
    };
    const experience = { performanceOf: (peerId: string) => known[peerId] };
    const { service, select } = await amid(three, { experience });
    expect((await select({ prefer: 'price' })).peerId).toBe(bob);
    expect((await select({ prefer: 'latency' })).peerId).toBe(carol);
    expect((await select({ prefer: 'throughput' })).peerId).toBe(dave);
    expect((await select({ prefer: { latency: 3, price: 1 } })).peerId).toBe(carol);
    await service.stop();
  });

  test('passes over those with a bad reputation, and says so', async () => {
    const held = { [bob]: { reputation: -60 }, [carol]: { reputation: -20 }, [dave]: { reputation: 3 } };
    const experience = { performanceOf: (peerId: string) => held[peerId] };
    const { service, select } = await amid(three, { experience });
    const chosen = await select({ prefer: 'price' });
    expect(chosen.peerId).toBe(dave);
    const { candidates, rejected, text } = chosen.explain();
    expect(candidates.map(({ reputation }) => reputation)).toEqual([3, -20]);
    expect(rejected).toEqual([{ peerId: bob, reason: 'REPUTATION' }]);
    expect(text).toMatch(/reputation 3$/m);
    expect(text).toMatch(/score 0\.00, .*reputation -20$/m);
    expect(service.alternativeTo({ peerId: dave, model })).toBe(carol);
    await service.stop();
  });

  test('takes who is free before who is busy', async () => {
    const { service, select } = await amid({
      [bob]: offer({ pricing: price('1'), freeSlots: 0 }),
      [carol]: offer({ pricing: price('9'), freeSlots: 1 }),
    });
    expect((await select({ prefer: 'price' })).peerId).toBe(carol);
    await service.stop();
  });

  test('asks nobody again whom it has heard lately', async () => {
    const { service, network, select } = await amid(three);
    await select();
    const asked = network.asked.length;
    await select({ prefer: 'price' });
    expect(network.asked).toHaveLength(asked);
    await select({}, { maxAgeMs: 0 });
    expect(network.asked).toHaveLength(2 * asked);
    await service.stop();
  });

  test('fails over to the next one of the order', async () => {
    const { service, select } = await amid(three);
    const order = (await select()).explain().candidates.map(({ provider }) => provider.peerId);
    expect(order).toEqual([bob, carol, dave]);
    expect(service.alternativeTo({ peerId: bob, model })).toBe(carol);
    expect(service.alternativeTo({ peerId: bob, model, exclude: [carol] })).toBe(dave);
    await service.stop();
  });

  // By price and latency together each one's place depends on whom it is compared with.
  const entangled: readonly (readonly [peerId: string, price: string, latencyMs: number])[] = [
    [bob, '0', 10],
    [carol, '10', 45],
    [dave, '14', 20],
    [eva, '14', 50],
  ];
  const amidEntangled = () => {
    const offers = entangled.map(([peerId, outboundPrice]) => [
      peerId,
      offer({ pricing: price(outboundPrice) }),
    ]);
    const latency = new Map(entangled.map(([peerId, , latencyMs]) => [peerId, latencyMs]));
    const performanceOf = (peerId: string) => ({ latencyMs: latency.get(peerId)! });
    return amid(Object.fromEntries(offers), { experience: { performanceOf } });
  };
  const orderOf = (selection: Selection): string[] =>
    selection.explain().candidates.map(({ provider }) => provider.peerId);

  test('fails over to the next one also when the first was the measure of the others', async () => {
    const { service, network, select } = await amidEntangled();
    const [first, ...others] = orderOf(await select());
    const exclude: string[] = [];
    for (const next of others) {
      expect(service.alternativeTo({ peerId: first!, model, exclude })).toBe(next);
      exclude.push(next);
    }
    network.watcher?.onDisconnect(first!);
    expect(service.alternativeTo({ peerId: first!, model })).toBe(others[0]);
    await service.stop();
  });

  test('leaves the others in their order when one is excluded', async () => {
    const { service, select } = await amidEntangled();
    const [first, ...others] = orderOf(await select());
    const chosen = await select({ exclude: [first!] });
    expect(orderOf(chosen)).toEqual(others);
    expect(chosen.explain().rejected).toEqual([{ peerId: first, reason: 'EXCLUDED' }]);
    await service.stop();
  });

  test('puts equals into the order in which it fails over', async () => {
    const { service, select } = await amid({ [bob]: offer(), [carol]: offer(), [dave]: offer() });
    const [first, second, third] = (await select())
      .explain()
      .candidates.map(({ provider }) => provider.peerId);
    expect(service.alternativeTo({ peerId: first!, model })).toBe(second);
    expect(service.alternativeTo({ peerId: first!, model, exclude: [second!] })).toBe(third);
    await service.stop();
  });
});

describe('the explanation', () => {
  test('has the figures of all, and why not the others', async () => {
    const experience = {
      performanceOf: (peerId: string) => (peerId === dave ? { latencyMs: 12.3456 } : undefined),
    };
    const { service, select } = await amid({ ...three, [eva]: [validator] }, { experience });
    const query = { features: ['tools'], prefer: 'price' } as const;
    const { text, ...explanation } = (await select(query)).explain();
    expect(explanation).toEqual({
      query: { model, ...query },
      weights: { price: 1, latency: 0, throughput: 0 },
      candidates: [
        {
          provider: expect.objectContaining({ peerId: carol }),
          score: 1,
          isFree: true,
          figures: { price: { value: 7, score: 1 }, latency: { score: 1 }, throughput: { score: 1 } },
        },
        {
          provider: expect.objectContaining({ peerId: dave }),
          score: 0,
          isFree: true,
          figures: {
            price: { value: 10, score: 0 },
            latency: { value: 12.3456, score: 1 },
            throughput: { score: 1 },
          },
        },
      ],
      rejected: [
        { peerId: eva, reason: 'NOT_OFFERED' },
        { peerId: bob, reason: 'FEATURE_MISSING' },
      ],
    });
    expect(text).toBe(
      [
        `Selected ${carol} for model "demo-small": 1 more suits; what counts: price 100 %`,
        `1. ${carol}: score 1.00, free, price 7 wei for 1 token in and 3 out, latency unknown, throughput unknown`,
        `2. ${dave}: score 0.00, free, price 10 wei for 1 token in and 3 out, latency 12.3 ms, throughput unknown`,
        `- ${eva}: NOT_OFFERED`,
        `- ${bob}: FEATURE_MISSING`,
      ].join('\n'),
    );
    await service.stop();
  });

  test('is plain data of the time of the choice, the same each time', async () => {
    const latency = { [bob]: 10, [carol]: 20 };
    const experience = { performanceOf: (peerId: string) => ({ latencyMs: latency[peerId]! }) };
    const { service, select } = await amid({ [bob]: offer(), [carol]: offer() }, { experience });
    const chosen = await select({ prefer: 'latency' });
    latency[bob] = 99;
    const explanation = chosen.explain();
    expect(explanation.candidates.map(({ figures }) => figures.latency.value)).toEqual([10, 20]);
    expect(chosen.explain()).toBe(explanation);
    expect(structuredClone(explanation)).toEqual(explanation);
    expect(() => Object.assign(explanation.candidates[0]!.figures.price, { score: 5 })).toThrow(TypeError);
    expect(Object.isFrozen(chosen.info)).toBe(false);
    await service.stop();
  });
});

describe('when nobody suits', () => {
  test('the error has every reason', async () => {
    const { service, select } = await amid({ ...three, [eva]: [validator] });
    const query = { maxPrice: '1', minContext: 8_192, exclude: [dave] };
    expect(await failure(select(query))).toMatchObject({
      code: 'NO_PROVIDERS',
      data: {
        kind: 'executor',
        model,
        asked: 4,
        confirmed: 3,
        rejected: [
          { peerId: eva, reason: 'NOT_OFFERED' },
          { peerId: bob, reason: 'CONTEXT_TOO_SHORT' },
          { peerId: carol, reason: 'PRICE_TOO_HIGH' },
          { peerId: dave, reason: 'EXCLUDED' },
        ],
      },
      message: expect.stringContaining('that suits'),
    });
    await service.stop();
  });

  test('nobody offers the model, the error is that of a search', async () => {
    const { service, select } = await amid({ [bob]: [executor(['other'])] });
    expect(await failure(select())).toMatchObject({
      code: 'NO_PROVIDERS',
      data: { asked: 1, confirmed: 0, rejected: [{ peerId: bob, reason: 'NOT_OFFERED' }] },
    });
    await service.stop();
  });

  test('of those that were heard lately, all are asked once more', async () => {
    const offers: Offers = { [bob]: offer({ pricing: price('5') }) };
    const { service, network, select } = await amid(offers);
    await select();
    offers[bob] = offer({ pricing: price('4') });
    expect((await select({ maxPrice: '4' })).info).toMatchObject({ pricing: price('4') });
    expect(network.asked).toEqual([bob, bob]);
    await failure(select({ maxPrice: '3' }, { maxAgeMs: 0 }));
    expect(network.asked).toHaveLength(3);
    await service.stop();
  });

  test('and nobody can be asked any more, the reasons are those that are known', async () => {
    const { service, network, select } = await amid({ [bob]: offer({ pricing: price('5') }) });
    await select();
    network.loseDht();
    network.onAsk = () => Promise.reject(new Error('gone'));
    expect(await failure(select({ maxPrice: '4' }))).toMatchObject({
      code: 'NO_PROVIDERS',
      data: { rejected: [{ peerId: bob, reason: 'PRICE_TOO_HIGH' }] },
      cause: { code: 'NO_DHT' },
    });
    await service.stop();
  });

  test('both searches together take no longer than one may', async () => {
    const { service, network, clock, select } = await amid({ [bob]: offer({ pricing: price('5') }) });
    await service.describeService(bob);
    network.names(bob, carol);
    // The first one is over when Carol has refused; nobody answers the second one.
    network.onAsk = async (_, asked) => {
      if (network.asked.length > 2) return never(asked);
      await after(clock, 600);
      throw new Error('gone');
    };
    const failed = failure(select({ maxPrice: '4' }, { timeoutMs: 1_000 }));
    let isOver = false;
    void failed.then(() => (isOver = true));
    await clock.advance(999);
    expect(network.asked).toHaveLength(4);
    expect(isOver).toBe(false);
    await clock.advance(1);
    expect(await failed).toMatchObject({
      code: 'NO_PROVIDERS',
      data: {
        asked: 2,
        confirmed: 1,
        rejected: [
          { peerId: carol, reason: 'UNREACHABLE' },
          { peerId: bob, reason: 'PRICE_TOO_HIGH' },
        ],
      },
      cause: { code: 'QUERY_TIMEOUT' },
    });
    await service.stop();
  });
});

describe('selecting ends', () => {
  test('when the query cannot be used; nobody was asked', async () => {
    const { service, network } = await amid(three);
    const query = { model, prefer: 'speed' } as unknown as SelectionQuery;
    expect(await failure(service.selectExecutor(query))).toMatchObject({
      code: 'INVALID_QUERY',
      data: { path: 'prefer', got: '"speed"' },
    });
    expect(network.asked).toEqual([]);
    await service.stop();
  });

  test('when its signal fires, also during the second search', async () => {
    const { service, network, select } = await amid({ [bob]: offer({ pricing: price('5') }) });
    await select();
    network.onAsk = (_, asked) => never(asked);
    const controller = new AbortController();
    const failed = failure(select({ maxPrice: '4' }, { signal: controller.signal }));
    await settled();
    controller.abort();
    expect(await failed).toMatchObject({ code: 'CANCELLED' });
    await service.stop();
    expect(await failure(select())).toMatchObject({ code: 'STOPPED' });
  });
});
