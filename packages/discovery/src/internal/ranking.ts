import type { ExecutorService, PricingInfo } from '@lloom/codec';
import type { Random } from '@lloom/core';
import type { PeerPerformance } from '../ports.ts';
import type { Preference, Provider, RankedCandidate, Rejection, Unsuitable } from '../types.ts';
import { fnv1a } from './fnv1a.ts';

/** How much each figure counts. */
export type Weights = Readonly<Record<Preference, number>>;

/** Nothing counts more than anything else. */
export const alike: Weights = Object.freeze({ price: 1, latency: 1, throughput: 1 });

/** What is demanded, and what counts. */
export interface RankingQuery {
  /** One of them has to be served; the price is that of the first one that the executor names. */
  readonly models: ReadonlySet<string>;
  /** The most that a token of the question, and one of the answer, may cost. */
  readonly maxPrice?: PricingInfo;
  readonly minContext?: number;
  readonly features?: readonly string[];
  /** They are out, and compared with the others all the same: leaving one out does not reorder the rest. */
  readonly exclude?: ReadonlySet<string>;
  readonly weights: Weights;
  /** What decides among those that are equal by `weights`. @default nothing */
  readonly tieWeights?: Weights;
}

/** What is known of peers beside their offers. */
export interface RankingPorts {
  performanceOf(peerId: string): PeerPerformance | undefined;
  /** Puts equals into an order. */
  turnOf(peerId: string): number;
}

/** Who can be ranked. */
export type Offerer = Pick<Provider, 'peerId' | 'info'>;

/** One who suits. */
export interface Ranked<P extends Offerer> extends Omit<RankedCandidate, 'provider'> {
  readonly provider: P;
}

/** All who were looked at: those who suit, the best one first, and the others. */
export interface Ranking<P extends Offerer> {
  readonly candidates: readonly Ranked<P>[];
  readonly rejected: readonly (Rejection & { readonly reason: Unsuitable })[];
}

/** One who suits, with what is known of it. */
interface Suitor<P extends Offerer> {
  readonly provider: P;
  readonly offer: ExecutorService;
  readonly price: bigint | undefined;
  readonly latency: number | undefined;
  /** Over an open connection. */
  readonly roundTrip: number | undefined;
  readonly throughput: number | undefined;
  readonly reputation: number | undefined;
  readonly isAvoided: boolean;
  readonly underWay: number;
}

/** A figure of all candidates. */
interface Scale {
  /** As it is known. */
  readonly value: (at: number) => number | undefined;
  /** From 0 to 1. */
  readonly scores: readonly number[];
  /** Below 0 when the first one is better, without what scores lose by rounding. */
  readonly compare: (a: number, b: number) => number;
  /** Whether it tells candidates from one another. */
  readonly differs: boolean;
}

const preferences = ['price', 'latency', 'throughput'] as const;

/**
 * Ranks executors. Who does not suit is out. Those that are avoided now come last. Free ones come before busy ones, and of these
 * the one with the shorter queue; whoever has as many requests of this node as its whole capacity is busy. Among equals so far
 * the highest score counts: the sum of the weighted figures, each from 0 for the worst to 1 for the best of all who
 * suit, excluded or not. A latency or throughput that is not known counts like the middle of those that are: newcomers are neither punished
 * nor preferred. A price that is not named counts like the highest that is: whoever asks for more than others must not gain
 * by not saying so. A reputation below 0 takes its share of the score, all of it at -20; who has less left comes behind whoever has
 * the same score.
 *
 * The order is total, does not depend on the order of `providers` nor on who is excluded, and asking for less never costs
 * a place.
 */
export function rank<P extends Offerer>(
  query: RankingQuery,
  providers: readonly P[],
  ports: RankingPorts,
): Ranking<P> {
  const rejected: (Rejection & { readonly reason: Unsuitable })[] = [];
  const suitors: Suitor<P>[] = [];
  for (const provider of providers) {
    const { peerId } = provider;
    const asked = askedOf(query, provider);
    if (asked === undefined) continue;
    const { offer, pricing } = asked;
    const known = ports.performanceOf(peerId);
    const reason = isShunned(known) ? 'REPUTATION' : unsuitable(query, offer, pricing);
    if (reason === undefined) suitors.push({ provider, offer, ...figuresOf(pricing, known) });
    if (query.exclude?.has(peerId) === true) rejected.push({ peerId, reason: 'EXCLUDED' });
    else if (reason !== undefined) rejected.push({ peerId, reason });
  }
  // A round trip is less than an answer takes: beside those who have answered, newcomers would always look fast.
  const hasAnswered = suitors.some(({ latency }) => latency !== undefined);
  const compared = hasAnswered ? suitors : suitors.map((each) => ({ ...each, latency: each.roundTrip }));
  const candidates = inOrder(query, compared, ports).filter(
    ({ provider }) => query.exclude?.has(provider.peerId) !== true,
  );
  return { candidates, rejected };
}

