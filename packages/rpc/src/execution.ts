import { Refusal } from './errors.ts';
import type { ExecutionHost, Task } from './executionTask.ts';
import { AnswerFeeds } from './internal/answerFeeds.ts';
import type { AnswerRecord } from './internal/answerRecord.ts';
import { answerTtlMs } from './internal/answerChunks.ts';
import { AnswerWriter, type AnswerSink } from './internal/answerWriter.ts';
import { Context, createChannel, type ChannelOwner } from './internal/channel.ts';
import { closedError } from './internal/closedChannel.ts';
import { encodeError, handlerFrame } from './internal/failures.ts';
import { mostLeft, refuseRest } from './internal/followers.ts';
import type { Departure, Followed, Follower } from './internal/following.ts';
import { inboundCall, throughInbound } from './internal/inboundMiddleware.ts';
import { rejoinMsOf } from './internal/relayRoom.ts';
import { isIterable } from './internal/results.ts';
import { saidTexts } from './internal/saidTexts.ts';
import type { SlotWaiter } from './internal/slots.ts';
import { Source } from './internal/source.ts';
import type { Lifecycle, LifecycleOwner } from './lifecycle.ts';
import { isKnownAfter, type ExecutionEvent, type ExecutionState } from './machines/execution.machine.ts';
import type { RpcRuntime } from './runtime.ts';
import type { RequestId } from './types.ts';

const events = {
  awaited: { type: 'slot.awaited' },
  taken: { type: 'slot.taken' },
  refused: { type: 'request.refused' },
  joined: { type: 'client.joined' },
  ended: { type: 'answer.ended' },
  failed: { type: 'answer.failed' },
  late: { type: 'deadline.passed' },
  cancel: { type: 'execution.cancel' },
  lose: { type: 'execution.lose' },
  stop: { type: 'execution.stop' },
} as const satisfies Record<string, ExecutionEvent>;

/**
 * The work on one request, apart from the connection that it came by: middleware, a slot, the handler, the answer. Others that
 * ask the same follow it, too. Answers once.
 */
