import type { ServiceDescriptor, SignedMessage } from '@lloom/codec';
import { explainError, type Verifier, orAbort } from '@lloom/core';
import { resolveFindConfig } from '../config.ts';
import { DiscoveryError } from '../errors.ts';
import type { FindConfig, FoundPeer, Provider, Rejection, ServiceQuery, WaitConfig } from '../types.ts';
import { interruption, startDeadline, type Signals } from './deadline.ts';
import { describe } from './describe.ts';
import { Gate } from './gate.ts';
import { Hints } from './hints.ts';
import { Intake, type IntakePorts } from './intake.ts';
import { Interests } from './interests.ts';
import { KnownPeers } from './knownPeers.ts';
import { MetPeers } from './metPeers.ts';
import { names } from './names.ts';
import { toFoundPeer, toProvider } from './providers.ts';
import { actOf, Search, type SearchPlan } from './search.ts';
import { SearchMeter } from './searchMeter.ts';
import { checkQuery, keyOf } from './services.ts';
import type { Shared } from './shared.ts';
import { SharedWork } from './sharedWork.ts';
import { SilentPeers } from './silentPeers.ts';
import { Whereabouts } from './whereabouts.ts';

/** Searches that one refresh runs at the same time. */
const refreshConcurrency = 4;

/** Searches that go on after their list was given. */
const maxLingering = 16;

/** What finding needs beside what is shared. */
export interface FinderPorts extends Shared {
  /** Fires when the service stops; `undefined` while it is not started. */
  readonly stop: () => AbortSignal | undefined;
  /** Told of every search that ended well. */
  readonly onDiscovered: (service: ServiceQuery, providers: readonly Provider[]) => void;
  /** Told of every descriptor that is believed. */
  readonly onTaken: (message: SignedMessage<ServiceDescriptor>) => void;
}

/** What a search came to. */
export interface SearchResult {
  readonly providers: readonly Provider[];
  /** Everybody who was asked and did not count. */
  readonly rejected: readonly Rejection[];
  /** How many peers were named. */
  readonly asked: number;
  /** How many of the providers count although they were not asked. */
  readonly believed: number;
}

/** What makes one search another than a list. */
export interface SearchDemands {
  /** Whether a provider is one to settle for. @default all are */
  readonly suits?: (provider: Provider) => boolean;
}

/** Finds providers, and remembers what was looked for and found. */
export class Finder {
  readonly interests: Interests;
  /** What peers have proven of themselves. */
  readonly known: KnownPeers;
  /** What others say of peers. */
  readonly hints: Hints;
  /** Through here comes every descriptor. */
  readonly intake: Intake;
  readonly #silent: SilentPeers;
  readonly #met = new MetPeers();
  readonly #whereabouts: Whereabouts;
  /** What is searched for although its list was given. */
  readonly #lingering = new Set<string>();
  readonly #asks = new SharedWork<SignedMessage<ServiceDescriptor> | undefined>();
  readonly #meter: SearchMeter | undefined;
  readonly #ports: FinderPorts;

  constructor(ports: FinderPorts) {
    const { clock, config, meter, network, reputation, verifier } = ports;
    this.#ports = ports;
    this.#whereabouts = new Whereabouts(ports);
    const onTaken: IntakePorts['onTaken'] = (message, previous) => {
      this.#meet(message);
      this.#whereabouts.taken(message, previous);
      ports.onTaken(message);
    };
    this.interests = new Interests(clock);
    this.known = new KnownPeers(clock, 2 * config.announcementIntervalMs);
    this.hints = new Hints(clock, 2 * config.announcementIntervalMs);
    this.#silent = new SilentPeers(clock);
    const memory = { known: this.known, hints: this.hints, silent: this.#silent };
    const { peerId } = network;
    const onError = (text: string, error: unknown): void => network.logError(text, error);
    const told = { reputation, onTaken, onError };
    this.intake = new Intake({ peerId, clock, meter, verifier, ...told, ...memory });
    this.#meter = meter && new SearchMeter(meter, clock);
  }

  /** One search, as lists are made: everybody who confirms until it has settled, or who is known when that is enough. */
  search(query: ServiceQuery, config?: FindConfig, demands?: SearchDemands): Promise<SearchResult> {
    const search = (): Promise<SearchResult> => this.#search(query, config, demands);
    return this.#meter === undefined ? search() : this.#meter.measure(search);
  }

  async #search(
    query: ServiceQuery,
    config: FindConfig = {},
    { suits }: SearchDemands = {},
  ): Promise<SearchResult> {
    const search = this.#prepare(query, config, { isList: true, suits });
    const { known, limit, maxAgeMs } = search.plan;
    const isAnswered = this.interests.isAnswered(query, maxAgeMs) || this.#lingering.has(keyOf(query));
    if (known.length > 0 && isAnswered && search.plan.cancel?.aborted !== true) {
      const providers = known.slice(0, limit);
      this.#whereabouts.handOut(providers);
      return { providers, rejected: [], asked: 0, believed: providers.length };
    }
    return this.#finish(search);
  }

