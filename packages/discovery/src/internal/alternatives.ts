import type { PricingInfo, ServiceType } from '@lloom/codec';
import { orAbort } from '@lloom/core';
import { DiscoveryError } from '../errors.ts';
import type { AlternativeQuery, ServiceQuery, WaitConfig } from '../types.ts';
import type { Finder } from './finder.ts';
import { keyOf } from './services.ts';
import type { Shared } from './shared.ts';

/** How long one search may take: whoever waits for it has a request that has failed already. */
const searchMs = 5_000;
/** Searches at the same time, each for another model. Beyond, only those that are known are found. */
const maxSearches = 16;

type ExecutorOffer = Extract<ServiceType, { readonly kind: 'executor' }>;

/** What choosing takes. */
export interface AlternativesPorts extends Pick<Shared, 'network' | 'random'> {
  readonly finder: Pick<Finder, 'iterate' | 'known'>;
}

/** One who could stand in, and how good a choice it would be: less is better. */
interface Candidate {
  readonly peerId: string;
  /** 0: it would begin at once; 1: it does not say; 2 and so many as wait already: it has no free slot. */
  readonly wait: number;
  /** What tokens of the answer and of the question cost; `undefined` when it does not say. */
  readonly price: readonly [outbound: bigint, inbound: bigint] | undefined;
  readonly turn: number;
}

/** Names other executors of a model: those that are known, or those that a search finds. */
export class Alternatives {
  readonly #ports: AlternativesPorts;
  readonly #searches = new Map<string, SharedSearch>();
  #seed: number | undefined;

  constructor(ports: AlternativesPorts) {
    this.#ports = ports;
  }

  /** The best one that is known; asks nobody. */
  find(query: AlternativeQuery): string | undefined {
    return this.#best(query, this.#modelsOf(query));
  }

  /**
   * The same. When none is known, looks for one, and resolves as soon as it has. Who looks for the same shares a search.
   * @throws {DiscoveryError} `CANCELLED` when the signal fires
   */
  async search(query: AlternativeQuery, { signal }: WaitConfig = {}): Promise<string | undefined> {
    const models = this.#modelsOf(query);
    const known = this.#best(query, models);
    if (known !== undefined || models.length === 0) return known;
    const { model } = query;
    const search = this.#join(model === undefined ? { kind: 'executor' } : { kind: 'executor', model });
    if (search === undefined) return undefined;
    search.waiting++;
    try {
      for (;;) {
        const found = this.#best(query, models);
        if (found !== undefined || search.isOver) return found;
        await (signal === undefined ? search.progress : orAbort(search.progress, signal));
      }
    } catch (cause) {
      throw new DiscoveryError('CANCELLED', { act: 'findAlternative' }, { cause });
    } finally {
      search.waiting--;
      if (search.waiting === 0) search.end();
    }
  }

  /** Any of which somebody must serve. Empty when nothing is known of the one who is to be stood in for. */
  #modelsOf({ peerId, model }: AlternativeQuery): readonly string[] {
    if (model !== undefined) return [model];
    return this.#ports.finder.known
      .of(peerId)
      .flatMap((service) => (service.kind === 'executor' ? service.models : []));
  }

  #best({ peerId, exclude = [] }: AlternativeQuery, models: readonly string[]): string | undefined {
    const { finder, network } = this.#ports;
    if (models.length === 0) return undefined;
    const unwanted = new Set([peerId, network.peerId, ...exclude]);
    let best: Candidate | undefined;
    for (const known of finder.known.all()) {
      if (unwanted.has(known.peerId)) continue;
      const candidate = this.#candidate(known.peerId, known.services, models);
      if (candidate === undefined || (best !== undefined && compare(best, candidate) <= 0)) continue;
      if (known.hasAddress || network.isConnected(known.peerId)) best = candidate;
    }
    return best?.peerId;
  }

  #candidate(
    peerId: string,
    services: readonly ServiceType[],
    models: readonly string[],
  ): Candidate | undefined {
    for (const service of services) {
      if (service.kind !== 'executor') continue;
      const model = models.find((each) => service.models.includes(each));
      if (model === undefined) continue;
      const price = service.modelPricing?.[model] ?? service.pricing;
      return { peerId, wait: waitOf(service), price: price && amountsOf(price), turn: this.#turnOf(peerId) };
    }
    return undefined;
  }

  /** Puts equals into an order that stays the same here, and is another one at every node: FNV-1a from a seed. */
  #turnOf(peerId: string): number {
    this.#seed ??= Math.floor(this.#ports.random.float() * 2 ** 32);
    let turn = this.#seed;
    for (let at = 0; at < peerId.length; at++) turn = Math.imul(turn ^ peerId.charCodeAt(at), 0x0100_0193);
    return turn >>> 0;
  }

  #join(query: ServiceQuery): SharedSearch | undefined {
    const key = keyOf(query);
    const present = this.#searches.get(key);
    if (present !== undefined) return present;
    if (this.#searches.size >= maxSearches) return undefined;
    const search = new SharedSearch(() => this.#searches.delete(key));
    this.#searches.set(key, search);
    void search.run((signal) => this.#ports.finder.iterate(query, { timeoutMs: searchMs, signal }));
    return search;
  }
}

/** A search on which several wait, each for another one. */
class SharedSearch {
  /** How many wait; set by those who do. */
  waiting = 0;
  isOver = false;
  readonly #abort = new AbortController();
  readonly #onOver: () => void;
  #progress = Promise.withResolvers<void>();

  constructor(onOver: () => void) {
    this.#onOver = onOver;
  }

  /** Resolves when one more is confirmed, or the search is over. */
  get progress(): Promise<void> {
    return this.#progress.promise;
  }

  /** Never rejects: why nobody was found is the same to those who wait. */
  async run(start: (signal: AbortSignal) => AsyncIterable<unknown>): Promise<void> {
    try {
      for await (const _ of start(this.#abort.signal)) this.#tell();
    } catch {
      // They are told that it is over.
    }
    this.end();
  }

  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#onOver();
    this.#abort.abort();
    this.#tell();
  }

  #tell(): void {
    const { resolve } = this.#progress;
    this.#progress = Promise.withResolvers();
    resolve();
  }
}

function waitOf({ freeSlots, queueDepth = 0 }: ExecutorOffer): number {
  if (freeSlots === undefined) return 1;
  return freeSlots > 0 ? 0 : 2 + queueDepth;
}

function amountsOf({ outboundPrice, inboundPrice }: PricingInfo): Candidate['price'] {
  return [BigInt(outboundPrice), BigInt(inboundPrice)];
}

/** Below 0 when `a` is the better choice. */
function compare(a: Candidate, b: Candidate): number {
  return a.wait - b.wait || comparePrices(a.price, b.price) || a.turn - b.turn;
}

function comparePrices(a: Candidate['price'], b: Candidate['price']): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  const difference = a[0] - b[0] || a[1] - b[1];
  return difference === 0n ? 0 : difference < 0n ? -1 : 1;
}
