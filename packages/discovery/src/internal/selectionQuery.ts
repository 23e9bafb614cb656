import { limits } from '@lloom/codec';
import {
  ConfigError,
  integer,
  listOf,
  oneOf,
  optional,
  resolveConfig,
  text,
  toPeerId,
  type Check,
  type Checks,
} from '@lloom/core';
import { DiscoveryError } from '../errors.ts';
import type { Preference, PreferenceWeights, SelectionQuery } from '../types.ts';
import { alike, type RankingQuery, type Weights } from './ranking.ts';

/** Weights are compared with one another: nobody needs larger ones. */
const maxWeight = 1_000_000;
const maxExcluded = 1_024;

/** A query that can be answered. */
export interface CheckedSelection {
  /** As it was given; a frozen copy. */
  readonly query: SelectionQuery;
  readonly ranking: RankingQuery;
}

const wei = text(/^(?:0|[1-9]\d{0,77})$/, 'an amount of wei as a decimal text of at most 78 digits');
const preference = oneOf('price', 'latency', 'throughput');

const name: Check = (value) => {
  const bytes = typeof value === 'string' ? new TextEncoder().encode(value).length : 0;
  return bytes > 0 && bytes <= limits.nameBytes ? undefined : `a text of 1 to ${limits.nameBytes} bytes`;
};

const maxPrice: Check = (value) => {
  if (wei(value) === undefined) return undefined;
  const wanted = `${wei(undefined)}, or an object with inboundPrice and outboundPrice`;
  if (!isObject(value)) return wanted;
  const { inboundPrice, outboundPrice, ...others } = value;
  const isGood = wei(inboundPrice) === undefined && wei(outboundPrice) === undefined;
  return isGood && Object.keys(others).length === 0 ? undefined : wanted;
};

const prefer: Check = (value) => {
  if (preference(value) === undefined) return undefined;
  const wanted =
    `${preference(undefined)}, or an object with weights of them from 0 to ${maxWeight}, ` +
    'one of them above 0';
  if (!isObject(value)) return wanted;
  const weights = Object.values(value).filter((weight) => weight !== undefined);
  const isGood =
    Object.keys(value).every((key) => preference(key) === undefined) &&
    weights.every((weight) => typeof weight === 'number' && weight >= 0 && weight <= maxWeight) &&
    weights.some((weight) => (weight as number) > 0);
  return isGood ? undefined : wanted;
};

const peerId: Check = (value) => {
  try {
    return typeof value === 'string' && toPeerId(value) !== undefined ? undefined : 'a peer id';
  } catch {
    return 'a peer id';
  }
};

const checks: Checks<SelectionQuery> = {
  model: name,
  maxPrice: optional(maxPrice),
  minContext: optional(integer(1)),
  features: optional(listOf(name, limits.registryFeatures)),
  prefer: optional(prefer),
  exclude: optional(listOf(peerId, maxExcluded)),
};

/**
 * A query that can be answered: its fields are known, and each fits.
 * @throws {DiscoveryError} `INVALID_QUERY` for the first field that does not; its cause lists them all
 */
export function checkSelection(given: SelectionQuery): CheckedSelection {
  const query = resolved(given);
  const { model, prefer: preferred, exclude, ...demands } = query;
  const bound = demands.maxPrice;
  return {
    query,
    ranking: {
      models: new Set([model]),
      ...(bound !== undefined && {
        maxPrice: typeof bound === 'string' ? { inboundPrice: bound, outboundPrice: bound } : bound,
      }),
      ...(demands.minContext !== undefined && { minContext: demands.minContext }),
      ...(demands.features !== undefined && { features: demands.features }),
      exclude: new Set(exclude?.map((each) => toPeerId(each).toString())),
      weights: weightsOf(preferred),
      // One that decides alone leaves equals to the others.
      ...(typeof preferred === 'string' && { tieWeights: alike }),
    },
  };
}

function resolved(given: SelectionQuery): SelectionQuery {
  try {
    const defaults = { model: undefined as unknown as string };
    const query = resolveConfig<SelectionQuery>('query', { checks, defaults }, given);
    const wanted = checks.model(query.model);
    if (wanted !== undefined)
      throw new ConfigError([{ path: 'query.model', got: String(query.model), wanted }]);
    return query;
  } catch (cause) {
    const [problem] = ConfigError.is(cause) ? cause.data.problems : [];
    if (problem === undefined) throw cause;
    const { path, got, wanted } = problem;
    throw new DiscoveryError('INVALID_QUERY', { path: path.replace(/^query\./, ''), got, wanted }, { cause });
  }
}

/** What counts, as shares of 1. */
function weightsOf(preferred: Preference | PreferenceWeights = alike): Weights {
  const given: PreferenceWeights = typeof preferred === 'string' ? { [preferred]: 1 } : preferred;
  const { price = 0, latency = 0, throughput = 0 } = given;
  const total = price + latency + throughput;
  return Object.freeze({ price: price / total, latency: latency / total, throughput: throughput / total });
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