  /** Everybody who is found. */
  async find(query: ServiceQuery, config?: FindConfig): Promise<Provider[]> {
    return [...(await this.search(query, config)).providers];
  }

  /**
   * The same, at least one.
   * @throws {DiscoveryError} `NO_PROVIDERS`
   */
  async require(query: ServiceQuery, config?: FindConfig): Promise<Provider[]> {
    const { providers, rejected, asked } = await this.search(query, config);
    if (providers.length > 0) return [...providers];
    throw new DiscoveryError('NO_PROVIDERS', { ...query, asked, confirmed: 0, rejected });
  }

  /** Everybody who confirms, as they do. Checks everything at once, and searches when it is iterated. */
  iterate(query: ServiceQuery, config: FindConfig = {}): AsyncGenerator<Provider, void, undefined> {
    return this.#results(this.#prepare(query, config, { isList: false }));
  }

  /** The same for this node itself: nobody is interested who would have to be told again later. */
  async *sweep(query: ServiceQuery, config: FindConfig = {}): AsyncGenerator<Provider, void, undefined> {
    const search = this.#prepare(query, config, { isList: false, isQuiet: true });
    yield* search.results();
    throwIfAny(search.error());
  }

  /** Asks one peer. */
  async describe(peer: FoundPeer, { signal }: WaitConfig = {}): Promise<ServiceDescriptor | undefined> {
    const act = 'describeService';
    const verifier = this.#verifier(act);
    const stop = this.#ports.stop();
    const early = interruption(act, { stop, signal });
    if (early !== undefined) throw early;
    try {
      return (await this.#ask(verifier, peer, [stop, signal]))?.payload;
    } catch (error) {
      throw interruption(act, { stop, signal }) ?? error;
    }
  }

  /** Proves and remembers a descriptor that somebody else has passed on; the reason when it is refused. */
  take(message: SignedMessage<ServiceDescriptor>): ReturnType<Intake['take']> {
    return this.intake.take(message);
  }

  /** This node was away, and could not hear who is gone. */
  awake(): void {
    this.known.doubtAll();
    this.interests.forgetAnswers();
  }

  /** Peers of whom it is known where they are, those met last first. */
  reachable(): readonly FoundPeer[] {
    return this.#met.all;
  }

  /** Takes up what a peer had proven before a restart. */
  restore(message: SignedMessage<ServiceDescriptor>): void {
    this.known.restore(message);
    this.#meet(message);
  }

  #meet(message: SignedMessage<ServiceDescriptor>): void {
    this.#met.note(toFoundPeer({ peerId: message.payload.peerId, message }));
  }

  /** Looks again for everything that was looked for. Never rejects. */
  async refresh(signal: AbortSignal): Promise<{ readonly asked: number; readonly failed: number }> {
    const gate = new Gate(refreshConcurrency);
    const search = async (query: ServiceQuery): Promise<boolean> => {
      try {
        await this.#finish(this.#prepare(query, { signal }, { isList: false }));
        return true;
      } catch (error) {
        if (!signal.aborted) this.#ports.network.logError('a search of a refresh failed', error);
        return false;
      }
    };
    const queries = this.interests.all;
    const outcomes = await Promise.all(queries.map((query) => gate.run(() => search(query))));
    return { asked: queries.length, failed: outcomes.filter((isDone) => !isDone).length };
  }

