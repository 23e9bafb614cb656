import type { ServiceDescriptor } from '@lloom/codec';
import { explainError, type Verifier, orAbort } from '@lloom/core';
import { resolveFindConfig } from '../config.ts';
import { DiscoveryError } from '../errors.ts';
import type { FindConfig, FoundPeer, Provider, ServiceQuery, WaitConfig } from '../types.ts';
import { interruption, startDeadline, type Signals } from './deadline.ts';
import { describe } from './describe.ts';
import { Gate } from './gate.ts';
import { Interests } from './interests.ts';
import { KnownServices } from './knownServices.ts';
import { actOf, Search } from './search.ts';
import { checkQuery } from './services.ts';
import type { Shared } from './shared.ts';

/** Searches that one refresh runs at the same time. */
const refreshConcurrency = 4;

/** What finding needs beside what is shared. */
export interface FinderPorts extends Shared {
  /** Fires when the service stops; `undefined` while it is not started. */
  readonly stop: () => AbortSignal | undefined;
  /** Told of every search that ended well. */
  readonly onDiscovered: (service: ServiceQuery, providers: readonly Provider[]) => void;
}

/** Finds providers, and remembers what was looked for. */
export class Finder {
  readonly interests = new Interests();
  /** What peers said when they were asked last. */
  readonly known: KnownServices;
  readonly #ports: FinderPorts;

  constructor(ports: FinderPorts) {
    this.#ports = ports;
    this.known = new KnownServices(ports.clock, ports.config.descriptorTtlMs);
  }

  /** Everybody who confirms until the search has settled. */
  async find(query: ServiceQuery, config: FindConfig = {}): Promise<Provider[]> {
    return (await this.#finish(this.#prepare(query, config, true))).providers;
  }

  /**
   * The same, at least one.
   * @throws {DiscoveryError} `NO_PROVIDERS`
   */
  async require(query: ServiceQuery, config: FindConfig = {}): Promise<Provider[]> {
    const { providers, rejected, asked } = await this.#finish(this.#prepare(query, config, true));
    if (providers.length > 0) return providers;
    throw new DiscoveryError('NO_PROVIDERS', { ...query, asked, confirmed: 0, rejected });
  }

  /** Everybody who confirms, as they do. Checks everything at once, and searches when it is iterated. */
  iterate(query: ServiceQuery, config: FindConfig = {}): AsyncGenerator<Provider, void, undefined> {
    return this.#results(this.#prepare(query, config, false));
  }

  /** Asks one peer. */
  async describe(peer: FoundPeer, { signal }: WaitConfig = {}): Promise<ServiceDescriptor | undefined> {
    const act = 'describeService';
    const verifier = this.#verifier(act);
    const stop = this.#ports.stop();
    const early = interruption(act, { stop, signal });
    if (early !== undefined) throw early;
    try {
      return await this.#ask(verifier, peer, [stop, signal]);
    } catch (error) {
      throw interruption(act, { stop, signal }) ?? error;
    }
  }

  /** Looks again for everything that was looked for. Never rejects. */
  async refresh(signal: AbortSignal): Promise<{ readonly asked: number; readonly failed: number }> {
    const gate = new Gate(refreshConcurrency);
    const search = async (query: ServiceQuery): Promise<boolean> => {
      try {
        await this.#finish(this.#prepare(query, { signal }, false));
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

  #prepare(query: ServiceQuery, given: FindConfig, settles: boolean): Search {
    const { clock, network, config } = this.#ports;
    checkQuery(query);
    const act = actOf(query);
    const verifier = this.#verifier(act);
    const { limit, timeoutMs } = resolveFindConfig(given, config);
    const stop = this.#ports.stop();
    if (stop === undefined) throw new DiscoveryError('STOPPED', { act });
    this.interests.note(query);
    return new Search(
      {
        clock,
        peerId: network.peerId,
        directory: network,
        describe: (peer, signal) => this.#ask(verifier, peer, [signal]),
      },
      {
        query,
        limit,
        timeoutMs,
        concurrency: config.concurrency,
        stop,
        cancel: given.signal,
        ...(settles && { settleMs: config.settleMs }),
      },
    );
  }

  async #finish(search: Search): Promise<Search> {
    for await (const _ of this.#results(search));
    return search;
  }

  async *#results(search: Search): AsyncGenerator<Provider, void, undefined> {
    try {
      yield* search.results();
    } finally {
      if (search.error() === undefined) this.#ports.onDiscovered(search.query, [...search.providers]);
    }
    const error = search.error();
    if (error !== undefined) throw error;
  }

  #verifier(act: string): Verifier {
    const { verifier } = this.#ports;
    if (verifier === undefined) throw new DiscoveryError('MISSING_VERIFIER', { act });
    return verifier;
  }

  async #ask(verifier: Verifier, peer: FoundPeer, signals: Signals): Promise<ServiceDescriptor | undefined> {
    const descriptor = await describe({ ...this.#ports, verifier }, peer, signals);
    this.known.note(peer.peerId, descriptor);
    return descriptor;
  }
}
