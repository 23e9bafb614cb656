import { expect, test } from 'vitest';
import type { PeerPerformance } from '../ports.ts';
import { alike, rank } from './ranking.ts';

const model = 'demo-small';

/** In their order, with what they were ranked by. */
function ranked(known: Readonly<Record<string, PeerPerformance>>, freeSlots?: number) {
  const providers = Object.keys(known).map((peerId, at) => ({
    peerId,
    info: {
      kind: 'executor' as const,
      models: [model],
      capacity: 4,
      pricing: { inboundPrice: '1', outboundPrice: String(at + 1) },
      ...(freeSlots !== undefined && { freeSlots }),
    },
  }));
  const ports = { performanceOf: (peerId: string) => known[peerId], turnOf: () => 0 };
  const { candidates } = rank({ models: new Set([model]), weights: alike }, providers, ports);
  return candidates.map(({ provider, isFree, isAvoided }) => [provider.peerId, isFree, isAvoided]);
}

test('who has as many requests of this node as its whole capacity is busy, whatever it announced', () => {
  const known = { cheap: { underWay: 4 }, dear: { underWay: 3 } };
  expect(ranked(known, 4)).toEqual([
    ['dear', true, undefined],
    ['cheap', false, undefined],
  ]);
});

test('of those that have more than that, the one with less of it comes first', () => {
  const known = { more: { underWay: 7 }, less: { underWay: 5 } };
  expect(ranked(known).map(([peerId]) => peerId)).toEqual(['less', 'more']);
});

test('who is avoided comes behind busy ones, and is not out', () => {
  const known = { silent: { isAvoided: true }, busy: { underWay: 9 } };
  expect(ranked(known)).toEqual([
    ['busy', false, undefined],
    ['silent', true, true],
  ]);
});

test('what is no number of requests counts as none', () => {
  const known = { cheap: { underWay: Number.NaN }, dear: { underWay: -1 } };
  expect(ranked(known).map(([, isFree]) => isFree)).toEqual([true, true]);
});
