import type { ExecutorService } from '@lloom/codec';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PeerPerformance } from '../ports.ts';
import { alike, rank, suits, Turns, type Offerer, type RankingQuery, type Weights } from './ranking.ts';

const model = 'demo-small';
const priceFirst: Weights = { price: 1, latency: 0, throughput: 0 };
const latencyFirst: Weights = { price: 0, latency: 1, throughput: 0 };
const throughputFirst: Weights = { price: 0, latency: 0, throughput: 1 };

interface Given extends PeerPerformance {
  /** Of a token of the answer; tokens of the question cost nothing. */
  readonly price?: string | undefined;
  readonly offer?: Partial<ExecutorService> | undefined;
}

type Peers = Readonly<Record<string, Given>>;

const turns = new Turns({ float: () => 0.5, bytes: (length) => new Uint8Array(length) });

const offererOf = (peerId: string, { price, offer }: Given): Offerer => ({
  peerId,
  info: {
    kind: 'executor',
    models: [model],
    capacity: 4,
    ...(price !== undefined && { pricing: { inboundPrice: '0', outboundPrice: price } }),
    ...offer,
  },
});

function ranked(peers: Peers, query: Partial<RankingQuery> = {}) {
  const offerers = Object.entries(peers).map(([peerId, given]) => offererOf(peerId, given));
  return rank({ models: new Set([model]), weights: alike, ...query }, offerers, {
    performanceOf: (peerId) => peers[peerId],
    turnOf: turns.of,
  });
}

const order = (peers: Peers, query: Partial<RankingQuery> = {}): string[] =>
  ranked(peers, query).candidates.map(({ provider }) => provider.peerId);

const reasons = (peers: Peers, query: Partial<RankingQuery>): Record<string, string> =>
  Object.fromEntries(ranked(peers, query).rejected.map(({ peerId, reason }) => [peerId, reason]));

const scores = (peers: Peers, query: Partial<RankingQuery> = {}): Record<string, number> =>
  Object.fromEntries(ranked(peers, query).candidates.map(({ provider, score }) => [provider.peerId, score]));

describe('who does not suit', () => {
  test('is out, with the reason', () => {
    const peers: Peers = {
      excluded: { price: '1' },
      silent: {},
      dear: { price: '6' },
      dearQuestions: { offer: { pricing: { inboundPrice: '4', outboundPrice: '1' } } },
      exact: { price: '5', offer: { pricing: { inboundPrice: '3', outboundPrice: '5' } } },
      dearModel: {
        price: '1',
        offer: { modelPricing: { [model]: { inboundPrice: '0', outboundPrice: '6' } } },
      },
    };
    const maxPrice = { inboundPrice: '3', outboundPrice: '5' };
    const query = { maxPrice, exclude: new Set(['excluded']) };
    expect(order(peers, query)).toEqual(['exact']);
    expect(reasons(peers, query)).toEqual({
      excluded: 'EXCLUDED',
      silent: 'PRICE_UNKNOWN',
      dear: 'PRICE_TOO_HIGH',
      dearQuestions: 'PRICE_TOO_HIGH',
      dearModel: 'PRICE_TOO_HIGH',
    });
  });

  test('has too short a context, or lacks a feature, or says neither', () => {
    const peers: Peers = {
      long: { offer: { contextLength: 8_192, features: ['tools', 'vision'] } },
      short: { offer: { contextLength: 8_191, features: ['tools'] } },
      unknown: { offer: { features: ['tools'] } },
      plain: { offer: { contextLength: 8_192 } },
    };
    expect(reasons(peers, { minContext: 8_192, features: ['tools'] })).toEqual({
      short: 'CONTEXT_TOO_SHORT',
      unknown: 'CONTEXT_UNKNOWN',
      plain: 'FEATURE_MISSING',
    });
  });

  test('does not move the scale for the others', () => {
    const peers: Peers = { a: { price: '1' }, b: { price: '3' }, out: { price: '1000' } };
    const maxPrice = { inboundPrice: '0', outboundPrice: '3' };
    expect(scores(peers, { weights: priceFirst, maxPrice })).toEqual({ a: 1, b: 0 });
  });

  test('is compared with the others when it is only excluded', () => {
    const peers: Peers = { a: { price: '1' }, b: { price: '3' }, out: { price: '5' }, dear: { price: '9' } };
    const maxPrice = { inboundPrice: '0', outboundPrice: '5' };
    const query = { weights: priceFirst, maxPrice, exclude: new Set(['out', 'dear']) };
    expect(scores(peers, query)).toEqual({ a: 1, b: 0.5 });
    expect(reasons(peers, query)).toEqual({ out: 'EXCLUDED', dear: 'EXCLUDED' });
  });

  test('serves another model only, or is no executor: nobody asked for it', () => {
    const other = offererOf('a', { offer: { models: ['other'] } });
    const validator: Offerer = { peerId: 'b', info: { kind: 'validator', stake: '1' } };
    const ports = { performanceOf: () => undefined, turnOf: turns.of };
    const query = { models: new Set([model]), weights: alike };
    expect(rank(query, [other, validator], ports)).toEqual({ candidates: [], rejected: [] });
    expect([suits(query, other, ports), suits(query, validator, ports)]).toEqual([false, false]);
  });
});

