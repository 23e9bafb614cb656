import type { Answer } from '@lloom/behaviour';
import type { MeasureFilter, Measurement } from '../measures.ts';
import type { CurvePoint, ReportRequest } from '../report/types.ts';
import type { SimulationMetrics } from '../types.ts';
import type { Execution } from './executor.ts';
import { curveOf, evenly, percentileOf, risingOf, spreadOf } from './spread.ts';

/** How many requests, and how many executions, are remembered one by one; beyond them they are counted. */
const maxKept = 200_000;
const shownRequests = 2_000;

/** What an executor gave of an answer. */
export interface GivenShare {
  /** The name of its node. */
  readonly executor: string;
  readonly tokens: number;
  readonly cost: bigint;
}

/** One request. */
export interface KeptRequest {
  readonly load: string;
  readonly atMs: number;
  firstTokenMs: number | undefined;
  latencyMs: number | undefined;
  /** `answered`, or the code of the error; absent while it is under way. */
  outcome: string | undefined;
  shares: readonly GivenShare[];
  isOverbilled: boolean;
  /** How often it ended. */
  ends: number;
}

/** How a request ended well. */
export interface AnsweredRequest {
  readonly answer: Pick<Answer, 'totalCost'>;
  readonly shares: readonly GivenShare[];
  readonly isOverbilled: boolean;
}

/** What was asked, what became of it, and how often handlers ran. */
export class Ledger {
  readonly #elapsed: () => number;
  readonly #kept: KeptRequest[] = [];
  readonly #executions = new Set<string>();
  readonly #failures = new Map<string, number>();
  #asked = 0;
  #answered = 0;
  #failed = 0;
  #spent = 0n;
  #overbilled = 0;
  #executed = 0;
  #executedAgain = 0;
  /** Of requests answered since the last sample, in ms. */
  #recent: number[] = [];

  constructor(elapsed: () => number) {
    this.#elapsed = elapsed;
  }