/** Whether one would be ranked. */
export function suits(
  query: RankingQuery,
  provider: Offerer,
  ports: Pick<RankingPorts, 'performanceOf'>,
): boolean {
  const asked = askedOf(query, provider);
  if (asked === undefined || query.exclude?.has(provider.peerId) === true) return false;
  if (isShunned(ports.performanceOf(provider.peerId))) return false;
  return unsuitable(query, asked.offer, asked.pricing) === undefined;
}

/** What an executor offers of what is asked for. */
function askedOf(
  { models }: RankingQuery,
  { info: offer }: Offerer,
): { readonly offer: ExecutorService; readonly pricing: PricingInfo | undefined } | undefined {
  if (offer.kind !== 'executor') return undefined;
  const model = offer.models.find((each) => models.has(each));
  return model === undefined ? undefined : { offer, pricing: pricingOf(offer, model) };
}

/** The price of a model: its own one, or that of all. */
export function pricingOf(offer: ExecutorService, model: string): PricingInfo | undefined {
  const { modelPricing, pricing } = offer;
  return modelPricing !== undefined && Object.hasOwn(modelPricing, model) ? modelPricing[model] : pricing;
}

/** What a token of the question and three of the answer cost together: answers are what is paid for. */
export function amountOf({ inboundPrice, outboundPrice }: PricingInfo): bigint {
  return BigInt(inboundPrice) + 3n * BigInt(outboundPrice);
}

/** An order of equals that stays the same at one node, and is another one at every node. */
export class Turns {
  readonly #random: Random;
  #seed: number | undefined;

  constructor(random: Random) {
    this.#random = random;
  }

