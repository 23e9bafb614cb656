import { orAbort, RecentMap } from '@lloom/core';
import { startDeadline, type Deadline } from './internal/deadline.ts';
import { areFew, enoughOf, isMeshWanted, type Links } from './internal/enough.ts';
import { attempt } from './internal/given.ts';
import type { Shared } from './internal/shared.ts';
import type { Dialer, TopicCandidate, TopicPeerSource } from './ports.ts';
import type { MeshSize } from './types.ts';

/** How long one search takes, in ms. */
const searchMs = 10_000;
/** How many peers it dials, and how many at the same time. */
const maxDials = 8;
const maxDialsAtOnce = 4;
/** How many candidates it looks at: most may be connected, or have been dialled in vain. */
const maxCandidates = 256;
/** How long peers that were dialled may take to say that they are subscribed, in ms. */
const subscribingMs = 3_000;
/** Who was dialled in vain is left alone for so long, in ms; so many are remembered. */
const futileMs = 600_000;
const maxFutile = 1_024;
/** So many topics wait for their search at most before publishes set off no more. */
const maxPrompted = 16;
/** A publish that finds nobody sets off a search of its topic so often at most, in ms. */
const promptMs = 10_000;

/** What searching takes. */
export interface SearchingPorts extends Pick<Shared, 'clock' | 'router'> {
  readonly dialer: Dialer;
  readonly find: TopicPeerSource['find'];
  readonly meshSize: () => MeshSize;
}

interface Wanted extends PromiseWithResolvers<void> {
  /** Whether the topic had enough peers, and a mesh is wanted. */
  readonly isForMesh: boolean;
}

interface Search {
  readonly topic: string;
  readonly isForMesh: boolean;
  readonly deadline: Deadline;
  /** Peers that were dialled, and whether there was a connection. */
  readonly dialled: Map<string, boolean>;
  /** Dials that are under way. */
  readonly open: Set<Promise<void>>;
  onLinks: () => void;
}

/**
 * Finds and dials peers of topics that have few, from one start of the service to its stop. One search at a time: the topics of
 * a network mostly have the same peers, so that one search serves all.
 */
export class Searching {
  readonly #ports: SearchingPorts;
  readonly #stop = new AbortController();
  readonly #wanted = new Map<string, Wanted>();
  readonly #futile = new RecentMap<number>(maxFutile);
  readonly #promptedAtMs = new RecentMap<number>(maxFutile);
  #current: Search | undefined;

  constructor(ports: SearchingPorts) {
    this.#ports = ports;
  }

