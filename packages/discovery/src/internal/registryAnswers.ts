import { limits } from '@lloom/codec';
import type {
  PricingInfo,
  RegistryExecutor,
  RegistryFilters,
  RegistryModel,
  RegistryQuery,
  RegistryResult,
} from '@lloom/codec';
import { pricingOf } from './ranking.ts';
import { isWithin, mismatchOf, overpriced } from './registryFilters.ts';
import type { OfferedModel, Registered, RegistryView } from './registryView.ts';

const defaultLimit = 50;
/** Executors of a model whose features and prices are put together. */
const maxSampled = 32;
/** What an executor takes in an answer beside the payload that it signed, at most: 222 of it are the envelope. */
const executorBytes = 280;
/** What a model takes beside its names and prices, at most. */
const modelBytes = 40;
/** What a name takes beside its bytes, at most. */
const nameBytes = 3;
/** What the list takes around its entries, at most. */
const listBytes = 64;

/** What a registry tells beside what executors have signed. */
export interface RegistryWord {
  /** A share from 0 to 1; `undefined` when it is not known. */
  successRate(peerId: string): number | undefined;
  /** Questions that were answered before this one. */
  readonly totalRequests: number;
  readonly uptimeMs: number;
}

type Answer<K extends RegistryResult['type']> = Extract<RegistryResult, { readonly type: K }>;
type Page = { readonly filters?: RegistryFilters; readonly limit?: number; readonly offset?: number };
type Suits = (executor: Registered) => boolean;

/**
 * What a registry answers. The order of lists is that of peer ids, or of the names of models. A list may be shorter than
 * its limit where it would not fit into an answer: the next page begins after it.
 */
export function answerQuery(query: RegistryQuery, view: RegistryView, word: RegistryWord): RegistryResult {
  switch (query.type) {
    case 'listAllModels':
      return listModels(query, view, word);
    case 'findModel':
      return listExecutors(query, view, word);
    case 'searchByCapabilities':
      return listExecutors(query, view, word);
    case 'executorInfo': {
      const executor = view.executors.find(({ peer }) => peer.peerId === query.peerId);
      const known = executor && { executor: describe(executor, { view, word }) };
      return { type: 'executorDetails', ...known };
    }
    case 'getStatistics': {
      const connected = view.executors.filter((executor) => view.isConnected(executor));
      return {
        type: 'statistics',
        totalExecutors: view.executors.length,
        totalModels: view.models.length,
        connectedExecutors: connected.length,
        totalRequests: word.totalRequests,
        uptimeMs: word.uptimeMs,
      };
    }
  }
}

function listExecutors(
  query: Extract<RegistryQuery, { readonly type: 'findModel' | 'searchByCapabilities' }>,
  view: RegistryView,
  word: RegistryWord,
): Answer<'executorList'> {
  const suits = admits(query.filters, word);
  const maxPrice = query.filters?.maxPrice;
  const isOffered: Suits = (executor) => {
    const isFind = query.type === 'findModel';
    if (isFind && !view.offers(executor, query.model)) return false;
    if (maxPrice === undefined) return true;
    const models = isFind ? [query.model] : view.modelsOf(executor);
    return overpriced(executor.offer, models, maxPrice) === undefined;
  };
  const suitable = view.executors.filter((executor) => suits(executor) && isOffered(executor));
  const entries = pageOf(suitable, query).map((executor) => describe(executor, { view, word }));
  const executors = whatFits(entries, ({ descriptor }) => executorBytes + descriptor.payloadBytes.length);
  return { type: 'executorList', executors, totalCount: suitable.length };
}

function listModels(query: Page, view: RegistryView, word: RegistryWord): Answer<'modelList'> {
  const { filters } = query;
  const suitable = filters === undefined ? view.models : filterModels(view, filters, word);
  const models = whatFits(pageOf(suitable, query).map(summarise), sizeOfModel);
  return { type: 'modelList', models, totalCount: suitable.length };
}

/** Models with those executors that the filters admit; without those that nobody else offers. */
function filterModels(view: RegistryView, filters: RegistryFilters, word: RegistryWord): OfferedModel[] {
  const { maxPrice } = filters;
  const admitted = new Set(view.executors.filter(admits(filters, word)));
  return view.models.flatMap(({ model, executors }) => {
    const suitable = executors.filter(
      (executor) =>
        admitted.has(executor) &&
        (maxPrice === undefined || isWithin(pricingOf(executor.offer, model), maxPrice)),
    );
    return suitable.length > 0 ? [{ model, executors: suitable }] : [];
  });
}

/** Whether an executor is what the filters admit, whatever its models cost. */
function admits(filters: RegistryFilters | undefined, word: RegistryWord): Suits {
  const { minSuccessRate } = filters ?? {};
  return ({ peer, offer }) =>
    mismatchOf(offer, filters) === undefined &&
    (minSuccessRate === undefined || (word.successRate(peer.peerId) ?? 0) >= minSuccessRate);
}

function describe(
  executor: Registered,
  { view, word }: { readonly view: RegistryView; readonly word: RegistryWord },
): RegistryExecutor {
  const { peer } = executor;
  const successRate = word.successRate(peer.peerId);
  return {
    descriptor: peer.message,
    isConnected: view.isConnected(executor),
    lastSeenAt: peer.heardAt,
    ...(successRate !== undefined && { successRate }),
  };
}

function summarise({ model, executors }: OfferedModel): RegistryModel {
  const sampled = executors.slice(0, maxSampled).map(({ offer }) => offer);
  const features = new Set<string>();
  for (const offer of sampled) {
    if (features.size >= limits.registryFeatures) break;
    for (const feature of offer.features?.slice(0, limits.registryFeatures) ?? []) features.add(feature);
  }
  const longest = executors.reduce((most, { offer }) => Math.max(most, offer.contextLength ?? -1), -1);
  const averagePricing = averageOf(sampled.flatMap((offer) => pricingOf(offer, model) ?? []));
  return {
    model,
    executorCount: executors.length,
    executors: executors.slice(0, limits.registryModelExecutors).map(({ peer }) => peer.peerId),
    ...(longest >= 0 && { contextLength: longest }),
    features: [...features].slice(0, limits.registryFeatures),
    ...(averagePricing !== undefined && { averagePricing }),
  };
}

function averageOf(prices: readonly PricingInfo[]): PricingInfo | undefined {
  if (prices.length === 0) return undefined;
  const mean = (kind: keyof PricingInfo): string => {
    const sum = prices.reduce((total, price) => total + BigInt(price[kind]), 0n);
    return (sum / BigInt(prices.length)).toString();
  };
  return { inboundPrice: mean('inboundPrice'), outboundPrice: mean('outboundPrice') };
}

function pageOf<T>(entries: readonly T[], { limit = defaultLimit, offset = 0 }: Page): readonly T[] {
  return entries.slice(offset, offset + limit);
}

/** The first entries, as many as fit into an answer: at least one, for none is larger. */
function whatFits<T>(entries: readonly T[], sizeOf: (entry: T) => number): readonly T[] {
  let left = limits.registryBytes - listBytes;
  const end = entries.findIndex((entry) => (left -= sizeOf(entry)) < 0);
  return end < 0 ? entries : entries.slice(0, end);
}

function sizeOfModel({ model, executors, features, averagePricing }: RegistryModel): number {
  const prices = averagePricing && [averagePricing.inboundPrice, averagePricing.outboundPrice];
  const texts = [model, ...executors, ...features, ...(prices ?? [])];
  return texts.reduce((sum, text) => sum + nameBytes + Buffer.byteLength(text), modelBytes);
}
