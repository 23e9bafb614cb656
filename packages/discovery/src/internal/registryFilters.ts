import { limits, type ExecutorService, type PricingInfo, type RegistryFilters } from '@lloom/codec';
import { pricingOf } from './ranking.ts';

/** Why an offer is not what a registry was asked for. */
export type Mismatch =
  | 'CONTEXT_UNKNOWN'
  | 'CONTEXT_TOO_SHORT'
  | 'FEATURE_MISSING'
  | 'NOT_AVAILABLE'
  | 'PRICE_UNKNOWN'
  | 'PRICE_TOO_HIGH';

/**
 * Why an offer is not what the filters admit, as far as its executor has signed it and whatever it costs; `undefined`
 * when it is. What an offer does not say it does not promise; only one that does not say how busy it is counts as
 * available.
 */
export function mismatchOf(offer: ExecutorService, filters: RegistryFilters = {}): Mismatch | undefined {
  const { minContextLength = 0, requiredFeatures = [], onlyAvailable = false } = filters;
  if (minContextLength > 0) {
    if (offer.contextLength === undefined) return 'CONTEXT_UNKNOWN';
    if (offer.contextLength < minContextLength) return 'CONTEXT_TOO_SHORT';
  }
  if (!hasFeatures(offer, requiredFeatures)) return 'FEATURE_MISSING';
  return onlyAvailable && offer.freeSlots === 0 ? 'NOT_AVAILABLE' : undefined;
}

/** Why none of some models is within a price; `undefined` when one is. */
export function overpriced(
  offer: ExecutorService,
  models: readonly string[],
  maxPrice: string,
): Mismatch | undefined {
  // Without prices of single models, all have the same.
  const prices =
    offer.modelPricing === undefined ? [offer.pricing] : models.map((model) => pricingOf(offer, model));
  if (prices.some((price) => isWithin(price, maxPrice))) return undefined;
  return prices.every((price) => price === undefined) ? 'PRICE_UNKNOWN' : 'PRICE_TOO_HIGH';
}

/** Whether a token of either kind costs at most that. Who names no price may ask for any. */
export function isWithin(price: PricingInfo | undefined, maxPrice: string): boolean {
  return (
    price !== undefined && isAtMost(price.inboundPrice, maxPrice) && isAtMost(price.outboundPrice, maxPrice)
  );
}

/** Compares amounts of wei as decimal texts, which have no leading zeros. */
function isAtMost(amount: string, most: string): boolean {
  return amount.length === most.length ? amount <= most : amount.length < most.length;
}

/** Of an executor's features as many count as can be asked for: the first ones. */
function hasFeatures({ features = [] }: ExecutorService, required: readonly string[]): boolean {
  if (required.length === 0) return true;
  if (features.length === 0) return false;
  const offered = new Set(features.slice(0, limits.registryFeatures));
  return required.every((feature) => offered.has(feature));
}