describe('the order', () => {
  test('has free ones before busy ones, and of these the shorter queue first, whatever the price', () => {
    const peers: Peers = {
      queued: { price: '1', offer: { freeSlots: 0, queueDepth: 2 } },
      busy: { price: '2', offer: { freeSlots: 0, queueDepth: 1 } },
      quiet: { price: '3' },
      free: { price: '4', offer: { freeSlots: 1 } },
    };
    expect(order(peers)).toEqual(['quiet', 'free', 'busy', 'queued']);
    expect(ranked(peers).candidates.map(({ isFree }) => isFree)).toEqual([true, true, false, false]);
  });

  test('is that of the figure that decides alone; the others decide among equals', () => {
    const peers: Peers = {
      a: { price: '5', latencyMs: 10, tokensPerSecond: 10 },
      b: { price: '5', latencyMs: 5, tokensPerSecond: 20 },
      c: { price: '4', latencyMs: 99, tokensPerSecond: 1 },
    };
    expect(order(peers, { weights: priceFirst, tieWeights: alike })).toEqual(['c', 'b', 'a']);
    expect(order(peers, { weights: latencyFirst, tieWeights: alike })).toEqual(['b', 'a', 'c']);
    expect(order(peers, { weights: throughputFirst, tieWeights: alike })).toEqual(['b', 'a', 'c']);
  });

  test('follows the weights', () => {
    const peers: Peers = { cheap: { price: '1', latencyMs: 100 }, fast: { price: '2', latencyMs: 10 } };
    expect(order(peers, { weights: { price: 2, latency: 1, throughput: 0 } })).toEqual(['cheap', 'fast']);
    expect(order(peers, { weights: { price: 1, latency: 2, throughput: 0 } })).toEqual(['fast', 'cheap']);
  });

  test('counts the price of the model before that of all, and answers three times', () => {
    const pricing = (inboundPrice: string, outboundPrice: string) => ({ inboundPrice, outboundPrice });
    const peers: Peers = {
      answers: { offer: { pricing: pricing('1', '10') } },
      questions: { offer: { pricing: pricing('20', '4') } },
      special: { offer: { pricing: pricing('1', '10'), modelPricing: { [model]: pricing('1', '9') } } },
    };
    expect(ranked(peers).candidates.map(({ provider, figures }) => [provider.peerId, figures.price])).toEqual(
      [
        ['special', { value: 28, score: 1 }],
        ['answers', { value: 31, score: 0.25 }],
        ['questions', { value: 32, score: 0 }],
      ],
    );
  });

  test('knows prices apart that are one number', () => {
    const dear = `1${'0'.repeat(77)}`;
    const peers: Peers = {
      a: { price: '1' },
      b: { price: '2' },
      c: { price: dear },
      d: { price: '9'.repeat(77) },
    };
    expect(order(peers, { weights: priceFirst, tieWeights: alike })).toEqual(['a', 'b', 'd', 'c']);
    expect(order(peers)).toEqual(['a', 'b', 'd', 'c']);
  });

  test('takes what is not known for the middle of what is', () => {
    const peers: Peers = {
      fast: { latencyMs: 10 },
      newcomer: {},
      middle: { latencyMs: 20 },
      slow: { latencyMs: 40 },
      slowest: { latencyMs: 60 },
    };
    expect(scores(peers, { weights: latencyFirst })).toMatchObject({ fast: 1, newcomer: 0.6, slowest: 0 });
    expect(order(peers, { weights: latencyFirst })).toEqual([
      'fast',
      'middle',
      'newcomer',
      'slow',
      'slowest',
    ]);
    const { candidates } = ranked(peers, { weights: latencyFirst });
    expect(candidates.find(({ provider }) => provider.peerId === 'newcomer')?.figures.latency).toEqual({
      score: 0.6,
    });
  });

  test('takes a price that is not named for the highest: who asks for more gains nothing by silence', () => {
    const peers: Peers = { a: { price: '1' }, b: { price: '5' }, c: { price: '9' }, hidden: {} };
    expect(order(peers, { weights: priceFirst })).toEqual(['a', 'b', 'c', 'hidden']);
    expect(order({ hidden: {}, named: { price: '1000' } })).toEqual(['named', 'hidden']);
  });

  test('makes one of everything, when there is nothing to compare', () => {
    expect(scores({ alone: { price: '5', latencyMs: 3 } })).toEqual({ alone: 1 });
    expect(scores({ a: {}, b: {} })).toEqual({ a: 1, b: 1 });
    expect(scores({ a: { price: '5' }, b: { price: '5' } })).toEqual({ a: 1, b: 1 });
    expect(ranked({})).toEqual({ candidates: [], rejected: [] });
  });

  test('takes no figure that is none', () => {
    const peers: Peers = {
      a: { latencyMs: Number.NaN, tokensPerSecond: Number.POSITIVE_INFINITY },
      b: { latencyMs: -1, tokensPerSecond: Number.NaN },
    };
    expect(scores(peers)).toEqual({ a: 1, b: 1 });
  });
});

