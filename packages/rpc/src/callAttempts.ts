import type { Clock, Span } from '@lloom/core';
import { Attempt, type Contribution } from './callAttempt.ts';
import type { RequestStage, RpcError } from './errors.ts';
import { OutboundRequest } from './outbound.ts';
import type { Outgoing } from './outgoing.ts';
import type { RpcRuntime } from './runtime.ts';
import type { Answer, HedgePolicy } from './types.ts';

/** What attempts need of their call. */
export interface AttemptsOwner<Result> {
  readonly method: string;
  /** What follows all of them; `undefined`: nothing does. */
  readonly span: Span | undefined;
  /** Whether the answer may come in chunks. */
  readonly isStreamed: boolean;
  /** Whether whoever begins to answer first is kept, and nobody is yet. */
  readonly isRace: boolean;
  /** Whether the attempt that waited for its turn is still wanted. */
  isWanted(isExtra: boolean): boolean;
  /** The request as it is made of that peer. */
  prepare(peerId: string): Promise<Outgoing<Result>>;
  /** What such an attempt adds to the answer. */
  contribution(outgoing: Outgoing<Result>): Contribution | undefined;
  /** Another one to ask beside those that are asked. */
  extra(): string | undefined;
  onBegan(attempt: Attempt<Result>): void;
  /** The first text of an answer in chunks has come, from whomever. */
  onFirstChunk(): void;
  onAnswered(attempt: Attempt<Result>, result: Result): void;
  /** It has failed, and others may still answer unless it `isLast`. */
  onLost(attempt: Attempt<Result>, error: RpcError, isLast: boolean): void;
}

/** The attempts of one call that are under way: one, or several of which the first to begin its answer is kept. */
export class Attempts<Result> {
  readonly #runtime: RpcRuntime;
  readonly #clock: Clock;
  readonly #owner: AttemptsOwner<Result>;
  readonly #hedge: Readonly<Required<HedgePolicy>> | undefined;
  readonly #running = new Set<Attempt<Result>>();
  #lead: Attempt<Result> | undefined;
  /** Settles when there is another lead, or none any more. */
  #turn = Promise.withResolvers<void>();
  #timer: unknown;
  #extra = 0;
  #begun = 0;
  #hasText = false;

  constructor(
    runtime: RpcRuntime,
    owner: AttemptsOwner<Result>,
    hedge: Readonly<Required<HedgePolicy>> | undefined,
  ) {
    this.#runtime = runtime;
    this.#clock = runtime.clock;
    this.#owner = owner;
    this.#hedge = hedge;
  }

  /** The one whose answer is read. */
  get lead(): Attempt<Result> | undefined {
    return this.#lead;
  }

  /** How far those have come that are under way. */
  get stages(): readonly RequestStage[] {
    return [...this.#running].map(({ request }) => request.stage);
  }

  /** Resolves when that is another one, or when nobody is left. */
  get turn(): Promise<void> {
    return this.#turn.promise;
  }

  get isRunning(): boolean {
    return this.#running.size > 0;
  }

  /**
   * Asks a peer as soon as it may be asked, when that is still wanted then.
   * @throws {RpcError} `PEER_AVOIDED`; the signal's reason; what preparing the request throws
   */
  async launch(peerId: string, signal: AbortSignal, isExtra = false): Promise<void> {
    const { peers } = this.#runtime;
    const { method } = this.#owner;
    await peers.enter(peerId, method, signal);
    let outgoing: Outgoing<Result> | undefined;
    try {
      outgoing = await this.#owner.prepare(peerId);
    } catch (error) {
      peers.notMade(peerId);
      throw error;
    }
    if (this.#owner.isWanted(isExtra)) this.#begin(outgoing, signal, isExtra);
    else peers.notMade(peerId);
  }

  /** Nothing is read any more, until another one leads. */
  drop(): void {
    this.#clock.clearTimeout(this.#timer);
    this.#lead = undefined;
    this.#turnOver();
  }

  /** Ends all that are under way. */
  stop(end: (request: OutboundRequest<Result>) => void): void {
    this.#clock.clearTimeout(this.#timer);
    const running = [...this.#running];
    this.#running.clear();
    for (const { request } of running) end(request);
    this.#turn.resolve();
  }

  #begin(prepared: Outgoing<Result>, signal: AbortSignal, isExtra: boolean): void {
    const { watch } = this.#runtime;
    if (this.#begun++ > 0) watch.retried(this.#owner.method, isExtra ? 'hedge' : 'retry');
    const span = watch.attempts(prepared, this.#owner.span);
    const outgoing = span === undefined ? prepared : { ...prepared, span };
    const request = new OutboundRequest<Result>(this.#runtime, outgoing, {
      onFirstChunk: () => this.#noteText(),
      onAnswered: (ended, result) => {
        watch.attempted(ended);
        this.#succeed(attempt, result as Result);
      },
      onFailed: (ended, error) => {
        watch.attempted(ended, error);
        this.#lose(attempt, error);
      },
    });
    // Whoever made it is told by the above.
    request.outcome.catch(() => undefined);
    const attempt = new Attempt<Result>(request, this.#owner.contribution(outgoing));
    this.#running.add(attempt);
    this.#owner.onBegan(attempt);
    const { isRace, isStreamed } = this.#owner;
    if (!isRace) this.#follow(attempt);
    request.start();
    if (!isRace || !this.#running.has(attempt)) return;
    this.#hedgeLater(signal);
    if (isStreamed) void this.#followFirst(attempt);
  }

  #noteText(): void {
    if (!this.#hasText) this.#owner.onFirstChunk();
    this.#hasText = true;
  }

  async #followFirst(attempt: Attempt<Result>): Promise<void> {
    const chunk = await attempt.begin();
    if (chunk !== undefined && this.#running.has(attempt)) this.#follow(attempt);
  }

  /** This one's answer is read from now on; others are given up. */
  #follow(attempt: Attempt<Result>): void {
    if (this.#lead !== undefined) return;
    this.#lead = attempt;
    this.#clock.clearTimeout(this.#timer);
    for (const other of [...this.#running]) {
      if (other === attempt) continue;
      this.#running.delete(other);
      other.request.cancel();
    }
    this.#turnOver();
  }

  #turnOver(): void {
    this.#turn.resolve();
    this.#turn = Promise.withResolvers();
  }

  #succeed(attempt: Attempt<Result>, result: Result): void {
    const error = this.#owner.isStreamed ? attempt.contradiction(result as Answer) : undefined;
    if (error !== undefined) return this.#lose(attempt, error);
    this.#runtime.peers.ended(attempt.peerId, this.#owner.method);
    if (!this.#running.has(attempt)) return;
    this.#follow(attempt);
    this.#running.delete(attempt);
    this.#owner.onAnswered(attempt, result);
  }

  #lose(attempt: Attempt<Result>, error: RpcError): void {
    const isOurs = this.#running.delete(attempt);
    this.#runtime.peers.ended(attempt.peerId, this.#owner.method, error);
    attempt.settle();
    if (isOurs) this.#owner.onLost(attempt, error, this.#running.size === 0);
  }

  #hedgeLater(signal: AbortSignal): void {
    const { delayMs = 0, maxExtra = 0 } = this.#hedge ?? {};
    if (this.#extra >= maxExtra) return;
    this.#timer = this.#clock.setTimeout(() => {
      const peerId = this.#owner.extra();
      if (peerId === undefined) return;
      this.#extra++;
      // One that cannot be asked as well is no failure of the call.
      this.launch(peerId, signal, true).catch(() => undefined);
    }, delayMs);
  }
}
