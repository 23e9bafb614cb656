import { messagesFamily, type HistogramFamily, type Meter, type MetricFamily } from '@lloom/core';
import type { RpcErrorCode } from '../errors.ts';
import type { RpcLoad } from '../types.ts';
import * as families from './families.ts';

/** More kinds than that are counted as `other`: what is asked for must not fill memory. */
const maxMethods = 256;

/** What every node may be asked for. */
const usualMethod = 'llmRequest';

/** How requests of this node end that are not answered, beside what only a mistake of their caller brings about. */
const usualFailures: readonly RpcErrorCode[] = [
  ...(['TIMEOUT', 'DIAL_TIMEOUT', 'FIRST_BYTE_TIMEOUT', 'IDLE_TIMEOUT', 'CANCELLED', 'DIAL_FAILED'] as const),
  ...(['CONNECTION_CLOSED', 'OMITTED', 'INVALID_RESPONSE', 'SIGNATURE_INVALID', 'PARTIAL_ANSWER'] as const),
  ...(['PENDING_LIMIT', 'PEER_AVOIDED', 'REMOTE', 'NO_HANDLER', 'BUSY', 'RATE_LIMITED'] as const),
  ...(['SIGNATURE_REFUSED', 'MODEL_UNAVAILABLE', 'REQUEST_LOST', 'RELAY_LIMIT', 'STOPPED'] as const),
];

/** How requests of others end that are not answered. */
const usualEndings: readonly string[] = [
  ...['refused', 'slow', 'crowdedOut', 'omitted', 'expired'],
  ...['failed', 'abandoned', 'stopped', 'interrupted'],
];

/** Why a request is made once more: it has failed, or somebody else is asked beside who was slow to begin. */
export type RetryKind = 'retry' | 'hedge';

type Count = (by?: number) => void;
type Observe = (value: number) => void;

/** What a service tells of itself when somebody looks. */
export interface RpcState {
  /** How many requests of this node are under way. */
  readonly pending: () => number;
  /** How many requests of others are. */
  readonly active: () => number;
  readonly load: () => RpcLoad;
}

/** One value for each method; each is made when it is first needed, and kept. */
class ByMethod<T> {
  readonly #make: (method: string) => T;
  readonly #known = new Map<string, T>();

  constructor(make: (method: string) => T) {
    this.#make = make;
  }

  of(method: string): T {
    const known = this.#known.get(method);
    if (known !== undefined) return known;
    if (this.#known.size >= maxMethods && method !== 'other') return this.of('other');
    const made = this.#make(method);
    this.#known.set(method, made);
    return made;
  }
}

/** The figures of one method. */
interface EndsOfOne {
  /** Counts what ended so; made when it is first needed. */
  readonly countOf: (outcome: string) => Count;
  readonly observe: Observe;
}

/** Counts requests of one direction by how they ended, and keeps the times of those that were answered. */
class Ends {
  readonly #byMethod: ByMethod<EndsOfOne>;

  constructor(meter: Meter, ends: MetricFamily, times: HistogramFamily) {
    this.#byMethod = new ByMethod((method) => {
      const counts = new Map<string, Count>();
      const countOf = (outcome: string): Count => {
        let count = counts.get(outcome);
        if (count === undefined) counts.set(outcome, (count = meter.counter(ends, { method, outcome })));
        return count;
      };
      countOf('answered');
      return { countOf, observe: meter.histogram(times, { method }) };
    });
  }

  /** Has figures of a method there before anything has ended. */
  expect(method: string, outcomes: readonly string[]): void {
    const { countOf } = this.#byMethod.of(method);
    for (const outcome of outcomes) countOf(outcome);
  }

  note(method: string, outcome: string, elapsedMs: number): void {
    const { countOf, observe } = this.#byMethod.of(method);
    countOf(outcome)();
    if (outcome === 'answered') observe(elapsedMs / 1_000);
  }
}

/** The figures of one service. Its meter must not throw. */
export class RpcMetrics {
  /** A request that was sent, or an answer that was sent to its end. */
  readonly sent: Count;
  /** A request that was read whole, or an answer that came to its end. */
  readonly received: Count;
  /** Tokens of an answer that was given. */
  readonly tokensSent: Count;
  /** Tokens of an answer that came. */
  readonly tokensReceived: Count;
  readonly #meter: Meter;
  readonly #requests: Ends;
  readonly #served: Ends;
  readonly #retries: ByMethod<Readonly<Record<RetryKind, Count>>>;
  readonly #firstTokens: ByMethod<Observe>;
  readonly #queued: Observe;

  constructor(meter: Meter) {
    this.#meter = meter;
    this.sent = meter.counter(messagesFamily, { carrier: 'rpc', direction: 'sent' });
    this.received = meter.counter(messagesFamily, { carrier: 'rpc', direction: 'received' });
    this.tokensSent = meter.counter(families.tokens, { direction: 'sent' });
    this.tokensReceived = meter.counter(families.tokens, { direction: 'received' });
    this.#requests = new Ends(meter, families.requests, families.requestSeconds);
    this.#served = new Ends(meter, families.served, families.servedSeconds);
    this.#retries = new ByMethod((method) => ({
      retry: meter.counter(families.retries, { method, kind: 'retry' }),
      hedge: meter.counter(families.retries, { method, kind: 'hedge' }),
    }));
    this.#firstTokens = new ByMethod((method) => meter.histogram(families.firstTokenSeconds, { method }));
    this.#queued = meter.histogram(families.queueSeconds);
    this.#expect(usualMethod);
  }

  /** A figure that is not there yet looks like one that is broken, and its first step up is seen by nobody. */
  #expect(method: string): void {
    this.#requests.expect(method, usualFailures);
    this.#served.expect(method, usualEndings);
    this.#retries.of(method);
    this.#firstTokens.of(method);
  }

  /** Has a service looked at whenever somebody asks. */
  watch({ pending, active, load }: RpcState): void {
    const meter = this.#meter;
    meter.gauge(families.pendingRequests, pending);
    meter.gauge(families.activeRequests, active);
    meter.gauge(families.queuedRequests, () => load().queueDepth);
    meter.gauge(families.slots, () => load().capacity);
    meter.gauge(families.freeSlots, () => load().freeSlots);
  }

  /** A request of this node has ended, for whoever made it. */
  requested(method: string, outcome: string, elapsedMs: number): void {
    this.#requests.note(method, outcome, elapsedMs);
  }

  /** A request of this node is made once more. */
  retried(method: string, kind: RetryKind): void {
    this.#retries.of(method)[kind]();
  }

  /** The first chunk of an answer has come. */
  firstToken(method: string, elapsedMs: number): void {
    this.#firstTokens.of(method)(elapsedMs / 1_000);
  }

  /** A request of another node has ended. */
  served(method: string, outcome: string, elapsedMs: number): void {
    this.#served.note(method, outcome, elapsedMs);
  }

  /** A request of another node was given a slot. */
  started(waitedMs: number): void {
    this.#queued(waitedMs / 1_000);
  }
}
