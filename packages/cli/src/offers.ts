import { evmAddressOf, type EvmAddress, type Provider } from '@lloom/behaviour';
import { costOf, type PricingInfo } from '@lloom/codec';

/** A provider that a request can be signed for. */
export interface Offer {
  readonly peerId: string;
  /** The address that its peer id stands for: what is signed for it names this. */
  readonly executor: EvmAddress;
  readonly addresses: readonly string[];
  /** Absent when the provider does not say. */
  readonly price?: PricingInfo;
}

/** What an answer is expected to take. */
export interface Expectation {
  readonly model: string;
  readonly inboundTokens: number;
  readonly outboundTokens: number;
}

/** The cheapest first; who names no price comes last. A peer whose key has no address cannot be signed for. */
export function rankOffers(providers: readonly Provider[], expected: Expectation): Offer[] {
  return providers
    .flatMap(({ peerId, addresses, info }) => {
      const executor = evmAddressOf(peerId);
      if (executor === undefined) return [];
      const price =
        info.kind === 'executor' ? (info.modelPricing?.[expected.model] ?? info.pricing) : undefined;
      const cost = price === undefined ? undefined : BigInt(costOf(price, expected));
      return [{ cost, offer: { peerId, executor, addresses, ...(price && { price }) } }];
    })
    .toSorted((a, b) => compare(a.cost, b.cost) || (a.offer.peerId < b.offer.peerId ? -1 : 1))
    .map(({ offer }) => offer);
}

function compare(a: bigint | undefined, b: bigint | undefined): number {
  if (a === b) return 0;
  if (a === undefined) return 1;
  return b === undefined || a < b ? -1 : 1;
}