  /** Resolves when peers of the topic were looked for, or the signal fires; the search itself goes on. Never rejects. */
  async search(topic: string, signal: AbortSignal = this.#stop.signal): Promise<void> {
    if (this.#stop.signal.aborted) return;
    const before = this.#wanted.get(topic);
    const isForMesh = !areFew(this.#linksOf(topic));
    const wanted = before ?? { ...Promise.withResolvers<void>(), isForMesh };
    this.#wanted.set(topic, wanted);
    if (before === undefined && this.#wanted.size === 1) void this.#run();
    await orAbort(wanted.promise, signal).catch(() => undefined);
  }

  /** Somebody waits for a peer of the topic. */
  prompt(topic: string): void {
    const nowMs = this.#ports.clock.elapsed();
    if (this.#wanted.size >= maxPrompted) return;
    if (nowMs - (this.#promptedAtMs.get(topic) ?? Number.NEGATIVE_INFINITY) < promptMs) return;
    this.#promptedAtMs.set(topic, nowMs);
    void this.search(topic);
  }

  /** The links of a topic may have changed. */
  onLinks(topic: string): void {
    const search = this.#current;
    if (search?.topic !== topic) return;
    if (this.#isEnough(search)) search.deadline.end();
    else search.onLinks();
  }

  stop(): void {
    this.#stop.abort();
  }

  async #run(): Promise<void> {
    for (const [topic, { isForMesh, resolve }] of this.#wanted) {
      await this.#searchOne(topic, isForMesh);
      this.#wanted.delete(topic);
      resolve();
    }
  }

  async #searchOne(topic: string, isForMesh: boolean): Promise<void> {
    const { clock, router } = this.#ports;
    if (this.#stop.signal.aborted || this.#isEnough({ topic, isForMesh })) return;
    const deadline = startDeadline(clock, searchMs, this.#stop.signal);
    const dialled = new Map<string, boolean>();
    const search: Search = { topic, isForMesh, deadline, dialled, open: new Set(), onLinks: () => {} };
    this.#current = search;
    try {
      await this.#dialCandidates(search);
      await orAbort(Promise.all(search.open), deadline.signal);
      await this.#subscribing(search);
    } catch (error) {
      if (!deadline.signal.aborted) router.logError('could not look for peers of a topic', error);
    } finally {
      deadline.clear();
      this.#current = undefined;
      this.#noteFutile(search);
      router.log('looked for peers of a topic', { topic, dialled: search.dialled.size });
    }
  }

  async #dialCandidates(search: Search): Promise<void> {
    const { topic, dialled, open } = search;
    const { signal } = search.deadline;
    const candidates = this.#ports.find(topic, { signal })[Symbol.asyncIterator]();
    try {
      for (let looked = 0; looked < maxCandidates && dialled.size < maxDials; looked++) {
        const next = await orAbort(Promise.resolve(candidates.next()), signal);
        if (next.done === true) return;
        const candidate = this.#worthDialling(search, next.value);
        if (candidate === undefined) continue;
        const dial = this.#dial(search, candidate).finally(() => open.delete(dial));
        open.add(dial);
        if (open.size >= maxDialsAtOnce) await orAbort(Promise.race(open), signal);
      }
    } finally {
      // What a source does with its end is its own affair.
      void attempt(() => candidates.return?.().catch(() => undefined));
    }
  }

  #worthDialling({ topic, dialled }: Search, candidate: TopicCandidate): TopicCandidate | undefined {
    const { clock, router } = this.#ports;
    const { peerId, addresses } = (attempt(() => ({ ...candidate })) ?? {}) as Partial<TopicCandidate>;
    if (typeof peerId !== 'string' || peerId === router.peerId || dialled.has(peerId)) return undefined;
    const nowMs = clock.elapsed();
    const isFutile = (key: string): boolean =>
      nowMs < (this.#futile.get(key) ?? Number.NEGATIVE_INFINITY) + futileMs;
    const rests = this.#futile.size > 0 && (isFutile(peerId) || isFutile(`${peerId} ${topic}`));
    if (rests || router.isConnected(peerId)) return undefined;
    return { peerId, addresses: Array.isArray(addresses) ? addresses : [] };
  }

  /** Never rejects. */
  async #dial({ deadline, dialled }: Search, { peerId, addresses }: TopicCandidate): Promise<void> {
    const { signal } = deadline;
    dialled.set(peerId, false);
    try {
      await orAbort(this.#ports.dialer.dial(peerId, addresses, { signal, toldBy: 'peers' }), signal);
      dialled.set(peerId, true);
    } catch (error) {
      if (!signal.aborted) this.#ports.router.logError('could not dial a peer of a topic', error);
    }
  }

  /** Resolves when all that were dialled are subscribed, and soon in any case. */
  async #subscribing(search: Search): Promise<void> {
    const { clock } = this.#ports;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = clock.setTimeout(() => resolve(), subscribingMs);
    search.onLinks = () => {
      if (this.#missing(search).length === 0) resolve();
    };
    search.onLinks();
    try {
      await orAbort(promise, search.deadline.signal);
    } finally {
      clock.clearTimeout(timer);
    }
  }

  /** Peers to which there was a connection, and that are not subscribed. */
  #missing({ topic, dialled }: Search): string[] {
    const subscribed = new Set(this.#ports.router.topicPeers(topic));
    const missing = Array.from(dialled).filter(([peerId, isReached]) => isReached && !subscribed.has(peerId));
    return missing.map(([peerId]) => peerId);
  }

  #noteFutile(search: Search): void {
    const { topic, dialled } = search;
    // Who was given up because there are enough, or because of the stop, was not dialled in vain.
    if (this.#stop.signal.aborted || this.#isEnough(search)) return;
    const nowMs = this.#ports.clock.elapsed();
    for (const [peerId, isReached] of dialled) if (!isReached) this.#futile.set(peerId, nowMs);
    for (const peerId of this.#missing(search)) this.#futile.set(`${peerId} ${topic}`, nowMs);
  }

  #isEnough({ topic, isForMesh }: Pick<Search, 'topic' | 'isForMesh'>): boolean {
    const links = this.#linksOf(topic);
    return !areFew(links) && !(isForMesh && isMeshWanted(links));
  }

  #linksOf(topic: string): Links {
    const { router, meshSize } = this.#ports;
    const meshPeers = router.meshPeers(topic).length;
    return { topicPeers: router.topicPeers(topic).length, meshPeers, enough: enoughOf(meshSize()) };
  }
}
