import { encodeOpenHead } from '@lloom/codec';
import { zeroAddress, type Span } from '@lloom/core';
import type { Attempt, Contribution } from './callAttempt.ts';
import { Attempts, type AttemptsOwner } from './callAttempts.ts';
import { CallMoves } from './callMoves.ts';
import type { CallPlan } from './callPlan.ts';
import { roomMaker } from './callRoom.ts';
import { resolveHedge, resolveRetry, timeLimits, type TimeLimits } from './config.ts';
import { RpcError, type RequestStage } from './errors.ts';
import { retryDelayMs } from './internal/backoff.ts';
import { StreamReader } from './internal/answerReaders.ts';
import { endError, exchangeError, partialError } from './internal/failures.ts';
import { kindOf } from './internal/failureKinds.ts';
import { throughOutbound } from './internal/outboundMiddleware.ts';
import { furthest, hasEnded, type CallEnd } from './internal/requestEnds.ts';
import { saidTexts } from './internal/saidTexts.ts';
import { sharedOut } from './internal/timeShares.ts';
import { StitchedAnswer, Stretch } from './internal/stitchedAnswer.ts';
import type { Lifecycle, LifecycleOwner } from './lifecycle.ts';
import type { RetryEvent, RetryState } from './machines/retry.machine.ts';
import type { Asked, Outgoing } from './outgoing.ts';
import type { RpcRuntime } from './runtime.ts';
import type {
  Answer,
  AnswerChunk,
  CallConfig,
  PartialAnswer,
  PendingRequest,
  RequestId,
  RetryStrategy,
} from './types.ts';

/** How a call is made that says nothing of retries. */
const once: RetryStrategy = { maxAttempts: 1, failover: 'none' };

const events = {
  began: { type: 'attempt.began' },
  exhausted: { type: 'request.exhausted' },
  partial: { type: 'request.partial' },
  verified: { type: 'answer.verified' },
  cancel: { type: 'request.cancel' },
  stop: { type: 'request.stop' },
} as const satisfies Record<string, RetryEvent>;

/**
 * A request that is made as often as its strategy says, of one peer or of several, until it is answered. To whoever reads
 * it is one request with one answer: text is shown once, and the outcome settles once.
 */
export class Call<Result = unknown> implements LifecycleOwner<RetryState>, AttemptsOwner<Result> {
  readonly outcome: Promise<Result>;
  readonly startedAt: number;
  readonly requestId: RequestId;
  readonly key: string | undefined;
  readonly span: Span | undefined;
  readonly #runtime: RpcRuntime;
  readonly #plan: CallPlan<Result>;
  readonly #moves: CallMoves;
  readonly #strategy: Readonly<Required<RetryStrategy>>;
  readonly #attempts: Attempts<Result>;
  readonly #isHedged: boolean;
  readonly #settled = Promise.withResolvers<Result>();
  readonly #hasBegun = Promise.withResolvers<void>();
  readonly #life: Lifecycle<RetryEvent, RetryState>;
  readonly #limits: TimeLimits;
  readonly #startedElapsedMs: number;
  readonly #controller = new AbortController();
  readonly #answer = new StitchedAnswer();
  readonly #end: CallEnd;
  #call: CallConfig;
  #begun = 0;
  #retries = 0;
  #sequence = 0;
  /** Tells of a retry that is not certain yet. */
  #tellRetry: (() => void) | undefined;
  #result: { readonly value: Result } | undefined;
  #error: RpcError | undefined;
  /** How far the request has come with any peer, as far as that peer may have run it. */
  #stage: RequestStage = 'dialing';