  /**
   * Looks up the own id in the DHT; gives the number of peers found.
   *
   * @throws {DiscoveryError} `STOPPED`, `CANCELLED`, `NO_DHT`, `QUERY_TIMEOUT`, `QUERY_FAILED`
   */
  async findSelf(act: string, { signal }: WaitConfig = {}): Promise<number> {
    const { clock, network, config } = this.#ports;
    const by = { stop: this.#ports.stop(), signal };
    const early = interruption(act, by);
    if (early !== undefined) throw early;
    const { queryTimeoutMs } = config;
    const deadline = startDeadline(clock, queryTimeoutMs, [by.stop, signal]);
    try {
      return await orAbort(network.findSelf({ signal: deadline.signal }), deadline.signal);
    } catch (cause) {
      const interrupted = interruption(act, by);
      if (interrupted !== undefined) throw interrupted;
      if (DiscoveryError.is(cause)) throw cause;
      const key = 'the own peer id';
      if (!deadline.expired)
        throw new DiscoveryError('QUERY_FAILED', { key, reason: explainError(cause) }, { cause });
      throw new DiscoveryError('QUERY_TIMEOUT', { key, waitedMs: queryTimeoutMs, asked: 0 }, { cause });
    } finally {
      deadline.clear();
    }
  }

  #prepare(
    query: ServiceQuery,
    given: FindConfig,
    kind: {
      readonly isList: boolean;
      readonly isQuiet?: boolean;
      readonly suits?: SearchDemands['suits'] | undefined;
    },
  ): Search {
    const { isList, isQuiet = false, suits } = kind;
    const { clock, network, random, config } = this.#ports;
    checkQuery(query);
    const act = actOf(query);
    const verifier = this.#verifier(act);
    const defaultAgeMs = isList ? config.announcementIntervalMs : 0;
    const { limit, timeoutMs, maxAgeMs, signal: cancel } = resolveFindConfig(given, config, defaultAgeMs);
    const stop = this.#ports.stop();
    if (stop === undefined) throw new DiscoveryError('STOPPED', { act });
    if (!isQuiet) this.interests.note(query);
    const maxNamed = config.kadReplicationFactor;
    return new Search(
      {
        clock,
        peerId: network.peerId,
        names: (asked, signal) =>
          names({ directory: network, maxNamed, chance: random.float() }, asked, signal),
        likely: (asked) => this.#likely(asked),
        others: (asked) => this.#others(asked),
        isSilent: (peerId) => this.#silent.has(peerId),
        confirm: (peer, asked, signal) => this.#confirm({ verifier, peer, signal }, asked),
      },
      {
        query,
        limit,
        timeoutMs,
        maxAgeMs,
        concurrency: config.concurrency,
        known: this.#fresh(query, maxAgeMs),
        stop,
        cancel,
        ...(isList && { settleMs: config.settleMs, suits }),
        ...this.#lingerer(query),
      },
    );
  }

