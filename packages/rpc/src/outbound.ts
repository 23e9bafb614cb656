import { CodecError, decodeErrorFrame, type RequestHead } from '@lloom/codec';
import type { Span } from '@lloom/core';
import { noteShortage, sendWithRoom, shortageOf, wantsRoom } from './callRoom.ts';
import { timeLimits, type TimeLimits } from './config.ts';
import { RpcError, type RequestStage } from './errors.ts';
import { onlyChunk } from './internal/answerReaders.ts';
import type {
  AnswerKind,
  AnswerReceiver,
  CarriedRequest,
  Carrier,
  SentRequest,
} from './internal/exchange.ts';
import { followed } from './internal/followedAnswer.ts';
import { endError, exchangeError, saidError, unsendable, type FailureContext } from './internal/failures.ts';
import { orElse } from './internal/orElse.ts';
import { PaceWatch } from './internal/pace.ts';
import { hasEnded, type OutboundEnd } from './internal/requestEnds.ts';
import { StallWatch } from './internal/stallWatch.ts';
import { UnderWay } from './internal/underWay.ts';
import { UnreadQueue, type Unread } from './internal/unread.ts';
import type { Lifecycle, LifecycleOwner } from './lifecycle.ts';
import { requestEvents as events, type RequestEvent, type RequestState } from './machines/request.machine.ts';
import { headOf, type Outgoing } from './outgoing.ts';
import type { RpcRuntime } from './runtime.ts';
import type { AnswerChunk, PartialAnswer, PendingRequest, RequestId } from './types.ts';

/** After so many messages others get their turn: a long backlog must not keep everybody waiting. */
const messagesPerTurn = 256;

/**
 * One outbound request. A streamed answer is read as far as {@link next} asks for it, so a slow reader slows the peer.
 * `outcome` settles exactly once.
 */
