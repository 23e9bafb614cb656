import { CodecError, decodeRequestMessage, encodeAnswerEnd, type RequestMessage } from '@lloom/codec';
import type { Span } from '@lloom/core';
import { Refusal } from './errors.ts';
import { CustomExecution, type CustomRequest } from './executionCustom.ts';
import type { Executions } from './executions.ts';
import type { Budget } from './internal/budget.ts';
import { closedError } from './internal/closedChannel.ts';
import type {
  AnswerKind,
  InboundExchange,
  InboundReceiver,
  Leaving,
  ReceivedRequest,
} from './internal/exchange.ts';
import { inboundFactOf } from './internal/facts.ts';
import { encodeError, refusalFrame } from './internal/failures.ts';
import type { Departure, Followed } from './internal/following.ts';
import { lastMessage, keptForOthersBytes, lostMessage } from './internal/lastWords.ts';
import { ownBytes } from './internal/ownBytes.ts';
import { isOfTraces, unknownMethod } from './internal/protocolIds.ts';
import { askedAttributes, isHurried, keyOf } from './internal/requestWatch.ts';
import type { RateLimiter } from './internal/rateLimiter.ts';
import { saidTexts } from './internal/saidTexts.ts';
import type { Lifecycle, LifecycleOwner } from './lifecycle.ts';
import type { InboundEvent, InboundState } from './machines/inbound.machine.ts';
import type { RpcRuntime } from './runtime.ts';
import type { CustomProtocol, LlmRequestMessage, RequestId } from './types.ts';

/** What inbound requests need of the service. */
export interface InboundHost {
  readonly executions: Executions;
  /** How often peers may ask. */
  readonly rates: RateLimiter;
  /** What requests may have together, in bytes. */
  readonly budget: Budget;
  /** The custom protocol of that name. */
  readonly protocolOf: (method: string) => CustomProtocol | undefined;
  /** Called once, when the request and what carried it are done with. Its handler may still be working. */
  readonly onDone: (request: InboundRequest) => void;
  /** Called once behind `onDone`, when the handler was still working then and has come to its end. */
  readonly onSettled: (request: InboundRequest) => void;
}

const departures: Partial<Record<InboundState, Departure>> = {
  crowdedOut: 'deadline',
  omitted: 'deadline',
  stopped: 'stopped',
  interrupted: 'stopped',
};

const events = {
  verified: { type: 'request.verified' },
  refused: { type: 'request.refused' },
  awaited: { type: 'slot.awaited' },
  taken: { type: 'slot.taken' },
  began: { type: 'answer.began' },
  ended: { type: 'answer.ended' },
  failed: { type: 'answer.failed' },
  gone: { type: 'client.gone' },
  stop: { type: 'inbound.stop' },
} as const satisfies Record<string, InboundEvent>;

const pong = encodeAnswerEnd({ type: 'end', response: { type: 'pong' } });

/** One inbound request, from its first byte to the end of what carried it. It is told one answer, or one error. */
export class InboundRequest implements InboundReceiver, LifecycleOwner<InboundState>, CustomRequest {
  readonly requestId: RequestId;
  deadlineMs = 0;
  isHurried = false;
  span: Span | undefined;
  key: string | undefined;
  leaving: Leaving = 'cancelled';
  refusal: unknown;
  readonly #runtime: RpcRuntime;
  readonly #exchange: InboundExchange;
  readonly #host: InboundHost;
  readonly #life: Lifecycle<InboundEvent, InboundState>;
  #method = unknownMethod;
  #head: ReceivedRequest['head'] | undefined;
  readonly #startedElapsedMs: number;
  #isAnnounced = false;
  #heldBytes = 0;
  #followed: Followed | undefined;
  #controller: AbortController | undefined;
  /** What the client is told in the place of an answer. */
  #error: Uint8Array | undefined;
  /** What still runs for the request: reading it, its handler, what writes the answer. */
  #running = 0;
  #isDone = false;
  #end: PromiseWithResolvers<string> | undefined;

