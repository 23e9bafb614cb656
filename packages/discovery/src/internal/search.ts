import type { ServiceDescriptor } from '@lloom/codec';
import { explainError, toMultiaddr, type Clock } from '@lloom/core';
import { DiscoveryError } from '../errors.ts';
import type { Directory } from '../ports.ts';
import type { FoundPeer, Provider, Rejection, ServiceQuery } from '../types.ts';
import { Gate } from './gate.ts';
import { findOffer, keyOf } from './services.ts';

/** How many peers one search asks; whoever answers a query of the DHT may name any number. */
export const maxProviders = 64;
const maxAddresses = 16;

/** What a search is made with. */
export interface SearchPorts {
  readonly clock: Clock;
  /** The own peer id; it is never a result. */
  readonly peerId: string;
  readonly directory: Pick<Directory, 'find'>;
  /** Asks a peer; throws a `DiscoveryError`. */
  readonly describe: (peer: FoundPeer, signal: AbortSignal) => Promise<ServiceDescriptor | undefined>;
}

/** One search. */
export interface SearchPlan {
  readonly query: ServiceQuery;
  readonly limit: number;
  readonly timeoutMs: number;
  readonly concurrency: number;
  /** Ends the search so long after the first provider. @default it goes on */
  readonly settleMs?: number;
  /** The caller's wish to give up. */
  readonly cancel?: AbortSignal | undefined;
  /** Fires when the service stops. */
  readonly stop: AbortSignal;
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
  readonly #ports: SearchPorts;
  readonly #plan: SearchPlan;
  readonly #seen = new Set<string>();
  readonly #abort = new AbortController();
  readonly #gate: Gate;
  readonly #timers: unknown[] = [];
  #failure: unknown;
  #wake: (() => void) | undefined;

  constructor(ports: SearchPorts, plan: SearchPlan) {
    this.#ports = ports;
    this.#plan = plan;
    this.#gate = new Gate(plan.concurrency);
  }

  /** What is looked for. */
  get query(): ServiceQuery {
    return this.#plan.query;
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
      const data = { key, waitedMs: this.#plan.timeoutMs, asked: this.asked };
      return new DiscoveryError('QUERY_TIMEOUT', data, { cause });
    }
    if (this.end !== 'failed') return undefined;
    return DiscoveryError.is(cause)
      ? cause
      : new DiscoveryError('QUERY_FAILED', { key, reason: explainError(cause) }, { cause });
  }

  #start(): void {
    const { cancel, stop, timeoutMs } = this.#plan;
    if (stop.aborted) return this.#finish('stopped');
    if (cancel?.aborted === true) return this.#finish('cancelled');
    stop.addEventListener('abort', this.#onStop, { once: true });
    cancel?.addEventListener('abort', this.#onCancel, { once: true });
    this.#after(timeoutMs, 'timeout');
    void this.#query();
  }

  /** Never rejects. */
  async #query(): Promise<void> {
    const asks: Promise<void>[] = [];
    try {
      const { signal } = this.#abort;
      for await (const peer of this.#ports.directory.find(keyOf(this.#plan.query), { signal })) {
        if (this.end !== undefined) return;
        if (peer.peerId === this.#ports.peerId || this.#seen.has(peer.peerId)) continue;
        this.#seen.add(peer.peerId);
        asks.push(this.#gate.run(() => this.#ask(peer)));
        if (this.#seen.size >= maxProviders) break;
      }
    } catch (error) {
      this.#failure = error;
    }
    await Promise.all(asks);
    this.#finish(this.#failure === undefined ? 'complete' : 'failed');
  }

  /** Never rejects. */
  async #ask(peer: FoundPeer): Promise<void> {
    if (this.end !== undefined) return;
    try {
      const descriptor = await this.#ports.describe(peer, this.#abort.signal);
      const info = descriptor && findOffer(descriptor, this.#plan.query);
      if (this.end !== undefined) return;
      if (descriptor === undefined || info === undefined) this.#reject(peer, 'NOT_OFFERED');
      else this.#confirm({ ...toProvider(descriptor, peer), info });
    } catch (error) {
      if (this.end !== undefined) return;
      this.#reject(peer, DiscoveryError.is(error, 'DESCRIPTOR_REFUSED') ? error.data.reason : 'UNREACHABLE');
    }
  }

  #reject({ peerId }: FoundPeer, reason: string): void {
    this.rejected.push({ peerId, reason });
  }

  #confirm(provider: Provider): void {
    const { limit, settleMs } = this.#plan;
    this.providers.push(provider);
    if (this.providers.length >= limit) return this.#finish('limit');
    if (settleMs !== undefined && this.providers.length === 1) this.#after(settleMs, 'settled');
    this.#notify();
  }

  #after(ms: number, end: SearchEnd): void {
    this.#timers.push(this.#ports.clock.setTimeout(() => this.#finish(end), ms));
  }

  #finish(end: SearchEnd): void {
    if (this.end !== undefined) return;
    this.end = end;
    for (const timer of this.#timers) this.#ports.clock.clearTimeout(timer);
    this.#plan.stop.removeEventListener('abort', this.#onStop);
    this.#plan.cancel?.removeEventListener('abort', this.#onCancel);
    this.#abort.abort(new Error(`the search is over: ${end}`));
    this.#notify();
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  readonly #onStop = (): void => this.#finish('stopped');
  readonly #onCancel = (): void => this.#finish('cancelled');
}

function toProvider(descriptor: ServiceDescriptor, peer: FoundPeer): Omit<Provider, 'info'> {
  const own = descriptor.addresses.filter(isAddress).slice(0, maxAddresses);
  const addresses = own.length > 0 ? own : peer.addresses.slice(0, maxAddresses);
  const { agentVersion } = descriptor;
  return { peerId: peer.peerId, addresses, ...(agentVersion !== undefined && { agentVersion }) };
}

function isAddress(text: string): boolean {
  try {
    toMultiaddr(text);
    return true;
  } catch {
    return false;
  }
}
