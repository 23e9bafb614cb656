import { explainError, type Clock } from '@lloom/core';
import { DiscoveryError } from '../errors.ts';
import type { FoundPeer, Provider, Rejection, ServiceQuery } from '../types.ts';
import { Gate } from './gate.ts';
import { keyOf } from './services.ts';

/** How many peers one search asks; whoever answers a query of the DHT may name any number. */
export const maxProviders = 1_024;

/** How long those who said lately that they offer it are waited for before others are looked for, in ms. */
const headStartMs = 50;

/** What a search is made with. */
export interface SearchPorts {
  readonly clock: Clock;
  /** The own peer id; it is never a result. */
  readonly peerId: string;
  /** Whom the DHT names. */
  readonly names: (query: ServiceQuery, signal: AbortSignal) => AsyncIterable<FoundPeer>;
  /** Who said lately that they offer it: asked first. */
  readonly likely: (query: ServiceQuery) => Iterable<FoundPeer>;
  /** Who else may offer it: asked after those that the DHT names. */
  readonly others: (query: ServiceQuery) => Iterable<FoundPeer>;
  /** Whether a peer did not answer lately: it is asked after all others. */
  readonly isSilent: (peerId: string) => boolean;
  /** Asks a peer; `undefined` when it does not offer what is looked for; throws a `DiscoveryError`. */
  readonly confirm: (
    peer: FoundPeer,
    query: ServiceQuery,
    signal: AbortSignal,
  ) => Promise<Provider | undefined>;
}

/** One search. */
export interface SearchPlan {
  readonly query: ServiceQuery;
  readonly limit: number;
  readonly timeoutMs: number;
  readonly concurrency: number;
  /** How old a peer's word may be to count without it being asked. */
  readonly maxAgeMs: number;
  /** Those whose word is not older: they count. */
  readonly known: readonly Provider[];
  /** Ends the search so long after the first provider that suits. @default it goes on */
  readonly settleMs?: number;
  /** Whether a provider is one to settle for. @default all are */
  readonly suits?: ((provider: Provider) => boolean) | undefined;
  /** The caller's wish to give up. */
  readonly cancel?: AbortSignal | undefined;
  /** Fires when the service stops. */
  readonly stop: AbortSignal;
  /** Asked when it settles: whether it may go on, so that more is known the next time. @default not */
  readonly goesOn?: () => boolean;
  /** Told when nobody is asked any more, and whether everybody was. */
  readonly onOver?: (isComplete: boolean) => void;
}

/** A search, for errors. */
export const actOf = (query: ServiceQuery): string => `search for "${keyOf(query)}"`;

/** Why a search is over. `complete`: everybody whom the DHT named was asked. */
export type SearchEnd =
  | 'complete'
  | 'limit'
  | 'settled'
  | 'left'
  | 'failed'
  | 'timeout'
  | 'cancelled'
  | 'stopped';

/**
 * One search: reads what the DHT names, and asks each peer itself, several at a time. What peers do, slow, silent or
 * lying, costs no more than their own turn. Whatever the DHT throws, what was confirmed stays.
 */
export class Search {
  /** Everybody confirmed so far. */
  readonly providers: Provider[] = [];
  /** Everybody who did not count. */
  readonly rejected: Rejection[] = [];
  end: SearchEnd | undefined;
  readonly plan: SearchPlan;
  readonly #ports: SearchPorts;
  readonly #seen = new Set<string>();
  readonly #abort = new AbortController();
  readonly #gate: Gate;
  readonly #timers: unknown[] = [];
  /** Where those who were met were looked for, without their peer ids. */
  readonly #tried = new Map<string, ReadonlySet<string>>();
  /** Where others say that they are. */
  readonly #elsewhere = new Map<string, readonly string[]>();
  readonly #askedTwice = new Set<string>();
  #isSettling = false;
  /** Whether nobody is asked any more. A list that has settled is at its end, and the search goes on. */
  #isOver = false;
  #failure: unknown;
  #wake: (() => void) | undefined;

  constructor(ports: SearchPorts, plan: SearchPlan) {
    this.#ports = ports;
    this.plan = plan;
    this.#gate = new Gate(plan.concurrency);
  }

  /** What is looked for. */
  get query(): ServiceQuery {
    return this.plan.query;
  }

  /** How many of the providers count although they were not asked. */
  get believed(): number {
    return this.plan.known.length;
  }

  /** How many peers were asked, or wait for their turn. */
  get asked(): number {
    return this.#seen.size;
  }

