import type { ExecutorService } from '@lloom/codec';
import { orAbort } from '@lloom/core';
import { DiscoveryError } from '../errors.ts';
import type { AlternativeQuery, ServiceQuery, WaitConfig } from '../types.ts';
import type { Finder } from './finder.ts';
import type { KnownPeer } from './knownPeers.ts';
import { toFoundPeer } from './providers.ts';
import { alike, isLast, isShunned, rank, Turns } from './ranking.ts';
import { keyOf } from './services.ts';
import type { Shared } from './shared.ts';

/** How long one search may take: whoever waits for it has a request that has failed already. */
const searchMs = 5_000;
/** Searches at the same time, each for another model. Beyond, only those that are known are found. */
const maxSearches = 16;

/**
 * How long the same order may be given, in ms, while nobody is heard or lost: calls that fail together ask many times in a
 * row, and each order of 2,048 peers takes 3 ms.
 */
const orderMs = 1_000;

/** Models of the one to stand in for that others are asked about by name: it may have named a thousand. */
const maxHintedModels = 16;

/** What choosing takes. */
export interface AlternativesPorts extends Pick<Shared, 'clock' | 'network' | 'experience' | 'random'> {
  readonly finder: Pick<Finder, 'hints' | 'iterate' | 'known'>;
  /** The order of equals. @default one of its own */
  readonly turns?: Turns;
}

/** All who have proven that they serve one of the models, the best one first. */
interface Order {
  readonly models: ReadonlySet<string>;
  /** Who was known then. */
  readonly live: readonly KnownPeer[];
  readonly atMs: number;
  readonly peers: readonly KnownPeer[];
}

/** Names other executors of a model: those that are known, or those that a search finds. */
export class Alternatives {
  readonly #ports: AlternativesPorts;
  readonly #turns: Turns;
  readonly #searches = new Map<string, SharedSearch>();
  #lastOrder: Order | undefined;

  constructor(ports: AlternativesPorts) {
    this.#ports = ports;
    this.#turns = ports.turns ?? new Turns(ports.random);
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
    if (known !== undefined || models.size === 0) return known;
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
  #modelsOf({ peerId, model }: AlternativeQuery): ReadonlySet<string> {
    if (model !== undefined) return new Set([model]);
    const services = this.#ports.finder.known.services(peerId);
    return new Set(services.flatMap((service) => (service.kind === 'executor' ? service.models : [])));
  }

  #best(
    { peerId, exclude = [], features = [] }: AlternativeQuery,
    models: ReadonlySet<string>,
  ): string | undefined {
    if (models.size === 0) return undefined;
    const { experience, network } = this.#ports;
    const connected = network.connectedPeers();
    const isReachable = (peer: KnownPeer): boolean =>
      connected.has(peer.peerId) || toFoundPeer(peer).addresses.length > 0;
    const unwanted = new Set([peerId, network.peerId, ...exclude]);
    const wanted = this.#inOrder(models).filter(
      (peer) => !unwanted.has(peer.peerId) && hasAll(offerOf(peer, models), features),
    );
    // The order may be a second old, and many that fail together must not all go to the same one.
    const isOpen = (peer: KnownPeer): boolean => {
      const offer = offerOf(peer, models);
      return offer === undefined || !isLast(offer, experience?.performanceOf(peer.peerId));
    };
    const found =
      wanted.find((peer) => !peer.isDoubtful && isReachable(peer) && isOpen(peer)) ??
      wanted.find((peer) => !peer.isDoubtful && isReachable(peer)) ??
      wanted.find((peer) => peer.isDoubtful && isReachable(peer));
    if (found !== undefined || features.length > 0) return found?.peerId;
    // What they can beyond chat is not known of those.
    return this.#hinted(models, { unwanted, connected });
  }

  /** All who are known, those too that are not wanted: without them the others would compare in another way. */
  #inOrder(models: ReadonlySet<string>): readonly KnownPeer[] {
    const { clock, experience, finder } = this.#ports;
    const live = finder.known.live();
    const atMs = clock.elapsed();
    const last = this.#lastOrder;
    if (last !== undefined && atMs - last.atMs < orderMs && isSame(last, { models, live })) return last.peers;
    const candidates = live.flatMap((peer) => {
      const info = offerOf(peer, models);
      return info === undefined ? [] : { peerId: peer.peerId, info, peer };
    });
    const ranking = rank({ models, weights: alike }, candidates, {
      performanceOf: (peerId) => experience?.performanceOf(peerId),
      turnOf: this.#turns.of,
    });
    const peers = ranking.candidates.map(({ provider }) => provider.peer);
    this.#lastOrder = { models, live, atMs, peers };
    return peers;
  }

  /** One of whom others say that it serves a model: connected ones first. */
  #hinted(
    models: ReadonlySet<string>,
    { unwanted, connected }: Readonly<Record<'unwanted' | 'connected', ReadonlySet<string>>>,
  ): string | undefined {
    const { experience, finder } = this.#ports;
    const hinted = [...models]
      .slice(0, maxHintedModels)
      .flatMap((model) => finder.hints.peersFor(model))
      .filter((peerId) => !unwanted.has(peerId) && finder.known.get(peerId) === undefined)
      .filter((peerId) => !isShunned(experience?.performanceOf(peerId)));
    const present = hinted.filter((peerId) => connected.has(peerId));
    const among = present.length > 0 ? present : hinted;
    return among.toSorted((a, b) => this.#turns.of(a) - this.#turns.of(b))[0];
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

function offerOf({ message }: KnownPeer, models: ReadonlySet<string>): ExecutorService | undefined {
  return message.payload.services.find(
    (service): service is ExecutorService =>
      service.kind === 'executor' && service.models.some((model) => models.has(model)),
  );
}

function hasAll(offer: ExecutorService | undefined, features: readonly string[]): boolean {
  return features.every((feature) => offer?.features?.includes(feature));
}

/** What is known of a peer is another object as soon as it changes. */
function isSame(order: Order, { models, live }: Pick<Order, 'models' | 'live'>): boolean {
  return (
    models.size === order.models.size &&
    models.isSubsetOf(order.models) &&
    live.length === order.live.length &&
    live.every((peer, at) => peer === order.live[at])
  );
}