// Few different values, so that equals are met often, and some that no number holds.
const price = fc.oneof(
  fc.constantFrom('0', '1', '2', '7', '10'),
  fc.bigInt({ min: 0n, max: 10n ** 77n }).map(String),
);
const figure = fc.oneof(
  fc.constantFrom(0, 1, 5, 10),
  fc.double({ min: 0, max: 1e6, noNaN: true }),
  fc.constantFrom(Number.MAX_VALUE, Number.MIN_VALUE),
);
const reputation = fc.oneof(
  fc.constantFrom(-100, -50, -49, -20, -10, 0, 100),
  fc.integer({ min: -30, max: 5 }),
);
const unset = { nil: undefined };
const given = fc.record({
  price: fc.option(price, unset),
  latencyMs: fc.option(figure, unset),
  tokensPerSecond: fc.option(figure, unset),
  reputation: fc.option(reputation, unset),
  offer: fc.record(
    {
      freeSlots: fc.integer({ min: 0, max: 2 }),
      queueDepth: fc.integer({ min: 0, max: 2 }),
      contextLength: fc.constantFrom(1_024, 8_192),
      features: fc.subarray(['tools', 'vision']),
    },
    { requiredKeys: [] },
  ),
}) as fc.Arbitrary<Given>;
const manyPeers = fc.dictionary(fc.stringMatching(/^[a-z]{1,4}$/), given, {
  maxKeys: 12,
  noNullPrototype: true,
});
const weight = fc.constantFrom(0, 0, 1, 2, 0.3);
const weights = fc
  .record({ price: weight, latency: weight, throughput: weight })
  .filter(({ price: a, latency: b, throughput: c }) => a + b + c > 0);
const query = fc.record(
  {
    weights,
    tieWeights: fc.constant(alike),
    maxPrice: fc.record({ inboundPrice: price, outboundPrice: price }),
    minContext: fc.constantFrom(1, 8_192),
    features: fc.subarray(['tools', 'vision']),
    exclude: fc.array(fc.stringMatching(/^[a-z]$/)).map((peerIds) => new Set(peerIds)),
  },
  { requiredKeys: ['weights'] },
);