export class OutboundRequest<Result = unknown>
  implements CarriedRequest, AnswerReceiver, LifecycleOwner<RequestState>
{
  readonly id: string;
  readonly requestId: RequestId;
  readonly method: string;
  readonly body: Uint8Array;
  readonly outcome: Promise<Result>;
  readonly startedAt: number;
  readonly attempts = 1;
  readonly key: string | undefined;
  readonly span: Span | undefined;
  readonly #runtime: RpcRuntime;
  readonly #outgoing: Outgoing<Result>;
  readonly #settled = Promise.withResolvers<Result>();
  readonly #life: Lifecycle<RequestEvent, RequestState>;
  readonly #startedElapsedMs: number;
  readonly #limits: TimeLimits;
  readonly #unread = new UnreadQueue();
  readonly #end: OutboundEnd;
  /** Pings and protocols of one's own take other times than models do. */
  readonly #pace: PaceWatch | undefined;
  readonly #underWay: UnderWay;
  #readThisTurn = 0;
  /** Set once it is listened to. */
  #signal: AbortSignal | undefined;
  #controller: AbortController | undefined;
  #sent: SentRequest | undefined;
  #carrier: Carrier | undefined;
  #stall: StallWatch | undefined;
  #result: { readonly value: Result } | undefined;
  #error: RpcError | undefined;

  /** @param end told how it ended, once */
  constructor(runtime: RpcRuntime, outgoing: Outgoing<Result>, end: OutboundEnd) {
    const { config, clock } = runtime;
    const { requestId, peerId, call } = outgoing;
    this.id = this.requestId = requestId;
    this.method = outgoing.method;
    this.body = outgoing.body;
    this.key = outgoing.idempotencyKey;
    this.span = outgoing.span;
    this.#runtime = runtime;
    this.#outgoing = outgoing;
    this.#end = end;
    this.#pace = outgoing.method === 'llmRequest' ? new PaceWatch(clock) : undefined;
    this.startedAt = clock.now();
    this.#startedElapsedMs = clock.elapsed();
    this.outcome = this.#settled.promise;
    this.#limits = timeLimits(config, call);
    this.#underWay = new UnderWay(peerId, outgoing.stream, runtime);
    // A timer less for who need not dial.
    const dialTimeoutMs = runtime.carriers.find(peerId) === undefined ? this.#limits.dialTimeoutMs : 0;
    const input = { requestId, peerId, idempotencyKey: this.key, ...this.#limits, dialTimeoutMs };
    this.#life = runtime.requests.start(input, this);
  }

  get peerId(): string {
    return this.#outgoing.peerId;
  }

  /** The relay that it went through; `undefined`: none, or it was not sent. */
  get relay(): string | undefined {
    return this.#sent?.relay;
  }

  get elapsedMs(): number {
    return this.#runtime.clock.elapsed() - this.#startedElapsedMs;
  }

  /** What is told of a request under way. */
  get pending(): PendingRequest {
    const { requestId, peerId, method, startedAt } = this;
    const deadlineAt = startedAt + this.#limits.timeoutMs;
    return { requestId, peerId, method, startedAt, deadlineAt, attempt: 1 };
  }

  /** How far it has come, or had come when it ended. */
  get stage(): RequestStage {
    return this.#life.lastActive as RequestStage;
  }

  /** As much of a streamed answer as has been read. */
  get soFar(): PartialAnswer | undefined {
    return this.#outgoing.reader.soFar;
  }

  /** Gives it up, and says why. Harmless when it has ended. */
  abandon(error: RpcError): void {
    this.#fail(error);
  }

  /** Ends it as if its time were up. */
  expire(): void {
    this.#fail(this.#errorOf('timedOut'));
  }

  /** Sends the request. What goes wrong ends it; never throws. */
  start(): void {
    try {
      const { signal } = this.#outgoing.call;
      signal?.addEventListener('abort', this.cancel, { once: true });
      this.#signal = signal;
      if (signal?.aborted === true) return this.cancel();
      const carrier = this.#runtime.carriers.find(this.peerId);
      if (carrier === undefined || wantsRoom(this.#runtime, this)) void this.#connect();
      else this.#send(carrier);
    } catch (error) {
      this.#failUnsent(error);
    }
  }

  /** Gives the request up: here, and at the peer. */
  readonly cancel = (): void => this.#life.send(events.cancel);

  /** What it has left of its time, in ms. */
  readonly #leftMs = (): number => this.#limits.timeoutMs - this.elapsedMs;

  /** Ends the request because the node stops. */
  stop(): void {
    this.#life.send(events.stop);
  }

  /**
   * The next chunk; `undefined` when the answer has ended and is proven.
   * @throws {RpcError} how the request failed
   */
  async next(): Promise<AnswerChunk | undefined> {
    for (;;) {
      if (++this.#readThisTurn > messagesPerTurn) {
        this.#readThisTurn = 0;
        await new Promise((resolve) => setImmediate(resolve));
      }
      const unread = this.#unread.shift();
      if (unread !== undefined) {
        const taken = this.#take(unread);
        const chunk = taken instanceof Promise ? await taken : taken;
        // A signature that came by itself shows nothing.
        if (chunk?.text === '' && chunk.tokens === 0) continue;
        if (chunk !== undefined) this.#pace?.read(chunk.tokens);
        return chunk;
      }
      if (!this.#life.isActive) {
        await this.outcome;
        return undefined;
      }
      await this.#unread.arrival();
    }
  }

  /** Reads the answer to its end, and gives what the request ended with. */
  async finish(): Promise<Result> {
    while ((await this.next()) !== undefined);
    return this.outcome;
  }

  head(): RequestHead {
    return headOf(this.#outgoing, this.#leftMs(), this.#runtime.watch);
  }

  onOpened(): void {
    // A stream may have opened the connection that carries it.
    const shortage = this.#sent && shortageOf(this.#runtime, this);
    if (shortage === undefined) this.#life.send(events.opened);
    else this.#fail(shortage);
  }

  onSent(): void {
    this.#pace?.sent();
    this.#runtime.watch.sent(this.method);
    this.#life.send(events.sent);
  }

  onProgress(): void {
    this.#underWay.heard();
    this.#pace?.began();
    this.#life.send(events.began);
    const { idleTimeoutMs } = this.#limits;
    if (idleTimeoutMs === 0 || !this.#life.isActive) return;
    // What waits for its reader stops the peer: then it is not the peer that stands still.
    this.#stall ??= new StallWatch(this.#runtime.clock, idleTimeoutMs, {
      isWaiting: () => this.#unread.size === 0,
      onStall: () => this.#life.send(events.stalled),
    });
    this.#stall.progress();
  }

  onMessage(kind: AnswerKind, message: Uint8Array): void {
    if (!this.#life.isActive) return;
    if (kind === 'end') {
      this.#pace?.ended();
      this.#runtime.watch.received(this.method);
    }
    if (this.#outgoing.stream) {
      if (kind === 'chunk' && this.#pace?.chunk() === true) this.#end.onFirstChunk(this);
      this.onProgress();
      this.#unread.push({ kind, message });
    } else if (kind === 'end') {
      void this.#finish(message);
    } else {
      try {
        if (kind === 'error') this.#refuse(message);
        void this.#outgoing.reader.chunk(message);
      } catch (error) {
        this.#fail(exchangeError(error, this.#context()));
      }
    }
  }

  onOmitted(): void {
    const { requestId, peerId } = this;
    if (this.#life.state !== 'receiving') return this.#break(new RpcError('OMITTED', { requestId, peerId }));
    const cause = new CodecError('TRUNCATED', { gotBytes: 0, wantedBytes: 1 });
    this.#break(new RpcError('INVALID_RESPONSE', { requestId, peerId, reason: 'it has no end' }, { cause }));
  }

  onLost(error: unknown, wasSent: boolean): void {
    this.#break(exchangeError(error, { ...this.#context(), wasSent }));
  }

  onEnd(state: RequestState): void {
    this.#underWay.ended();
    this.#signal?.removeEventListener('abort', this.cancel);
    this.#stall?.stop();
    this.#controller?.abort(hasEnded);
    if (state === 'succeeded' && this.#result !== undefined) {
      if (this.#pace !== undefined) this.#runtime.paces.note(this.peerId, this.#pace, this.#result.value);
      this.#settled.resolve(this.#result.value);
      this.#end.onAnswered(this, this.#result.value);
    } else {
      this.#sent?.cancel();
      const error = this.#errorOf(state);
      this.#settled.reject(error);
      this.#end.onFailed(this, error);
    }
    this.#unread.close();
  }

  async #connect(): Promise<void> {
    const { signal } = (this.#controller = new AbortController());
    try {
      const send = (carrier: Carrier): void => void (this.#life.isActive && this.#send(carrier));
      await sendWithRoom(this.#runtime, this, { leftMs: this.#leftMs, signal, send });
    } catch (error) {
      this.#failUnsent(error);
    }
  }

  #send(carrier: Carrier): void {
    this.#carrier = carrier;
    this.#sent = carrier.send(this, followed(this, this.span));
    // It may have broken meanwhile.
    if (!this.#life.isActive) this.#sent.cancel();
  }

  /** Ends a request that was carried no further: for a reader behind what has come before. */
  #break(error: RpcError): void {
    if (this.#outgoing.stream && this.#life.state !== 'dialing')
      this.#unread.push({ kind: 'broken', message: new Uint8Array(0), error });
    else this.#fail(error);
  }

  #take({ kind, message, error }: Unread): AnswerChunk | undefined | Promise<AnswerChunk | undefined> {
    if (kind === 'end') return this.#finish(message)?.then(() => this.#lastChunk()) ?? this.#lastChunk();
    if (kind === 'broken') {
      this.#fail(error as RpcError);
      return this.#lastChunk();
    }
    return orElse(() => {
      if (kind === 'error') return this.#refuse(message);
      this.#sent?.taken(message.length);
      const chunk = this.#outgoing.reader.chunk(message);
      return chunk instanceof Promise ? chunk.then((proven) => this.#unlessEnded(proven)) : chunk;
    }, this.#failed);
  }

  /** What is left to show at the end: an answer in one piece. Rejects when the request failed. */
  async #lastChunk(): Promise<AnswerChunk | undefined> {
    return onlyChunk(await this.outcome);
  }

  #refuse(message: Uint8Array): never {
    throw noteShortage(this.#carrier, saidError(decodeErrorFrame(message), this.#context()));
  }

  /** Takes the end of the answer. A promise when there is something to prove first. */
  #finish(message: Uint8Array): Promise<void> | undefined {
    this.#life.send(events.ended);
    try {
      const result = this.#outgoing.reader.end(message);
      if (!(result instanceof Promise)) return this.#succeed(result);
      return result.then(
        (proven) => this.#succeed(proven),
        (error: unknown) => this.#fail(exchangeError(error, this.#context())),
      );
    } catch (error) {
      this.#fail(exchangeError(error, this.#context()));
      return undefined;
    }
  }

  /** A proof that comes when the request has been given up proves nothing to anybody. */
  #succeed(value: Result): undefined {
    if (!this.#life.isActive) return;
    this.#result = { value };
    this.#life.send(events.verified);
  }

  /** What it resolves with never comes: the request has failed by then. */
  readonly #failed = (error: unknown): Promise<undefined> => {
    this.#fail(exchangeError(error, this.#context()));
    return this.outcome.then(() => undefined);
  };

  #unlessEnded<T>(proven: T): T {
    if (!this.#life.isActive) throw hasEnded;
    return proven;
  }

  #failUnsent(error: unknown): void {
    this.#fail(exchangeError(unsendable(error), { ...this.#context(), wasSent: false }));
  }

  #fail(error: RpcError): void {
    this.#error ??= error;
    this.#life.send(events.failed);
  }

  #context(): FailureContext {
    const { requestId, peerId, method } = this;
    return { requestId, peerId, method, stage: this.#life.lastActive as RequestStage };
  }

  #errorOf(state: RequestState): RpcError {
    if (state === 'failed' && this.#error !== undefined) return this.#error;
    return endError(state, this.#context(), { ...this.#limits, waitedMs: Math.round(this.elapsedMs) });
  }
}