  /** A list that has settled is searched on for the next one, each question once at a time. */
  #lingerer(query: ServiceQuery): Required<Pick<SearchPlan, 'goesOn' | 'onOver'>> {
    const key = keyOf(query);
    let isLingering = false;
    return {
      goesOn: () => {
        isLingering = this.#lingering.size < maxLingering && !this.#lingering.has(key);
        if (isLingering) this.#lingering.add(key);
        return isLingering;
      },
      onOver: (isComplete) => {
        if (isLingering) this.#lingering.delete(key);
        if (isComplete) this.interests.noteAnswer(query);
      },
    };
  }

  /** Who has said so lately enough, and has not been lost since. */
  #fresh(query: ServiceQuery, maxAgeMs: number): readonly Provider[] {
    if (maxAgeMs === 0) return [];
    const sinceMs = this.#ports.clock.elapsed() - maxAgeMs;
    return this.known.live().flatMap((peer) => {
      if (peer.isDoubtful || peer.heardAtMs <= sinceMs) return [];
      return toProvider(peer, query) ?? [];
    });
  }

  /** Who has said so, and is connected where that is known: most of them answer at once. */
  *#likely(query: ServiceQuery): Generator<FoundPeer> {
    const live = this.known.live().toSorted((a, b) => Number(a.isDoubtful) - Number(b.isDoubtful));
    for (const peer of live) if (toProvider(peer, query) !== undefined) yield toFoundPeer(peer);
  }

  /** Who may offer it although the DHT does not say so: those that did, and those of whom somebody says so. */
  *#others(query: ServiceQuery): Generator<FoundPeer> {
    if (query.kind === 'executor')
      for (const peerId of this.hints.peersFor(query.model)) yield { peerId, addresses: [] };
    for (const peer of this.known.dormant())
      if (toProvider(peer, query) !== undefined) yield toFoundPeer(peer);
  }

  async #confirm(
    by: { readonly verifier: Verifier; readonly peer: FoundPeer; readonly signal: AbortSignal },
    query: ServiceQuery,
  ): Promise<Provider | undefined> {
    const message = await this.#ask(by.verifier, by.peer, [by.signal]);
    if (message === undefined) return undefined;
    const { peerId, addresses } = by.peer;
    return toProvider({ peerId, message, heardAt: this.#ports.clock.now() }, query, addresses);
  }

  async #finish(search: Search): Promise<Search> {
    for await (const _ of this.#results(search));
    return search;
  }

  async *#results(search: Search): AsyncGenerator<Provider, void, undefined> {
    try {
      yield* search.results();
    } finally {
      if (search.error() === undefined) {
        this.#whereabouts.handOut(search.providers);
        this.#ports.onDiscovered(search.query, [...search.providers]);
      }
    }
    throwIfAny(search.error());
  }

  #verifier(act: string): Verifier {
    const { verifier } = this.#ports;
    if (verifier === undefined) throw new DiscoveryError('MISSING_VERIFIER', { act });
    return verifier;
  }

  /** What a peer says when it is asked; whoever asks it meanwhile shares the answer. */
  #ask(
    verifier: Verifier,
    peer: FoundPeer,
    signals: Signals,
  ): Promise<SignedMessage<ServiceDescriptor> | undefined> {
    return this.#asks.run(peer.peerId, signals, (signal) => this.#askNow(verifier, peer, signal));
  }

  /** The same; what comes of it is remembered. */
  async #askNow(
    verifier: Verifier,
    peer: FoundPeer,
    signal: AbortSignal,
  ): Promise<SignedMessage<ServiceDescriptor> | undefined> {
    const { clock, network } = this.#ports;
    const { peerId } = peer;
    const beganAtMs = clock.elapsed();
    try {
      const message = await describe({ ...this.#ports, verifier }, peer, [signal]);
      if (message !== undefined) return this.intake.note(message, 'asked');
      this.intake.forget(peerId);
      this.#silent.clear(peerId);
      return undefined;
    } catch (error) {
      if (DiscoveryError.is(error, 'DESCRIPTOR_UNREACHABLE')) {
        if (!signal.aborted) this.#noteSilence(peerId, beganAtMs);
      } else if (DiscoveryError.is(error, 'DESCRIPTOR_REFUSED')) this.intake.dropOwn(peerId, error);
      else network.logError('could not ask a peer', error, { peerId });
      throw error;
    }
  }

  #noteSilence(peerId: string, sinceMs: number): void {
    const { clock, config, network } = this.#ports;
    const heardAtMs = this.known.get(peerId)?.heardAtMs ?? Number.NEGATIVE_INFINITY;
    // It has announced itself meanwhile.
    if (heardAtMs > sinceMs) return;
    const isTimeOver = clock.elapsed() - sinceMs >= config.descriptorTimeoutMs;
    // Who is connected and refuses at once is busy: it is asked again before it counts, and not taken for dead.
    if (network.isConnected(peerId) && !isTimeOver) return this.known.doubt(peerId);
    this.#silent.note(peerId);
    this.intake.forget(peerId);
  }
}

function throwIfAny(error: Error | undefined): void {
  if (error !== undefined) throw error;
}
