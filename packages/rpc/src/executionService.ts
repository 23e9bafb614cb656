import type { ErrorFrame } from '@lloom/codec';
import { boolean, resolveConfig } from '@lloom/core';
import { Refusal } from './errors.ts';
import type { Dispatch } from './executionTask.ts';
import { Executions } from './executions.ts';
import { InboundRequest, type InboundHost } from './inbound.ts';
import { Budget } from './internal/budget.ts';
import { busyFrame } from './internal/busy.ts';
import type { InboundExchange } from './internal/exchange.ts';
import type { ExecutionJournal } from './internal/executionJournal.ts';
import { checkFunction } from './internal/given.ts';
import { Places } from './internal/places.ts';
import { RateLimiter } from './internal/rateLimiter.ts';
import { saidTexts } from './internal/saidTexts.ts';
import { Slots } from './internal/slots.ts';
import type { NetworkHosts, SessionLink } from './ports.ts';
import type { RpcRuntime } from './runtime.ts';
import { serveStream } from './servingStream.ts';
import { ServingSession } from './servingSession.ts';
import type { CustomProtocol, Handler, RequestId, RpcLoad, ServeConfig } from './types.ts';

/** What the executor's side needs beside what all requests share. */
export interface ExecutionServiceHost {
  readonly nextId: () => RequestId;
  /** The custom protocol of that name. */
  readonly protocolOf: (method: string) => CustomProtocol | undefined;
  readonly journal: ExecutionJournal | undefined;
}

/** What may stand around a request of the largest size. */
const maxEnvelopeBytes = 16 * 1024;

const serveConfig = { checks: { canContinue: boolean }, defaults: { canContinue: false } };

const refuse: Handler = () => {
  throw new Refusal('NO_HANDLER', saidTexts.noHandler);
};

/** Takes requests of others, by sessions and by streams, and has them answered. */
export class ExecutionService {
  readonly #runtime: RpcRuntime;
  readonly #host: ExecutionServiceHost;
  readonly #requests = new Set<InboundRequest>();
  readonly #sessions = new Set<ServingSession>();
  readonly #places: Places;
  readonly #slots: Slots;
  readonly #unverified: Budget;
  readonly #executions: Executions;
  readonly #inboundHost: InboundHost;
  #served: { readonly handler: Handler; readonly canContinue: boolean } | undefined;
  #state: 'stopped' | 'serving' | 'draining' = 'stopped';
  #idle: PromiseWithResolvers<void> | undefined;