  /** @param end told how it went on and how it ended, once */
  constructor(runtime: RpcRuntime, asked: Asked & { readonly plan: CallPlan<Result> }, end: CallEnd) {
    const { requestId, peerId, call, plan } = asked;
    const { clock, config, peers } = runtime;
    this.requestId = requestId;
    this.key = plan.key;
    this.outcome = this.#settled.promise;
    this.startedAt = clock.now();
    this.#startedElapsedMs = clock.elapsed();
    this.#runtime = runtime;
    this.#plan = plan;
    this.#end = end;
    const strategy = (this.#strategy = resolveRetry(call.retry ?? once));
    this.#isHedged = call.hedge !== undefined;
    this.#attempts = new Attempts<Result>(runtime, this, call.hedge && resolveHedge(call.hedge));
    const { timeoutMs } = (this.#limits = timeLimits(config, call));
    const { signal } = this.#controller;
    const makeRoom = roomMaker(runtime, { leftMs: () => this.#leftMs, signal, body: plan.first?.body });
    const mayComeBack = call.retry === undefined;
    this.#moves = new CallMoves({ peers, plan, peerId, strategy, signal, makeRoom, mayComeBack });
    this.span = runtime.watch.asks({ ...asked, method: plan.method, model: plan.model });
    this.#call = this.span === undefined ? call : { ...call, traceparent: this.span.traceparent };
    const input = { requestId, peerId, idempotencyKey: plan.key, method: plan.method, timeoutMs, strategy };
    this.#life = runtime.retries.start(input, this);
  }

  /** Resolves when the first attempt is made, or when the call ends without one. */
  get began(): Promise<void> {
    return this.#hasBegun.promise;
  }

  get id(): string {
    return `${this.requestId} with retries`;
  }

  get peerId(): string {
    return this.#attempts.lead?.peerId ?? this.#moves.peerId;
  }

  get method(): string {
    return this.#plan.method;
  }

  get pending(): PendingRequest {
    const { requestId, peerId, method, startedAt } = this;
    const deadlineAt = startedAt + this.#limits.timeoutMs;
    return { requestId, peerId, method, startedAt, deadlineAt, attempt: Math.max(1, this.#begun) };
  }

  get attempts(): number {
    return this.#begun;
  }

  get elapsedMs(): number {
    return this.#runtime.clock.elapsed() - this.#startedElapsedMs;
  }

  get isStreamed(): boolean {
    return this.#plan.stream;
  }

  get isRace(): boolean {
    return this.#isHedged && this.#answer.last === undefined && this.#attempts.lead === undefined;
  }

  get soFar(): PartialAnswer {
    this.#attempts.lead?.settle();
    return this.#answer.soFar;
  }

  /** Makes the first attempt. What goes wrong ends the call; never throws. */
  start(): void {
    const { signal } = this.#call;
    signal?.addEventListener('abort', this.cancel, { once: true });
    if (signal?.aborted === true) return this.cancel();
    const { middleware } = this.#runtime;
    if (middleware.length === 0) void this.#prepare();
    else void this.#startThrough(middleware);
  }

  readonly cancel = (): void => this.#life.send(events.cancel);

  /** Ends the call because the node stops. */
  stop(): void {
    this.#life.send(events.stop);
  }

  /** Ends it as if its time were up. */
  expire(): void {
    this.#finish(this.#timeoutError());
  }

  /**
   * The next chunk; `undefined` when the answer has ended and is proven.
   * @throws {RpcError} how the call failed
   */
  async next(): Promise<AnswerChunk | undefined> {
    for (;;) {
      const { lead, turn } = this.#attempts;
      const chunk = await lead?.read();
      if (chunk !== undefined) return { ...chunk, sequence: this.#sequence++ };
      if (!this.#life.isActive) {
        await this.outcome;
        return undefined;
      }
      // Settled already when somebody else leads by now.
      await turn;
    }
  }

  onEnter(state: RetryState): void {
    if (state === 'preparing') void this.#prepare();
  }

  onEnd(state: RetryState): void {
    this.#call.signal?.removeEventListener('abort', this.cancel);
    this.#controller.abort(hasEnded);
    this.#hasBegun.resolve();
    this.#noteStages();
    this.#attempts.stop((request) => (state === 'timedOut' ? request.expire() : request.cancel()));
    if (state === 'succeeded' && this.#result !== undefined) {
      this.#settled.resolve(this.#result.value);
      this.#end.onAnswered(this, this.#result.value);
    } else {
      const error = this.#errorOf(state);
      this.#settled.reject(error);
      this.#end.onFailed(this, error);
    }
  }

  isWanted(isExtra: boolean): boolean {
    if (isExtra) return this.#attempts.isRunning && this.#attempts.lead === undefined;
    return this.#life.state === 'preparing';
  }

  prepare(peerId: string): Promise<Outgoing<Result>> {
    const { requestId } = this;
    const { signal: _, ...rest } = this.#call;
    const { maxAttempts } = this.#strategy;
    const shares = { call: this.#call, maxAttempts, isStreamed: this.#plan.stream };
    const limits = sharedOut(this.#limits, { ...shares, behind: this.#moves.behind(peerId) });
    const call = { ...rest, ...limits, timeoutMs: Math.max(1, Math.ceil(this.#leftMs)) };
    const { first } = this.#plan;
    if (this.#begun === 0 && first?.peerId === peerId) return Promise.resolve({ ...first, call });
    return this.#plan.again({ requestId, peerId, call }, this.#moves.prefixFor(peerId, this.#answer));
  }

  contribution({ peerId, reader }: Outgoing<Result>): Contribution | undefined {
    if (!(reader instanceof StreamReader)) return undefined;
    const { last } = this.#answer;
    const executor = this.#runtime.verifier?.addressOf(peerId) ?? zeroAddress;
    const stretch = last?.peerId === peerId ? last : new Stretch(peerId, executor, this.#answer.prefix);
    return { answer: this.#answer, stretch, reader };
  }

  extra(): string | undefined {
    return this.#moves.extra();
  }

  onBegan({ peerId }: Attempt<Result>): void {
    this.#begun++;
    this.#hasBegun.resolve();
    this.#moves.asks(peerId);
    this.#life.send(events.began);
  }

  onFirstChunk(): void {
    this.#end.onFirstChunk(this);
  }

  onAnswered(_: Attempt<Result>, result: Result): void {
    const isStreamed = this.#plan.stream;
    this.#result = { value: isStreamed ? (this.#answer.whole(result as Answer) as Result) : result };
    this.#life.send(events.verified);
  }

  onLost({ peerId, request }: Attempt<Result>, error: RpcError, isLast: boolean): void {
    if (kindOf(error).mayHaveRun) this.#stage = furthest([this.#stage, request.stage]);
    if (isLast) this.#fail(error, peerId);
    else this.#moves.note(error, peerId);
  }

  async #startThrough(middleware: RpcRuntime['middleware']): Promise<void> {
    const { requestId, peerId, method } = this;
    const { metadata = {} } = this.#call;
    const call = { requestId, peerId, method, request: this.#plan.request, metadata };
    try {
      await throughOutbound(middleware, call, (given) => {
        encodeOpenHead({ method, stream: false, metadata: given });
        this.#call = { ...this.#call, metadata: given };
        void this.#prepare();
        return this.outcome;
      });
    } catch (error) {
      if (RpcError.is(error, 'MIDDLEWARE_FAILED')) this.#finish(error);
      else if (!RpcError.is(error))
        this.#runtime.watch.trouble('a middleware failed behind its request', error, this);
    }
  }

  /** Makes the next attempt of whoever is to be asked. */
  async #prepare(): Promise<void> {
    const peerId = await this.#moves.target();
    if (!this.#life.isActive) return;
    if (peerId === undefined) return this.#finish(this.#error as RpcError);
    this.#tellRetry?.();
    const retryAfterMs = this.#runtime.peers.heldMs(peerId, this.method);
    if (retryAfterMs >= this.#leftMs) {
      const { requestId } = this;
      const said = { requestId, peerId, remoteMessage: saidTexts.saidBefore, retryAfterMs };
      return this.#fail(new RpcError('RATE_LIMITED', said), peerId);
    }
    try {
      await this.#attempts.launch(peerId, this.#controller.signal);
    } catch (error) {
      this.#fail(error, peerId);
    }
  }

  /** No attempt is under way, and the last one failed: another one follows, or the end. */
  #fail(thrown: unknown, peerId: string): void {
    if (!this.#life.isActive || this.#attempts.isRunning) return;
    const { requestId } = this;
    const error = exchangeError(thrown, { requestId, peerId, stage: 'dialing', wasSent: false });
    const move = this.#moves.after(error, peerId, this.#answer);
    this.#error = this.#moves.worst;
    if (move === undefined) return this.#finish(this.#moves.worst ?? error);
    this.#attempts.drop();
    const { isCertain, ...wait } = move;
    const chance = this.#runtime.peers.random.float();
    let failure = { ...wait, chance };
    let delayMs = retryDelayMs(this.#strategy, ++this.#retries, failure);
    if (delayMs >= this.#leftMs) {
      // Nobody is there any more to hear of what would come of it.
      if (!this.#moves.stopWaiting()) return this.#finish(this.#moves.worst ?? error);
      failure = { isElsewhere: true, leastDelayMs: 0, chance };
      delayMs = 0;
    }
    const { pending } = this;
    this.#life.send({ type: 'attempt.failed', ...failure });
    this.#tellRetry = () => {
      this.#tellRetry = undefined;
      this.#end.onRetry({ ...pending, peerId }, { error, delayMs });
    };
    if (isCertain) this.#tellRetry();
  }

  #finish(error: RpcError): void {
    this.#error = error;
    const canBePartial = !RpcError.is(error, 'CANCELLED') && !RpcError.is(error, 'STOPPED');
    const isPartial = canBePartial && this.#answer.last !== undefined && this.#call.retry !== undefined;
    this.#life.send(isPartial ? events.partial : events.exhausted);
  }

  get #leftMs(): number {
    return this.#limits.timeoutMs - this.elapsedMs;
  }

  #noteStages(): void {
    this.#stage = furthest([this.#stage, ...this.#attempts.stages]);
  }

  #timeoutError(): RpcError {
    const { requestId, peerId } = this;
    const waitedMs = Math.round(this.elapsedMs);
    this.#noteStages();
    return endError('timedOut', { requestId, peerId, stage: this.#stage }, { ...this.#limits, waitedMs });
  }

  #errorOf(state: RetryState): RpcError {
    const { requestId, peerId } = this;
    if (state === 'stopped' || state === 'cancelled')
      return endError(state, { requestId, peerId, stage: this.#stage }, { ...this.#limits, waitedMs: 0 });
    const error = state === 'timedOut' ? this.#timeoutError() : (this.#error as RpcError);
    const isPartial = state === 'partial' || (state === 'timedOut' && this.#answer.last !== undefined);
    return isPartial && this.#call.retry !== undefined ? partialError(this, this.soFar, error) : error;
  }
}
