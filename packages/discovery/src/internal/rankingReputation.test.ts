import { expect, test } from 'vitest';
import { alike, rank, suits, type Offerer, type RankingQuery, type Weights } from './ranking.ts';

const priceFirst: Weights = { price: 1, latency: 0, throughput: 0 };

type Peers = Readonly<
  Record<string, { readonly price?: string; readonly reputation?: number; readonly isBusy?: boolean }>
>;

const models = new Set(['demo-small']);

function ranked(peers: Peers, query: Partial<RankingQuery> = {}) {
  const offerers = Object.entries(peers).map(([peerId, { price, isBusy }]): Offerer => ({
    peerId,
    info: {
      kind: 'executor',
      models: [...models],
      capacity: 4,
      ...(price !== undefined && { pricing: { inboundPrice: '0', outboundPrice: price } }),
      ...(isBusy === true && { freeSlots: 0 }),
    },
  }));
  const ports = { performanceOf: (peerId: string) => peers[peerId], turnOf: () => 0 };
  const asked = { models, weights: alike, ...query };
  const { candidates, rejected } = rank(asked, offerers, ports);
  // A search settles for nobody whom it could not be.
  const settled = offerers.filter((offerer) => suits(asked, offerer, ports)).map(({ peerId }) => peerId);
  expect(settled.toSorted()).toEqual(candidates.map(({ provider }) => provider.peerId).toSorted());
  return { candidates, rejected };
}

const order = (peers: Peers, query: Partial<RankingQuery> = {}): string[] =>
  ranked(peers, query).candidates.map(({ provider }) => provider.peerId);

const reasons = (peers: Peers, query: Partial<RankingQuery>): Record<string, string> =>
  Object.fromEntries(ranked(peers, query).rejected.map(({ peerId, reason }) => [peerId, reason]));

const scores = (peers: Peers, query: Partial<RankingQuery> = {}): Record<string, number> =>
  Object.fromEntries(ranked(peers, query).candidates.map(({ provider, score }) => [provider.peerId, score]));

test('a reputation of -50 or less rules a peer out, for a search as well', () => {
  const peers: Peers = {
    banned: { reputation: -100, price: '1' },
    shunned: { reputation: -50 },
    odd: { reputation: Number.NaN },
    tolerated: { reputation: -49 },
  };
  expect(order(peers).toSorted()).toEqual(['odd', 'tolerated']);
  expect(reasons(peers, {})).toEqual({ banned: 'REPUTATION', shunned: 'REPUTATION' });
  expect(reasons(peers, { exclude: new Set(['banned']) })['banned']).toBe('EXCLUDED');
});

test('a reputation below 0 takes its share of the score, all of it at -20; above 0 it gives nothing', () => {
  const peers: Peers = {
    good: { price: '1', reputation: 100 },
    new: { price: '1' },
    doubtful: { price: '1', reputation: -5 },
    bad: { price: '1', reputation: -20 },
    worse: { price: '1', reputation: -40 },
  };
  expect(scores(peers)).toEqual({ good: 1, new: 1, doubtful: 0.75, bad: 0, worse: 0 });
  expect(order(peers).indexOf('doubtful')).toBe(2);
});

test('a reputation of -20 or less puts a peer behind all others, however cheap it is, and behind the worst of them', () => {
  const peers: Peers = {
    cheap: { price: '1', reputation: -20 },
    cheaper: { price: '0', reputation: -45 },
    dear: { price: '9' },
    doubtful: { price: '9', reputation: -10 },
  };
  expect(order(peers, { weights: priceFirst })).toEqual(['dear', 'doubtful', 'cheaper', 'cheap']);
  expect(order(peers)).toEqual(['dear', 'doubtful', 'cheaper', 'cheap']);
});

test('a reputation is weighed against the figures: a little doubt costs a little', () => {
  const peers: Peers = {
    cheap: { price: '1', reputation: -4 },
    middle: { price: '5' },
    dear: { price: '9' },
  };
  expect(scores(peers, { weights: priceFirst })).toEqual({ cheap: 0.8, middle: 0.5, dear: 0 });
});

test('no reputation puts a busy peer before a free one', () => {
  const peers: Peers = { busy: { isBusy: true }, bad: { reputation: -30 } };
  expect(order(peers)).toEqual(['bad', 'busy']);
});

test('a reputation is told with the candidate', () => {
  const { candidates } = ranked({ a: { reputation: -4 }, b: {} });
  expect(candidates.map(({ reputation: held }) => held)).toEqual([undefined, -4]);
});