  /** FNV-1a from a seed. */
  readonly of = (peerId: string): number => {
    this.#seed ??= Math.floor(this.#random.float() * 2 ** 32);
    return fnv1a(peerId, this.#seed);
  };
}

function unsuitable(
  { maxPrice, minContext, features = [] }: RankingQuery,
  offer: ExecutorService,
  pricing: PricingInfo | undefined,
): Unsuitable | undefined {
  if (maxPrice !== undefined) {
    if (pricing === undefined) return 'PRICE_UNKNOWN';
    if (BigInt(pricing.inboundPrice) > BigInt(maxPrice.inboundPrice)) return 'PRICE_TOO_HIGH';
    if (BigInt(pricing.outboundPrice) > BigInt(maxPrice.outboundPrice)) return 'PRICE_TOO_HIGH';
  }
  if (minContext !== undefined) {
    if (offer.contextLength === undefined) return 'CONTEXT_UNKNOWN';
    if (offer.contextLength < minContext) return 'CONTEXT_TOO_SHORT';
  }
  return features.every((feature) => offer.features?.includes(feature)) ? undefined : 'FEATURE_MISSING';
}

function figuresOf(
  pricing: PricingInfo | undefined,
  known: PeerPerformance = {},
): Pick<Suitor<never>, Preference | 'roundTrip' | 'reputation' | 'isAvoided' | 'underWay'> {
  const { latencyMs, roundTripMs, tokensPerSecond, underWay } = known;
  return {
    price: pricing && amountOf(pricing),
    latency: measured(latencyMs),
    roundTrip: measured(roundTripMs),
    throughput: measured(tokensPerSecond),
    reputation: reputationOf(known),
    isAvoided: known.isAvoided === true,
    underWay: measured(underWay) ?? 0,
  };
}

/** At or below this nobody is chosen. */
const shunned = -50;
/** At or below this nothing of a score is left. */
const mistrusted = -20;

/** What a port says may be anything. */
function reputationOf({ reputation }: PeerPerformance): number | undefined {
  if (reputation === undefined || !Number.isFinite(reputation)) return undefined;
  return Math.max(-100, Math.min(100, reputation));
}

/** Whether nobody wants to have to do with a peer. */
export function isShunned(known: PeerPerformance | undefined): boolean {
  return known !== undefined && (reputationOf(known) ?? 0) <= shunned;
}

/** Whether an executor has as much of this node as it works on at the same time. */
function isFull({ capacity }: ExecutorService, underWay: number): boolean {
  return underWay > 0 && underWay >= capacity;
}

/** Whether one would be named when another one is not: it is avoided now, or has enough to do. */
export function isLast(offer: ExecutorService, known: PeerPerformance = {}): boolean {
  return known.isAvoided === true || isFull(offer, measured(known.underWay) ?? 0);
}

/** The share of its score that a peer keeps, from 0 to 1. */
function trustOf(reputation: number | undefined): number {
  return 1 - Math.max(mistrusted, Math.min(0, reputation ?? 0)) / mistrusted;
}

/** What a port says may be anything. */
function measured(value: number | undefined): number | undefined {
  return value !== undefined && value >= 0 && value < Number.POSITIVE_INFINITY ? value : undefined;
}

function inOrder<P extends Offerer>(
  { weights, tieWeights }: RankingQuery,
  suitors: readonly Suitor<P>[],
  ports: RankingPorts,
): Ranked<P>[] {
  const scales: Readonly<Record<Preference, Scale>> = {
    price: priceScale(suitors.map(({ price }) => price)),
    latency: numberScale(
      suitors.map(({ latency }) => latency),
      1,
    ),
    throughput: numberScale(
      suitors.map(({ throughput }) => throughput),
      -1,
    ),
  };
  const byWeights = judge(scales, weights);
  const byTieWeights = tieWeights && judge(scales, tieWeights);
  const entries = suitors.map(({ provider, offer, price, reputation, isAvoided, underWay }, at) => ({
    at,
    provider,
    reputation,
    trust: trustOf(reputation),
    score: trustOf(reputation) * byWeights.scoreOf(at),
    isAvoided,
    isFree: offer.freeSlots !== 0 && !isFull(offer, underWay),
    queueDepth: Math.max(
      offer.freeSlots === 0 ? (offer.queueDepth ?? 0) : 0,
      isFull(offer, underWay) ? underWay - offer.capacity : 0,
    ),
    // Equal as they may be: what is said counts before what is not.
    unsaid: Number(price === undefined) + Number(offer.freeSlots === undefined),
    turn: ports.turnOf(provider.peerId),
  }));
  entries.sort(
    (a, b) =>
      Number(a.isAvoided) - Number(b.isAvoided) ||
      Number(b.isFree) - Number(a.isFree) ||
      a.queueDepth - b.queueDepth ||
      // Scores lose by rounding what figures tell: those decide among whoever is trusted alike.
      (a.trust === b.trust ? 0 : b.score - a.score || b.trust - a.trust) ||
      byWeights.compare(a.at, b.at) ||
      (byTieWeights?.compare(a.at, b.at) ?? 0) ||
      a.unsaid - b.unsaid ||
      a.turn - b.turn ||
      (a.provider.peerId < b.provider.peerId ? -1 : 1),
  );
  return entries.map(({ at, provider, isAvoided, isFree, score, reputation }) => {
    const figure = (name: Preference): RankedCandidate['figures'][Preference] => {
      const value = scales[name].value(at);
      const share = scales[name].scores[at] as number;
      return value === undefined ? { score: share } : { value, score: share };
    };
    const figures = { price: figure('price'), latency: figure('latency'), throughput: figure('throughput') };
    const held = { ...(reputation !== undefined && { reputation }), ...(isAvoided && { isAvoided }) };
    return { provider, score, ...held, isFree, figures };
  });
}

/** How candidates compare by weighted figures. */
function judge(
  scales: Readonly<Record<Preference, Scale>>,
  weights: Weights,
): { readonly scoreOf: (at: number) => number; readonly compare: (a: number, b: number) => number } {
  let total = 0;
  for (const name of preferences) total += weights[name];
  const scoreOf = (at: number): number => {
    let sum = 0;
    for (const name of preferences) sum += weights[name] * (scales[name].scores[at] as number);
    return Math.min(1, sum / total);
  };
  const deciding = preferences.filter((name) => weights[name] > 0 && scales[name].differs);
  const [only] = deciding;
  if (only !== undefined && deciding.length === 1) return { scoreOf, compare: scales[only].compare };
  return { scoreOf, compare: (a, b) => scoreOf(b) - scoreOf(a) };
}

/** How finely prices are scored: as finely as a number can. */
const priceSteps = 2n ** 53n;

function priceScale(prices: readonly (bigint | undefined)[]): Scale {
  let lowest: bigint | undefined;
  let highest: bigint | undefined;
  for (const price of prices) {
    if (price === undefined) continue;
    if (lowest === undefined || price < lowest) lowest = price;
    if (highest === undefined || price > highest) highest = price;
  }
  const worst = highest ?? 0n;
  const span = worst - (lowest ?? 0n);
  const filled = prices.map((price) => price ?? worst);
  return {
    value: (at) => {
      const price = prices[at];
      return price === undefined ? undefined : Math.min(Number(price), Number.MAX_VALUE);
    },
    scores: filled.map((price) =>
      span === 0n ? 1 : Number(((worst - price) * priceSteps) / span) / Number(priceSteps),
    ),
    compare: (a, b) => {
      const difference = (filled[a] as bigint) - (filled[b] as bigint);
      return difference === 0n ? 0 : difference < 0n ? -1 : 1;
    },
    differs: span > 0n,
  };
}

/** @param sign 1 when less is better, -1 when more is */
function numberScale(values: readonly (number | undefined)[], sign: 1 | -1): Scale {
  const known = values.filter((value) => value !== undefined).toSorted((a, b) => a - b);
  const [least = 0, most = 0] = [known[0], known.at(-1)];
  const filled = values.map((value) => value ?? middleOf(known));
  const worst = sign === 1 ? most : least;
  const span = most - least;
  return {
    value: (at) => values[at],
    scores: filled.map((value) => (span === 0 ? 1 : Math.abs(value - worst) / span)),
    compare: (a, b) => sign * ((filled[a] as number) - (filled[b] as number)),
    differs: span > 0,
  };
}

function middleOf(sorted: readonly number[]): number {
  const half = Math.floor(sorted.length / 2);
  const above = sorted[half] ?? 0;
  if (sorted.length % 2 === 1) return above;
  const below = sorted[half - 1] ?? above;
  return below + (above - below) / 2;
}