  /** @param incoming `isWhole`: the request is there already, and is given in this turn */
  constructor(
    runtime: RpcRuntime,
    incoming: {
      readonly requestId: RequestId;
      readonly exchange: InboundExchange;
      readonly isWhole: boolean;
    },
    host: InboundHost,
  ) {
    this.#runtime = runtime;
    this.requestId = incoming.requestId;
    this.#exchange = incoming.exchange;
    this.#host = host;
    this.#startedElapsedMs = runtime.clock.elapsed();
    const { requestReadTimeoutMs, timeoutMs: handleTimeoutMs } = runtime.config;
    const { requestId, peerId } = this;
    const readTimeoutMs = incoming.isWhole ? 0 : requestReadTimeoutMs;
    this.#life = runtime.inbounds.start({ requestId, peerId, readTimeoutMs, handleTimeoutMs }, this);
  }

  get id(): string {
    return this.requestId;
  }

  get peerId(): string {
    return this.#exchange.peerId;
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

  get traceparent(): string | undefined {
    return this.#head?.traceparent;
  }

  get bytesLeft(): number | undefined {
    const { relayBudget, usage } = this.#runtime;
    const { peerId, connectionId } = this.#exchange;
    const left = relayBudget?.bytesLeft(peerId, connectionId);
    if (left === undefined) return undefined;
    return this.#exchange.spareOf(left) - keptForOthersBytes((usage.of(peerId)?.active ?? 1) - 1);
  }

  get outboundTokens(): number {
    return this.#followed?.outboundTokens ?? 0;
  }

  get method(): string {
    return this.#method;
  }

  get elapsedMs(): number {
    return this.#runtime.clock.elapsed() - this.#startedElapsedMs;
  }

  get isWaiting(): boolean {
    return this.#life.isActive;
  }

  /** Whether something still runs for it, which it may do beyond the end of the request. */
  get isWorking(): boolean {
    return this.#running > 0;
  }

  announce(method: string): boolean {
    if (this.#isAnnounced) return true;
    this.#isAnnounced = true;
    const waitMs = this.#host.rates.take(this.peerId, method);
    if (waitMs === 0) return true;
    if (this.#isKnown(method)) this.#method = method;
    this.refuse(new Refusal('RATE_LIMITED', saidTexts.tooOften, { retryAfterMs: waitMs }));
    return false;
  }

  #isKnown(method: string): boolean {
    return (
      isMessage(method) || isOfTraces(method) || this.#host.protocolOf(method)?.handleRequest !== undefined
    );
  }

  receive(request: ReceivedRequest): void {
    const { config, clock, watch } = this.#runtime;
    const handleTimeoutMs = Math.min(request.head.timeoutMs ?? config.timeoutMs, config.timeoutMs);
    this.isHurried = isHurried(handleTimeoutMs, config.timeoutMs);
    this.deadlineMs = clock.elapsed() + handleTimeoutMs;
    this.#life.send({ type: 'request.read', handleTimeoutMs });
    if (!this.#life.isActive) return;
    this.#head = request.head;
    this.span = watch.serves(this, request);
    const { length } = request.body;
    try {
      this.#host.budget.take(length);
    } catch (error) {
      return this.refuse(error);
    }
    this.#heldBytes = length;
    const { method } = request;
    if (method?.startsWith('/') === true) this.#serveProtocol(method, request);
    else this.#serveMessage(request);
  }

  refuse(error: unknown): void {
    this.refusal ??= error;
    this.#error ??= encodeError(refusalFrame(error));
    this.#life.send(events.refused);
    // Last: the connection may end of it.
    const fact = inboundFactOf(error);
    if (fact !== undefined) this.#runtime.reports.tell(this.peerId, fact);
  }

  clientGone(how: Leaving): void {
    this.leaving = how;
    this.#life.send(events.gone);
  }

  /** Ends the request because the node stops. */
  stop(): void {
    this.#life.send(events.stop);
  }

  follow(followed: Followed): void {
    this.#followed = followed;
  }

  onQueued(): void {
    this.span?.addEvent('queued');
    this.#life.send(events.awaited);
  }

  onStarted(): void {
    this.span?.addEvent('started');
    this.#life.send(this.#life.state === 'queued' ? events.taken : events.verified);
  }

  send(kind: AnswerKind, message: Uint8Array): Promise<void> | undefined {
    if (kind === 'error') {
      this.#error = message;
      this.#life.send(events.failed);
      return undefined;
    }
    if (this.#life.state === 'handling') {
      if (kind === 'chunk') this.span?.addEvent('first_chunk');
      this.#life.send(events.began);
    }
    const sending = this.#exchange.send(kind, message);
    if (kind !== 'end') return sending;
    if (sending === undefined) this.#life.send(events.ended);
    else void sending.then(() => this.#life.send(events.ended));
    return sending;
  }

  miss(): void {
    void this.send('error', lostMessage);
  }

  onWorking(): void {
    this.#running++;
  }

  onSettled(): void {
    this.#running--;
    this.#settle();
  }

  ended(): Promise<string> {
    const { isActive, state } = this.#life;
    if (!isActive) return Promise.resolve(state);
    return (this.#end ??= Promise.withResolvers()).promise;
  }

  onEnd(state: InboundState): void {
    if (state !== 'answered') this.#controller?.abort(closedError(this.requestId, this.#life.state));
    const isGone = state === 'abandoned';
    this.#followed?.leave(this, isGone ? this.leaving : (departures[state] ?? 'told'));
    const lastWords = isGone ? undefined : lastMessage(state, this.#error);
    this.#runtime.watch.served(this, state, lastWords);
    if (lastWords !== undefined) void this.#exchange.send('error', lastWords);
    this.#end?.resolve(state);
    const done = this.#exchange.finish(isGone);
    if (done === undefined) this.#done();
    else void done.then(() => this.#done());
  }

  #done(): void {
    this.#isDone = true;
    this.#host.onDone(this);
    if (this.#running === 0) this.#release();
  }

  #settle(): void {
    if (!this.#isDone || this.#running > 0) return;
    this.#release();
    this.#host.onSettled(this);
  }

  #release(): void {
    this.#host.budget.give(this.#heldBytes);
    this.#heldBytes = 0;
  }

  #serveProtocol(method: string, { body, head }: ReceivedRequest): void {
    const protocol = this.#host.protocolOf(method);
    if (this.#isKnown(method)) this.#method = method;
    this.#runtime.watch.read(this);
    if (protocol?.handleRequest === undefined)
      return this.refuse(new Refusal('UNSUPPORTED_PROTOCOL', saidTexts.unknownProtocol));
    new CustomExecution(this.#runtime, protocol, this).start(body, head);
  }

  #serveMessage({ method, head, body }: ReceivedRequest): void {
    try {
      if (method !== undefined && !isMessage(method))
        throw new Refusal('UNSUPPORTED_MESSAGE', saidTexts.unknownMethod);
      const request = decodeRequestMessage(method === 'ping' ? body : ownBytes(body));
      this.#method = request.type;
      this.key = keyOf(request);
      this.span?.setAttributes(askedAttributes(request));
      this.#runtime.watch.read(this);
      if (method !== undefined && method !== request.type) {
        const data = { path: 'method', got: 'another method', wanted: `"${request.type}"` };
        throw new CodecError('INVALID_FIELD', data);
      }
      if (!this.announce(request.type)) return;
      if (request.type === 'ping') return this.#servePing(request, head);
      if (request.prefix !== undefined && !head.stream)
        throw new Refusal('INVALID_REQUEST', saidTexts.onlyInChunks);
      void this.#ask(request, head);
    } catch (error) {
      this.refuse(error);
    }
  }

  async #ask(request: LlmRequestMessage, head: ReceivedRequest['head']): Promise<void> {
    this.#running++;
    try {
      await this.#host.executions.ask(request, head, this);
    } catch (error) {
      this.refuse(error);
    } finally {
      this.onSettled();
    }
  }

  #servePing(message: RequestMessage, head: ReceivedRequest['head']): void {
    const { middleware, events: told } = this.#runtime;
    if (middleware.length > 0 || told.isHeard('request:received'))
      return this.#host.executions.ping({ message, head }, this);
    this.#life.send(events.verified);
    void this.send('end', pong);
  }
}

const isMessage = (method: string): boolean => method === 'ping' || method === 'llmRequest';