export class Execution
  implements LifecycleOwner<ExecutionState>, ChannelOwner, SlotWaiter, AnswerSink, Followed
{
  readonly task: Task;
  readonly requestId: RequestId;
  readonly peerId: string;
  readonly record: AnswerRecord;
  readonly #runtime: RpcRuntime;
  readonly #host: ExecutionHost;
  readonly #first: Follower;
  readonly #feeds: AnswerFeeds<Follower>;
  readonly #life: Lifecycle<ExecutionEvent, ExecutionState>;
  #deadlineMs = 0;
  #queuedAtMs: number | undefined;
  #controller: AbortController | undefined;
  #writer: AnswerWriter | undefined;
  #claimed = false;
  #saidAtMs: number | undefined;
  /** Whether the end was said, which not everybody may have taken. */
  #isSaid = false;
  /** What its clients are told in the place of an answer. */
  #refusal: Refusal | undefined;
  #failure: Uint8Array | undefined;
  /** What still runs of it: its handler, what writes the answer. */
  #running = 0;
  #isWrapped = false;
  #isSettled = false;
  #end: PromiseWithResolvers<string> | undefined;
  /**
   * There from when its clients are told that what follows does not get through to them, until somebody joins. Resolves then, or
   * when it ends.
   */
  #joining: PromiseWithResolvers<void> | undefined;

  /** @param from `first`: the request that begins it */
  constructor(
    runtime: RpcRuntime,
    task: Task,
    from: { readonly first: Follower; readonly record: AnswerRecord; readonly host: ExecutionHost },
  ) {
    const { requestId, peerId } = (this.#first = from.first);
    this.#runtime = runtime;
    this.task = task;
    this.requestId = requestId;
    this.peerId = peerId;
    this.record = from.record;
    this.#host = from.host;
    this.#feeds = new AnswerFeeds(from.record);
    const idempotencyKey = task.question?.idempotencyKey;
    this.#life = runtime.executions.start({ requestId, peerId, idempotencyKey }, this);
    this.#first.onWorking();
  }

  get id(): string {
    return `${this.requestId}/execution`;
  }

  /** Fires when no answer is wanted any more. Made when somebody looks at it. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (!this.#life.isActive && this.#life.state !== 'answered')
        this.#controller.abort(closedError(this.requestId, this.#life.state));
    }
    return this.#controller.signal;
  }

  get isClosed(): boolean {
    return this.#claimed || !this.#life.isActive;
  }

  /** Whether its key must not be run again when it has ended so. Who was told nothing but that there is no room was refused. */
  isKnownAfter(state: ExecutionState): boolean {
    const isRefused = state === 'lost' && this.#joining !== undefined;
    return isKnownAfter(isRefused ? 'cancelled' : state, this.#saidAtMs !== undefined);
  }

  /** Until when all that is signed of the answer can be proven, by the monotonic clock, in ms. */
  get provableUntilMs(): number {
    return (this.#saidAtMs ?? this.#runtime.clock.elapsed()) + answerTtlMs;
  }

  get outboundTokens(): number {
    return this.#writer?.outboundTokens ?? 0;
  }

  /** Begins, when its first request has joined it. */
  start(): void {
    if (this.#runtime.middleware.length === 0) this.#admit();
    else void this.#runtime.watch.within(this.#first, () => this.#wrap());
  }

  /** Takes in a request; it is given what was said so far. */
  join(follower: Follower): void {
    const { state } = this.#life;
    this.#deadlineMs = Math.max(this.#deadlineMs, follower.deadlineMs);
    follower.follow(this);
    if (state === 'queued') follower.onQueued();
    else if (state === 'detached') this.#life.send(events.joined);
    if (this.#life.state === 'running') follower.onStarted();
    this.#feeds.join(follower);
    this.#joining?.resolve();
    this.#joining = undefined;
  }

  leave(follower: Follower, how: Departure): void {
    this.#feeds.leave(follower);
    if (this.#feeds.size > 0) return;
    // Whoever comes back for it is given all of it.
    if (this.#isSaid) this.#life.send(events.ended);
    else if (how === 'cancelled') this.#life.send(events.cancel);
    else if (how === 'deadline') this.#life.send(events.late);
    else if (how === 'stopped') this.stop();
    else if (how === 'lost') this.#detach();
  }

  /** Ends it because the node stops. */
  stop(): void {
    this.#life.send(events.stop);
  }

  onSlot(): void {
    const { watch, clock } = this.#runtime;
    watch.metrics?.started(this.#queuedAtMs === undefined ? 0 : clock.elapsed() - this.#queuedAtMs);
    const { note } = this.#host;
    const { question } = this.task;
    if (note === undefined || question === undefined) this.#run();
    else void this.#runNoted(note(this, question));
  }

  /** Gives a message to all who follow. */
  send(kind: 'chunk' | 'end', message: Uint8Array): Promise<void> | undefined {
    this.#isSaid = kind === 'end';
    const sending = this.#feeds.send(kind, message);
    // Nobody listens, and nobody could be told later.
    if (kind === 'chunk' && this.#feeds.size === 0 && !this.record.isWhole) this.#life.send(events.lose);
    return sending;
  }

  /** Answers with what `write` writes; what it throws becomes the answer. */
  async answer(write: () => Promise<void> | undefined): Promise<void> {
    if (this.isClosed) throw closedError(this.requestId, this.#life.state);
    this.#claimed = true;
    this.#running++;
    try {
      await write();
      this.#life.send(events.ended);
    } catch (error) {
      if (!this.#life.isActive) throw closedError(this.requestId, this.#life.state);
      this.#fail(error);
      throw error;
    } finally {
      this.#running--;
      this.#settle();
    }
  }

  onEnd(state: ExecutionState): void {
    if (state !== 'answered') this.#controller?.abort(closedError(this.requestId, this.#life.state));
    this.#writer?.close();
    if (this.#failure !== undefined && state === 'failed') void this.#feeds.send('error', this.#failure);
    if (state === 'refused') this.#feeds.each((follower) => follower.refuse(this.#refusal));
    this.#host.onEnd(this, state);
    this.#end?.resolve(state);
    this.#joining?.resolve();
    this.#settle();
  }

  async #wrap(): Promise<void> {
    const { middleware, watch } = this.#runtime;
    const { message, head } = this.task;
    this.#isWrapped = true;
    await throughInbound(inboundCall(this, head, { method: message.type, request: message }), {
      middleware,
      answer: () => {
        this.#admit();
        return this.#ended();
      },
      refuse: (error) => {
        this.#refuse(error);
        return this.#ended();
      },
      log: (text, error) => watch.trouble(text, error, this.#first),
    });
    this.#isWrapped = false;
    this.#settle();
  }

  /** Resolves with how it ended. */
  #ended(): Promise<string> {
    if (!this.#life.isActive) return Promise.resolve(this.#life.state);
    return (this.#end ??= Promise.withResolvers()).promise;
  }

  #admit(): void {
    if (!this.#life.isActive) return;
    if (this.task.message.type === 'ping') return this.#run();
    const slot = this.#host.slots.take(this);
    if (slot === 'taken') return this.onSlot();
    if (slot !== 'queued') return this.#refuse(new Refusal('BUSY', saidTexts.noSlot, slot));
    this.#queuedAtMs = this.#runtime.clock.elapsed();
    this.#life.send(events.awaited);
    this.#feeds.each((follower) => follower.onQueued());
  }

  async #runNoted(noting: Promise<void>): Promise<void> {
    this.#running++;
    try {
      await noting;
      this.#run();
    } catch (error) {
      this.#runtime.watch.trouble('a request could not be noted, and is not run', error, this.#first);
      this.#refuse(new Refusal('BUSY', saidTexts.noNotes, { retryAfterMs: 1_000 }));
    } finally {
      this.#running--;
      this.#settle();
    }
  }

  #refuse(error: unknown): void {
    if (!this.#life.isActive) return;
    this.#runtime.watch.couldNotBe('handled', error, this.#first);
    this.#refusal = error instanceof Refusal ? error : new Refusal('REMOTE', saidTexts.notHandled);
    this.#life.send(events.refused);
  }

  #run(): void {
    if (!this.#life.isActive) return;
    this.#life.send(events.taken);
    this.#feeds.each((follower) => follower.onStarted());
    // Nobody may have been left to be told.
    if (this.#life.isActive) void this.#runtime.watch.within(this.#first, () => this.#handle());
  }

  async #handle(): Promise<void> {
    const { message, head } = this.task;
    this.#running++;
    this.#writer = this.#createWriter();
    const channel = createChannel(this, this.#writer);
    try {
      const handler = this.#host.dispatch(message, channel);
      if (handler === 'pong' || message.type === 'ping') return await channel.respond({ type: 'pong' });
      if (handler === undefined) return;
      const result = await handler(message, new Context(channel, head, message.prefix));
      if (!this.#life.isActive && isIterable(result)) return await new Source(result).leave();
      if (result === undefined || this.isClosed) return;
      await (isIterable(result) ? channel.stream(result) : channel.respond(result));
    } catch (error) {
      await this.answer(() => Promise.reject(error as Error)).catch(ignore);
    } finally {
      this.#running--;
      this.#settle();
    }
  }

  #fail(error: unknown): void {
    this.#failure = encodeError(handlerFrame(error));
    this.#runtime.watch.couldNotBe('answered', error, this.#first);
    this.#life.send(events.failed);
  }

  /** Nobody follows, and somebody may come back. */
  #detach(): void {
    const { config, clock } = this.#runtime;
    const leftMs = Math.min(rejoinMsOf(config, this.#joining), this.#deadlineMs - clock.elapsed());
    const canRejoin = this.task.question !== undefined && this.#life.state === 'running';
    if (!canRejoin) this.#life.send(events.cancel);
    else if (leftMs <= 0 || (this.#saidAtMs !== undefined && !this.record.isWhole))
      this.#life.send(events.lose);
    else this.#life.send({ type: 'clients.lost', rejoinMs: leftMs });
  }

  /** Lets go of what it holds when nothing of it runs any more. */
  #settle(): void {
    if (this.#life.isActive || this.#running > 0) return;
    this.#host.slots.leave(this);
    if (this.#isWrapped || this.#isSettled) return;
    this.#isSettled = true;
    this.#first.onSettled();
  }

  #createWriter(): AnswerWriter {
    const { signer, verifier, config, clock, relayBudget } = this.#runtime;
    const { message, head, question } = this.task;
    const prefix = message.type === 'llmRequest' ? message.prefix : undefined;
    return new AnswerWriter({
      sink: this,
      throwIfClosed: () => {
        if (!this.#life.isActive) throw closedError(this.requestId, this.#life.state);
      },
      maxBytes: config.maxResponseSizeBytes,
      bytesLeft: relayBudget && (() => mostLeft(this.#feeds)),
      waitForRoom: (error) => this.#waitForRoom(error),
      signer,
      verifier,
      request: message.type === 'llmRequest' ? message.request : undefined,
      requestDigest: question?.requestDigest,
      beginning: prefix && question && { text: prefix.text, digest: question.prefixDigest },
      inChunks: head.stream,
      onBegin: () => void (this.#saidAtMs = clock.elapsed()),
      clock,
      segmentTokens: config.segmentTokens,
      segmentIntervalMs: config.segmentIntervalMs,
    });
  }

  /** Tells its clients that a relay would cut what follows, and waits for one who comes back by another way. */
  async #waitForRoom(error: Refusal): Promise<void> {
    const isKept = this.record.isWhole && this.task.question !== undefined;
    if (this.#runtime.config.rejoinTimeoutMs === 0 || !isKept) throw error;
    this.#joining = Promise.withResolvers();
    refuseRest(this.#feeds, error);
    // That they left alone does not end it.
    if (this.#life.state === 'running' && this.#feeds.size === 0) this.#detach();
    await this.#joining.promise;
  }
}

const ignore = (): void => undefined;
