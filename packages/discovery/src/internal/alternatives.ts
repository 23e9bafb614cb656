import type { ServiceType } from '@lloom/codec';
import { orAbort } from '@lloom/core';
import { DiscoveryError } from '../errors.ts';
import type { AlternativeQuery, ServiceQuery, WaitConfig } from '../types.ts';
import type { Finder } from './finder.ts';
import type { KnownPeer } from './knownPeers.ts';
import { toFoundPeer } from './providers.ts';
import { alike, rank, Turns, type Offerer } from './ranking.ts';
import { keyOf } from './services.ts';
import type { Shared } from './shared.ts';

/** How long one search may take: whoever waits for it has a request that has failed already. */
const searchMs = 5_000;
/** Searches at the same time, each for another model. Beyond, only those that are known are found. */
const maxSearches = 16;

/** Models of the one to stand in for that others are asked about by name: it may have named a thousand. */
const maxHintedModels = 16;

/** What choosing takes. */
export interface AlternativesPorts extends Pick<Shared, 'network' | 'experience' | 'random'> {
  readonly finder: Pick<Finder, 'hints' | 'iterate' | 'known'>;
  /** The order of equals. @default one of its own */
  readonly turns?: Turns;
}

/** One who has proven that it could stand in. */
interface Candidate extends Offerer {
  readonly peer: KnownPeer;
}

/** Names other executors of a model: those that are known, or those that a search finds. */
export class Alternatives {
  readonly #ports: AlternativesPorts;
  readonly #turns: Turns;
  readonly #searches = new Map<string, SharedSearch>();

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

  #best({ peerId, exclude = [] }: AlternativeQuery, models: ReadonlySet<string>): string | undefined {
    if (models.size === 0) return undefined;
    const { finder, network } = this.#ports;
    const unwanted = new Set([peerId, network.peerId, ...exclude]);
    const candidates = finder.known.live().flatMap((peer) => {
      const info = unwanted.has(peer.peerId) ? undefined : offerOf(peer, models);
      return info === undefined ? [] : { peerId: peer.peerId, info, peer };
    });
    const isDoubtful = ({ peer }: Candidate): boolean => peer.isDoubtful;
    return (
      this.#bestOf(
        candidates.filter((each) => !isDoubtful(each)),
        models,
      ) ??
      this.#bestOf(candidates.filter(isDoubtful), models) ??
      this.#hinted(models, unwanted)
    );
  }

  /** The first one that can be reached. */
  #bestOf(candidates: readonly Candidate[], models: ReadonlySet<string>): string | undefined {
    const { network } = this.#ports;
    const ranking = rank({ models, weights: alike }, candidates, {
      performanceOf: (peerId) => this.#ports.experience?.performanceOf(peerId),
      turnOf: this.#turns.of,
    });
    const isReachable = ({ peer }: Candidate): boolean =>
      network.isConnected(peer.peerId) || toFoundPeer(peer).addresses.length > 0;
    return ranking.candidates.find(({ provider }) => isReachable(provider))?.provider.peerId;
  }

  /** One of whom others say that it serves a model: connected ones first. */
  #hinted(models: ReadonlySet<string>, unwanted: ReadonlySet<string>): string | undefined {
    const { finder, network } = this.#ports;
    const hinted = [...models]
      .slice(0, maxHintedModels)
      .flatMap((model) => finder.hints.peersFor(model))
      .filter((peerId) => !unwanted.has(peerId) && finder.known.get(peerId) === undefined);
    const connected = hinted.filter((peerId) => network.isConnected(peerId));
    const among = connected.length > 0 ? connected : hinted;
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

function offerOf({ message }: KnownPeer, models: ReadonlySet<string>): ServiceType | undefined {
  return message.payload.services.find(
    (service) => service.kind === 'executor' && service.models.some((model) => models.has(model)),
  );
}