describe('whatever is offered', () => {
  test('everybody is either ranked or rejected, once, and only those are ranked who suit', () => {
    fc.assert(
      fc.property(manyPeers, query, (peers, asked) => {
        const { candidates, rejected } = ranked(peers, asked);
        const all = [
          ...candidates.map(({ provider }) => provider.peerId),
          ...rejected.map((each) => each.peerId),
        ];
        expect(all.toSorted()).toEqual(Object.keys(peers).toSorted());
        for (const { provider } of candidates) {
          const { price: asks, offer } = peers[provider.peerId]!;
          expect(asked.exclude?.has(provider.peerId) ?? false).toBe(false);
          const mostAllowed = BigInt(asked.maxPrice?.outboundPrice ?? asks ?? 0);
          expect(BigInt(asks ?? 0) <= mostAllowed).toBe(true);
          expect(asks === undefined && asked.maxPrice !== undefined).toBe(false);
          expect(offer?.contextLength ?? Infinity).toBeGreaterThanOrEqual(asked.minContext ?? 0);
          expect(offer?.features ?? []).toEqual(expect.arrayContaining([...(asked.features ?? [])]));
        }
      }),
    );
  });

  test('those are ranked of whom it can be told alone that they suit', () => {
    fc.assert(
      fc.property(manyPeers, query, (peers, asked) => {
        const suitable = Object.entries(peers).filter(([peerId, each]) =>
          suits({ models: new Set([model]), ...asked }, offererOf(peerId, each), {
            performanceOf: () => each,
          }),
        );
        expect(suitable.map(([peerId]) => peerId).toSorted()).toEqual(order(peers, asked).toSorted());
      }),
    );
  });

  test('who is left out changes nothing among the others', () => {
    fc.assert(
      fc.property(manyPeers, query, ({ ...peers }, { exclude, ...asked }) => {
        const left = ranked(peers, asked).candidates.filter(
          ({ provider }) => exclude?.has(provider.peerId) !== true,
        );
        expect(ranked(peers, { ...asked, ...(exclude && { exclude }) }).candidates).toEqual(left);
      }),
    );
  });

  test('scores and figures are numbers from 0 to 1', () => {
    fc.assert(
      fc.property(manyPeers, query, (peers, asked) => {
        for (const { score, figures } of ranked(peers, asked).candidates)
          for (const value of [score, ...Object.values(figures).map((each) => each.score)]) {
            expect(value).toBeGreaterThanOrEqual(0);
            expect(value).toBeLessThanOrEqual(1);
          }
      }),
    );
  });

  test('the order in which they are found changes nothing', () => {
    const shuffled = manyPeers.chain((peers) =>
      fc.tuple(
        fc.constant(peers),
        fc.shuffledSubarray(Object.entries(peers), { minLength: Object.keys(peers).length }),
      ),
    );
    fc.assert(
      fc.property(shuffled, query, ([peers, entries], asked) => {
        expect(ranked(Object.fromEntries(entries), asked).candidates).toEqual(
          ranked(peers, asked).candidates,
        );
      }),
    );
  });

  test('free ones come first, and the one that is better in everything comes before the other', () => {
    const plain = fc.record({ price, latencyMs: fc.nat(1e6), tokensPerSecond: fc.nat(1e6) });
    fc.assert(
      fc.property(fc.array(plain, { maxLength: 8 }), plain, weights, (others, worse, asked) => {
        const better = {
          price: (BigInt(worse.price) / 2n).toString(),
          latencyMs: worse.latencyMs / 2,
          tokensPerSecond: worse.tokensPerSecond + 1,
        };
        const peers = {
          ...Object.fromEntries(others.map((each, at) => [`other${at}`, each])),
          worse,
          better,
        };
        const found = scores(peers, { weights: asked });
        expect(found['better']).toBeGreaterThanOrEqual(found['worse']!);
        const busy = { ...peers, better: { ...better, offer: { freeSlots: 0 } } };
        expect(order(busy, { weights: asked }).at(-1)).toBe('better');
      }),
    );
  });

  test('asking for less never costs a place', () => {
    fc.assert(
      fc.property(manyPeers, weights, fc.tuple(given, price, price), (peers, asked, [own, one, other]) => {
        const [less, more] = BigInt(one) < BigInt(other) ? [one, other] : [other, one];
        const placeOf = (asks: string): number =>
          order({ ...peers, OWN: { ...own, price: asks } }, { weights: asked }).indexOf('OWN');
        expect(placeOf(less)).toBeLessThanOrEqual(placeOf(more));
      }),
    );
  });

  test('one that is no better and no worse than all others changes nothing among them', () => {
    const plain = fc.record({
      price: fc.nat(20).map(String),
      latencyMs: fc.nat(20),
      tokensPerSecond: fc.nat(20),
    });
    fc.assert(
      fc.property(
        fc.array(plain, { minLength: 2, maxLength: 8 }),
        weights,
        fc.nat(),
        (others, asked, pick) => {
          const peers = Object.fromEntries(others.map((each, at) => [`other${at}`, each]));
          const added = { ...peers, added: others[pick % others.length]! };
          expect(order(added, { weights: asked }).filter((peerId) => peerId !== 'added')).toEqual(
            order(peers, { weights: asked }),
          );
        },
      ),
    );
  });

  // By several figures it may: the worst and the best of all make the scale of each.
  test('one that is worse than the first does not take its place from it, when a single figure decides', () => {
    const plain = fc.record({ price, latencyMs: figure, tokensPerSecond: figure });
    const single = fc.constantFrom(priceFirst, latencyFirst, throughputFirst);
    fc.assert(
      fc.property(fc.array(plain, { minLength: 1, maxLength: 8 }), plain, single, (others, more, asked) => {
        const peers = Object.fromEntries(others.map((each, at) => [`other${at}`, each]));
        const before = order(peers, { weights: asked });
        const after = order({ ...peers, more }, { weights: asked });
        expect(after.filter((peerId) => peerId !== 'more')).toEqual(before);
      }),
    );
  });
});