  /** Providers as they are confirmed. Leaving the loop ends the search. */
  async *results(): AsyncGenerator<Provider, void, undefined> {
    this.#start();
    try {
      for (let delivered = 0; ;) {
        const provider = this.providers[delivered];
        if (provider !== undefined) {
          delivered++;
          yield provider;
        } else if (this.end !== undefined) return;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.#finish('left');
    }
  }

  /** What the caller must be told; nothing when the outcome is known or something was found. */
  error(): DiscoveryError | undefined {
    const key = keyOf(this.query);
    const act = actOf(this.query);
    const cause = this.#failure;
    if (this.end === 'cancelled') return new DiscoveryError('CANCELLED', { act });
    if (this.end === 'stopped') return new DiscoveryError('STOPPED', { act });
    if (this.providers.length > 0) return undefined;
    if (this.end === 'timeout') {
      const data = { key, waitedMs: this.plan.timeoutMs, asked: this.asked };
      return new DiscoveryError('QUERY_TIMEOUT', data, { cause });
    }
    if (this.end !== 'failed') return undefined;
    return DiscoveryError.is(cause)
      ? cause
      : new DiscoveryError('QUERY_FAILED', { key, reason: explainError(cause) }, { cause });
  }

  #start(): void {
    const { cancel, stop, timeoutMs } = this.plan;
    if (stop.aborted) return this.#finish('stopped');
    if (cancel?.aborted === true) return this.#finish('cancelled');
    stop.addEventListener('abort', this.#onStop, { once: true });
    cancel?.addEventListener('abort', this.#onCancel, { once: true });
    this.#after(timeoutMs, 'timeout');
    for (const provider of this.plan.known) {
      if (this.end !== undefined) return;
      this.#seen.add(provider.peerId);
      this.#confirm(provider);
    }
    if (this.end === undefined) void this.#query();
  }

  /** Never rejects. */
  async #query(): Promise<void> {
    const { query } = this.plan;
    const asks: Promise<void>[] = [];
    const late: FoundPeer[] = [];
    const meet = (peer: FoundPeer): void => {
      if (!this.#isNew(peer)) return this.#noteElsewhere(peer);
      if (this.#ports.isSilent(peer.peerId)) late.push(peer);
      else asks.push(this.#gate.run(() => this.#ask(peer)));
    };
    for (const peer of this.#ports.likely(query)) meet(peer);
    await this.#headStart(asks);
    try {
      for await (const peer of this.#ports.names(query, this.#abort.signal)) {
        if (this.#isOver) return;
        meet(peer);
        if (this.#seen.size >= maxProviders) break;
      }
    } catch (error) {
      this.#failure = error;
    }
    // Meanwhile somebody may have said so.
    for (const peer of this.#ports.likely(query)) meet(peer);
    for (const peer of this.#ports.others(query)) meet(peer);
    asks.push(...late.map((peer) => this.#gate.run(() => this.#ask(peer))));
    await Promise.all(asks);
    this.#finish(this.#failure === undefined ? 'complete' : 'failed');
  }

  /** Who names a peer at wrong addresses must not hide it: it is asked once more where others say that it is. */
  #noteElsewhere({ peerId, addresses }: FoundPeer): void {
    const tried = this.#tried.get(peerId);
    const isElsewhere = addresses.some((address) => tried?.has(withoutPeer(address)) === false);
    if (isElsewhere && !this.#askedTwice.has(peerId)) this.#elsewhere.set(peerId, addresses);
  }

  /** Lets those who are likely answer first: a look-up of the DHT computes more than all of them together. */
  async #headStart(asks: readonly Promise<void>[]): Promise<void> {
    if (asks.length === 0 || this.end !== undefined) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#timers.push(this.#ports.clock.setTimeout(() => resolve(), headStartMs));
    this.#abort.signal.addEventListener('abort', () => resolve(), { once: true });
    await Promise.race([promise, Promise.all(asks)]);
  }

  #isNew({ peerId }: FoundPeer): boolean {
    const isKnown = peerId === this.#ports.peerId || this.#seen.has(peerId);
    if (isKnown || this.#seen.size >= maxProviders) return false;
    this.#seen.add(peerId);
    return true;
  }

  /** Never rejects. */
  async #ask(peer: FoundPeer): Promise<void> {
    if (this.#isOver) return;
    const { peerId } = peer;
    this.#tried.set(peerId, new Set(peer.addresses.map(withoutPeer)));
    try {
      const provider = await this.#ports.confirm(peer, this.plan.query, this.#abort.signal);
      if (this.end !== undefined) return;
      if (provider === undefined) this.#reject(peer, 'NOT_OFFERED');
      else this.#confirm(provider);
    } catch (error) {
      const addresses = this.#elsewhere.get(peerId);
      if (addresses !== undefined && !this.#askedTwice.has(peerId)) {
        this.#askedTwice.add(peerId);
        return this.#ask({ peerId, addresses });
      }
      if (this.end !== undefined) return;
      this.#reject(peer, DiscoveryError.is(error, 'DESCRIPTOR_REFUSED') ? error.data.reason : 'UNREACHABLE');
    }
  }

  #reject({ peerId }: FoundPeer, reason: string): void {
    this.rejected.push({ peerId, reason });
  }

  #confirm(provider: Provider): void {
    const { limit, settleMs, suits } = this.plan;
    this.providers.push(provider);
    if (this.providers.length >= limit) return this.#finish('limit');
    this.#notify();
    if (settleMs === undefined || this.#isSettling || suits?.(provider) === false) return;
    this.#isSettling = true;
    this.#after(settleMs, 'settled');
  }

  #after(ms: number, end: SearchEnd): void {
    this.#timers.push(this.#ports.clock.setTimeout(() => this.#finish(end), ms));
  }

  /** Ends it for the caller. Where it has only settled it may go on, and ends once more. */
  #finish(end: SearchEnd): void {
    if (this.end === undefined) {
      this.end = end;
      this.plan.cancel?.removeEventListener('abort', this.#onCancel);
      this.#notify();
      if (end === 'settled' && this.plan.goesOn?.() === true) return;
    } else if (end === 'left') return;
    this.#endWork(end === 'complete');
  }

  #endWork(isComplete: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const timer of this.#timers) this.#ports.clock.clearTimeout(timer);
    this.plan.stop.removeEventListener('abort', this.#onStop);
    this.#abort.abort(new Error(`the search is over: ${this.end}`));
    this.plan.onOver?.(isComplete);
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  readonly #onStop = (): void => this.#finish('stopped');
  readonly #onCancel = (): void => this.#finish('cancelled');
}

/** An address as the DHT and descriptors both write it. */
function withoutPeer(address: string): string {
  return address.replace(/\/p2p\/[^/]+$/, '');
}