  constructor(runtime: RpcRuntime, host: ExecutionServiceHost) {
    const { config, clock } = runtime;
    const { maxInboundRequests: ofAll, maxInboundRequestsPerPeer: ofOnePeer, capacity } = config;
    const { maxQueuedRequests: maxQueued, maxQueuedRequestsPerPeer: maxQueuedPerPeer } = config;
    this.#runtime = runtime;
    this.#host = host;
    this.#places = new Places({ ofAll, ofOnePeer });
    this.#slots = new Slots({ capacity, maxQueued, maxQueuedPerPeer }, clock);
    this.#unverified = new Budget(config.maxUnverifiedBytes);
    const budget: Budget = new Budget(config.maxInflightBytes, {
      refusal: saidTexts.noBytes,
      reclaim: () => this.#executions.dropAnswer(),
    });
    this.#executions = new Executions(runtime, {
      ...{ dispatch: this.#dispatch, slots: this.#slots, budget, journal: host.journal },
      canContinue: () => this.#served?.canContinue === true,
    });
    this.#inboundHost = {
      ...{ executions: this.#executions, budget, protocolOf: host.protocolOf },
      rates: new RateLimiter(config.rateLimits, clock),
      onDone: (request) => this.#done(request),
      onSettled: ({ peerId }) => this.#places.settle(peerId),
    };
  }

  /** How many requests are being read, handled or answered. */
  get active(): number {
    return this.#requests.size;
  }

  get load(): RpcLoad {
    return this.#slots.load;
  }

  /** Takes sessions; `undefined` when none are offered. */
  get onSession(): NetworkHosts['onSession'] {
    if (!this.#runtime.config.sessions) return undefined;
    return (link, peerId) => this.#serveSession(link, peerId);
  }

  /** Takes streams of a custom protocol, or, when `undefined`, of requests that say themselves what they are. */
  onStream(method: string | undefined): NetworkHosts['onStream'] {
    const { clock, config } = this.#runtime;
    const accept = (exchange: InboundExchange): InboundRequest | ErrorFrame => this.#accept(exchange, false);
    const maxRequestBytes = config.maxRequestSizeBytes;
    const maxFrameBytes = maxRequestBytes + maxEnvelopeBytes;
    return (stream, peerId) => {
      const host = { clock, maxRequestBytes, maxFrameBytes, unverified: this.#unverified, accept };
      serveStream(stream, { peerId, method }, host);
    };
  }

  /** Takes requests from now on. Resolves when it knows what was accepted before. */
  start(): Promise<void> {
    this.#state = 'serving';
    return this.#executions.load();
  }

  /** @throws {ConfigError} when the handler is no function, or its configuration none */
  serve(handler: Handler, config: ServeConfig = {}): () => void {
    checkFunction('handler', handler);
    const { canContinue } = resolveConfig('serve', serveConfig, config);
    const served = { handler, canContinue };
    this.#served = served;
    return () => {
      if (this.#served === served) this.#served = undefined;
    };
  }

  /** Takes no more requests. Resolves when none is under way. */
  drain(): Promise<void> {
    if (this.#state === 'serving') this.#state = 'draining';
    return this.#ended();
  }

  /** Ends all requests. Resolves when that has been said to those who made them. */
  async stop(): Promise<void> {
    this.#state = 'stopped';
    for (const request of [...this.#requests]) request.stop();
    this.#executions.stop();
    const sessions = [...this.#sessions].map((session) => session.close());
    await Promise.all([this.#ended(), ...sessions]);
  }

  /** Resolves when nothing waits to be noted. */
  async noted(): Promise<void> {
    await this.#host.journal?.settled();
  }

  #ended(): Promise<void> {
    if (this.#requests.size === 0) return Promise.resolve();
    this.#idle ??= Promise.withResolvers();
    return this.#idle.promise;
  }

  #serveSession(link: SessionLink, peerId: string): void {
    const { relayBudget, config, reports } = this.#runtime;
    const host = {
      maxRequestBytes: config.maxRequestSizeBytes,
      unverified: this.#unverified,
      bytesLeft: (asker: string, connectionId: string | undefined) =>
        relayBudget?.bytesLeft(asker, connectionId),
      onViolation: (asker: string) => reports.tell(asker, 'PROTOCOL_VIOLATION'),
      accept: (exchange: InboundExchange, isWhole: boolean) => this.#accept(exchange, isWhole),
    };
    const onEnd = (ended: ServingSession): void => void this.#sessions.delete(ended);
    const session = new ServingSession(link, { peerId, host, onEnd });
    if (!session.isClosed) this.#sessions.add(session);
  }

  #accept(exchange: InboundExchange, isWhole: boolean): InboundRequest | ErrorFrame {
    const isServing = this.#state === 'serving';
    if (!isServing || !this.#places.take(exchange.peerId)) {
      const frame = busyFrame(isServing ? this.#requests.size : undefined);
      this.#runtime.watch.turnedAway(exchange.peerId, frame);
      return frame;
    }
    const incoming = { requestId: this.#host.nextId(), exchange, isWhole };
    const request = new InboundRequest(this.#runtime, incoming, this.#inboundHost);
    this.#requests.add(request);
    this.#runtime.usage.began(request.peerId);
    return request;
  }

  #done(request: InboundRequest): void {
    this.#requests.delete(request);
    this.#runtime.usage.ended(request.peerId);
    this.#places.leave(request.peerId, request.isWorking);
    if (this.#requests.size > 0) return;
    this.#idle?.resolve();
    this.#idle = undefined;
  }

  readonly #dispatch: Dispatch = (request, channel) => {
    const { events } = this.#runtime;
    const { peerId } = channel;
    const handler = this.#served?.handler;
    // Before anybody is told: a listener may go then. Who only looks on answers nothing.
    const isObserved = events.isObserved('request:received');
    if (events.isHeard('request:received')) events.emit('request:received', { peerId, request, channel });
    if (channel.closed) return undefined;
    if (request.type === 'ping') return 'pong';
    return handler ?? (isObserved ? undefined : refuse);
  };
}