  /** Writes down that a question is asked. */
  ask(load: string): KeptRequest {
    this.#asked += 1;
    const blank = { firstTokenMs: undefined, latencyMs: undefined, outcome: undefined };
    const request: KeptRequest = {
      ...{ load, atMs: this.#elapsed(), ...blank },
      ...{ shares: [], isOverbilled: false, ends: 0 },
    };
    if (this.#kept.length < maxKept) this.#kept.push(request);
    return request;
  }

  /** The first token is there. */
  begin(request: KeptRequest): void {
    request.firstTokenMs ??= this.#elapsed() - request.atMs;
  }

  answer(request: KeptRequest, { answer, shares, isOverbilled }: AnsweredRequest): void {
    if (!this.#end(request, 'answered')) return;
    const latencyMs = this.#elapsed() - request.atMs;
    Object.assign(request, { latencyMs, shares, isOverbilled });
    if (this.#recent.length < maxKept) this.#recent.push(latencyMs);
    this.#answered += 1;
    this.#spent += BigInt(answer.totalCost);
    if (isOverbilled) this.#overbilled += 1;
  }

  fail(request: KeptRequest, code: string): void {
    if (!this.#end(request, code)) return;
    this.#failed += 1;
    this.#failures.set(code, (this.#failures.get(code) ?? 0) + 1);
  }

  /** Its node told once more that it had ended. */
  endAgain(request: KeptRequest): void {
    request.ends += 1;
  }

  /** A handler began to work. */
  execute({ executor, client, idempotencyKey, prefixTokens }: Execution): void {
    this.#executed += 1;
    const key = `${executor} ${client} ${prefixTokens} ${idempotencyKey}`;
    if (this.#executions.has(key)) this.#executedAgain += 1;
    else if (this.#executions.size < maxKept) this.#executions.add(key);
  }

  /** How long requests took that were answered since {@link forgetRecent}, rising, in ms. */
  get recent(): ArrayLike<number> {
    return risingOf(this.#recent);
  }

  forgetRecent(): void {
    this.#recent = [];
  }

  get counts(): Pick<SimulationMetrics['requests'], 'asked' | 'pending' | 'answered' | 'failed'> {
    const [asked, answered, failed] = [this.#asked, this.#answered, this.#failed];
    return { asked, pending: asked - answered - failed, answered, failed };
  }

  metrics(): SimulationMetrics['requests'] {
    return {
      ...this.counts,
      failures: Object.fromEntries([...this.#failures].toSorted(([a], [b]) => (a < b ? -1 : 1))),
      latencyMs: spreadOf(this.#latencies(this.#kept)),
      firstTokenMs: spreadOf(this.#firstTokens(this.#kept)),
      executions: this.#executed,
      duplicateExecutions: this.#executedAgain,
      overbilled: this.#overbilled,
      spent: this.#spent.toString(),
    };
  }

  /** Requests for a picture, and how many there are beyond them. */
  shown(): { readonly requests: readonly ReportRequest[]; readonly leftOut: number } {
    const ended = this.#kept.filter(({ outcome }) => outcome !== undefined);
    const requests = evenly(ended, shownRequests).map(({ atMs, latencyMs, outcome }) => ({
      ...{ atMs, latencyMs: latencyMs ?? 0, outcome: outcome! },
    }));
    return { requests, leftOut: this.#answered + this.#failed - requests.length };
  }

  latencyCurve(): readonly CurvePoint[] {
    return curveOf(this.#latencies(this.#kept));
  }

  answeredShare(filter: MeasureFilter): Measurement {
    const ended = this.#matching(filter).filter(({ outcome }) => outcome !== undefined);
    return shareOf(ended.filter(({ outcome }) => outcome === 'answered').length, ended.length);
  }

  pending(filter: MeasureFilter): Measurement {
    return countOf(this.#matching(filter), ({ outcome }) => outcome === undefined);
  }

  failed(filter: MeasureFilter): Measurement {
    return countOf(
      this.#matching(filter).filter(({ outcome }) => outcome !== undefined),
      ({ outcome }) => outcome !== 'answered',
    );
  }

  overbilled(filter: MeasureFilter): Measurement {
    return countOf(this.#answeredOf(filter), ({ isOverbilled }) => isOverbilled);
  }

  endedTwice(filter: MeasureFilter): Measurement {
    return countOf(this.#matching(filter), ({ ends }) => ends > 1);
  }

  duplicateExecutions(): Measurement {
    return { value: this.#executedAgain, count: this.#executed };
  }

  latencyMs(filter: MeasureFilter): Measurement {
    return percentile(this.#latencies(this.#matching(filter)), filter);
  }

  firstTokenMs(filter: MeasureFilter): Measurement {
    return percentile(this.#firstTokens(this.#matching(filter)), filter);
  }

  answersShare(filter: MeasureFilter, executors: ReadonlySet<string> | undefined): Measurement {
    const answered = this.#answeredOf(filter);
    const isOf = ({ shares }: KeptRequest): boolean =>
      shares.some(({ executor }) => executors === undefined || executors.has(executor));
    return shareOf(answered.filter(isOf).length, answered.length);
  }

  paidPerToken(filter: MeasureFilter, executors: ReadonlySet<string> | undefined): Measurement {
    const shares = this.#answeredOf(filter).flatMap((request) => request.shares);
    const paid = shares.filter(({ executor }) => executors === undefined || executors.has(executor));
    const tokens = paid.reduce((sum, share) => sum + share.tokens, 0);
    const cost = paid.reduce((sum, share) => sum + share.cost, 0n);
    return { value: tokens === 0 ? 0 : Number(cost) / tokens, count: tokens };
  }

  /** Whether this is its only end. */
  #end(request: KeptRequest, outcome: string): boolean {
    if (request.ends > 0) {
      this.endAgain(request);
      return false;
    }
    request.ends = 1;
    request.outcome = outcome;
    return true;
  }

  #answeredOf(filter: MeasureFilter): readonly KeptRequest[] {
    return this.#matching(filter).filter(({ outcome }) => outcome === 'answered');
  }

  #matching({ load, fromMs = 0, untilMs = Infinity }: MeasureFilter): readonly KeptRequest[] {
    const isAll = load === undefined && fromMs === 0 && untilMs === Infinity;
    if (isAll) return this.#kept;
    return this.#kept.filter(
      (request) =>
        (load === undefined || request.load === load) && request.atMs >= fromMs && request.atMs < untilMs,
    );
  }

  #latencies(requests: readonly KeptRequest[]): Float64Array {
    return risingOf(requests.flatMap(({ latencyMs }) => (latencyMs === undefined ? [] : [latencyMs])));
  }

  #firstTokens(requests: readonly KeptRequest[]): Float64Array {
    return risingOf(
      requests.flatMap(({ firstTokenMs }) => (firstTokenMs === undefined ? [] : [firstTokenMs])),
    );
  }
}

const shareOf = (part: number, whole: number): Measurement => ({
  value: whole === 0 ? 0 : part / whole,
  count: whole,
});

const countOf = (all: readonly KeptRequest[], isCounted: (request: KeptRequest) => boolean): Measurement => ({
  value: all.filter(isCounted).length,
  count: all.length,
});

const percentile = (rising: Float64Array, { percentile: percent = 50 }: MeasureFilter): Measurement => ({
  value: percentileOf(rising, percent),
  count: rising.length,
});
