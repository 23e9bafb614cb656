import type { LloomBehaviour, PricingInfo, Provider } from '@lloom/behaviour';
import { systemClock } from '@lloom/core';

/** A model as the gateway lists it, in the shape of OpenAI. */
export interface ListedModel {
  readonly id: string;
  readonly object: 'model';
  /** When the gateway was opened, in seconds since 1970: models say nothing of their own. */
  readonly created: number;
  readonly owned_by: 'lloom';
  readonly lloom: {
    /** How many serve it. */
    readonly providers: number;
    /** The lowest price of each kind, in wei per token, of those who name any. */
    readonly lowest?: PricingInfo;
    /** The highest. */
    readonly highest?: PricingInfo;
  };
}

/** For how long what was found counts, in ms: a node knows what it was told without asking, so it costs little to look again. */
const keptMs = 2_000;
/** More than any list of models that somebody reads. */
const maxModels = 10_000;

/** Which models are served, by what the node knows and finds. */
export class Catalog {
  readonly #node: Pick<LloomBehaviour, 'discoverExecutors'>;
  readonly #timeoutMs: number;
  readonly #created = Math.floor(systemClock.now() / 1_000);
  readonly #ended = new AbortController();
  #search: Promise<readonly ListedModel[]> | undefined;
  /** Until when it counts; as long as it goes on, it does. */
  #keptUntilMs = Infinity;

  /** @param timeoutMs how long a search may take */
  constructor(node: Pick<LloomBehaviour, 'discoverExecutors'>, timeoutMs: number) {
    this.#node = node;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * All models, by name. Whoever asks at the same time, or a moment later, is told the same.
   * @throws what the search throws
   */
  list(): Promise<readonly ListedModel[]> {
    if (this.#search !== undefined && systemClock.elapsed() < this.#keptUntilMs) return this.#search;
    this.#keptUntilMs = Infinity;
    const end = (): void => void (this.#keptUntilMs = systemClock.elapsed() + keptMs);
    this.#search = this.#look().finally(end);
    return this.#search;
  }

  /** Ends a search that goes on. */
  close(): void {
    this.#ended.abort();
  }

  async #look(): Promise<readonly ListedModel[]> {
    const { signal } = this.#ended;
    const found = pricesByModel(await this.#node.discoverExecutors({ signal, timeoutMs: this.#timeoutMs }));
    return [...found]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .slice(0, maxModels)
      .map(([id, prices]) => ({
        ...{ id, object: 'model', created: this.#created, owned_by: 'lloom' },
        lloom: { providers: prices.length, ...boundsOf(prices.filter((price) => price !== undefined)) },
      }));
  }
}

/** What each provider of each model asks for it; `undefined` for one that does not say. */
function pricesByModel(providers: readonly Provider[]): Map<string, (PricingInfo | undefined)[]> {
  const found = new Map<string, (PricingInfo | undefined)[]>();
  const executors = providers.flatMap(({ info }) => (info.kind === 'executor' ? [info] : []));
  const offered = executors.reduce((sum, { models }) => sum + models.length, 0);
  // Where there is no room for all, the many names of one leave room for those of another.
  const each = offered <= maxModels ? Infinity : Math.max(1, Math.floor(maxModels / executors.length));
  for (const info of executors) {
    for (const model of info.models.slice(0, each)) {
      const prices = found.get(model) ?? [];
      prices.push(info.modelPricing?.[model] ?? info.pricing);
      found.set(model, prices);
    }
  }
  return found;
}

function boundsOf(prices: readonly PricingInfo[]): Omit<ListedModel['lloom'], 'providers'> {
  if (prices.length === 0) return {};
  const sorted = (kind: keyof PricingInfo): string[] =>
    prices.map((price) => price[kind]).toSorted((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1));
  const [inbound, outbound] = [sorted('inboundPrice'), sorted('outboundPrice')];
  const of = (at: number): PricingInfo => ({
    inboundPrice: inbound.at(at) ?? '0',
    outboundPrice: outbound.at(at) ?? '0',
  });
  return { lowest: of(0), highest: of(-1) };
}
