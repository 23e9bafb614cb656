import type { ErrorFrame, RequestMessage, ResponseMessage } from '@lloom/codec';
import { EventHub, systemClock, systemRandom, toHex, toPeerId } from '@lloom/core';
import type { PeerId } from '@libp2p/interface';
import { Carriers } from './carriers.ts';
import type { Rpc } from './api.ts';
import { noCall, resolveCall, type RpcConfig } from './config.ts';
import { Refusal, RpcError } from './errors.ts';
import type { RpcEvents } from './events.ts';
import { InboundRequest, type Dispatch, type InboundHost } from './inbound.ts';
import { Budget } from './internal/budget.ts';
import { busyFrame } from './internal/busy.ts';
import type { InboundExchange } from './internal/exchange.ts';
import { checkFunction, checkTime, peerText } from './internal/given.ts';
import { lingerMs } from './internal/partWith.ts';
import { Places } from './internal/places.ts';
import { reqRespProtocol } from './internal/protocolIds.ts';
import { RequestMeter } from './internal/requestMeter.ts';
import { PulledAnswer } from './internal/pulledAnswer.ts';
import { OutboundRequest, type OutboundEnd } from './outbound.ts';
import { custom, streamed, unary, type Asked, type Outgoing } from './outgoing.ts';
import type { Network, NetworkHosts, RpcPorts, SessionLink } from './ports.ts';
import { Protocols } from './protocols.ts';
import { createLifecycles, type RpcRuntime } from './runtime.ts';
import { serveStream } from './servingStream.ts';
import { ServingSession } from './servingSession.ts';
import type {
  Answer,
  AnswerMessage,
  AnswerStream,
  CallConfig,
  CustomProtocol,
  Handler,
  LlmRequestMessage,
  PendingRequest,
  RequestId,
  ResponseChannel,
  ResponseTo,
} from './types.ts';

/** What may stand around a body of the largest size. */
const maxEnvelopeBytes = 16 * 1024;

/** How long a node that stops waits for its last words to be taken; its connections end then. */
const goodbyeMs = 250;

const refuse: Handler = () => {
  throw new Refusal('NO_HANDLER', 'this node serves no requests');
};

/** The service behind {@link Rpc}. */
export class RpcService extends EventHub<RpcEvents> implements Rpc {
  readonly [Symbol.toStringTag] = '@lloom/rpc';
  readonly #runtime: RpcRuntime;
  readonly #protocols: Protocols;
  readonly #outbound = new Map<RequestId, OutboundRequest>();
  readonly #inbound = new Set<InboundRequest>();
  readonly #places: Places;
  readonly #sessions = new Set<ServingSession>();
  readonly #unverified: Budget;
  readonly #idPrefix: string;
  #requests = 0;
  #handler: Handler | undefined;
  #state: 'stopped' | 'serving' | 'draining' = 'stopped';
  #idle: PromiseWithResolvers<void> | undefined;

  constructor(network: Network, config: Readonly<Required<RpcConfig>>, ports: RpcPorts) {
    super((error, type) => network.log(`a listener of ${type} failed`, error));
    const { clock = systemClock, random = systemRandom, signer, verifier, inspect, meter } = ports;
    const carriers = new Carriers({
      network,
      clock,
      sessions: config.sessions,
      maxAnswerBytes: config.maxResponseSizeBytes + maxEnvelopeBytes,
      protocolOf: (method) => (method.startsWith('/') ? method : reqRespProtocol),
    });
    const meters = meter && {
      outbound: new RequestMeter(meter, 'rpc_requests'),
      inbound: new RequestMeter(meter, 'rpc_served'),
    };
    const lifecycles = createLifecycles({ clock, inspect });
    const shared = { config, network, carriers, clock, signer, verifier, meters };
    this.#runtime = { ...shared, events: this, ...lifecycles };
    this.#protocols = new Protocols(network, (method) => this.#streamHost(method));
    this.#unverified = new Budget(config.maxUnverifiedBytes);
    const { maxInboundRequests: ofAll, maxInboundRequestsPerPeer: ofOnePeer } = config;
    this.#places = new Places({ ofAll, ofOnePeer });
    this.#idPrefix = toHex(random.bytes(4)).slice(2);
  }

  /** Takes requests of others. Called by libp2p. */
  async start(): Promise<void> {
    if (this.#state !== 'stopped') return;
    this.#state = 'serving';
    const { network, config } = this.#runtime;
    await network.serve({
      onStream: this.#streamHost(undefined),
      onSession: config.sessions ? (link, peerId) => this.#serveSession(link, peerId) : undefined,
    });
    await this.#protocols.start();
  }

  /** Ends every request while there are still connections to say so. Called by libp2p. */
  beforeStop(): Promise<void> {
    return this.stop();
  }

  /** Ends every request with `STOPPED`. Called by libp2p, also when a start failed; may be called twice. */
  async stop(): Promise<void> {
    if (this.#state === 'stopped') return;
    this.#state = 'stopped';
    const { network, carriers } = this.#runtime;
    await network.unserve();
    this.#protocols.stop();
    for (const request of [...this.#outbound.values()]) request.stop();
    for (const request of [...this.#inbound]) request.stop();
    const sessions = [carriers.close(), ...[...this.#sessions].map((session) => session.close())];
    await this.#within(goodbyeMs, Promise.all([this.#inboundEnded(), ...sessions]));
  }

  request<M extends RequestMessage>(
    peerId: PeerId | string,
    message: M,
    call: CallConfig = noCall,
  ): Promise<ResponseTo<M>> {
    return this.#attempt(() => {
      const outgoing = unary(this.#runtime, this.#asked(peerId, call), message);
      return this.#send(outgoing).outcome as Promise<ResponseMessage> as Promise<ResponseTo<M>>;
    });
  }

  stream(peerId: PeerId | string, message: LlmRequestMessage, call: CallConfig = noCall): AnswerStream {
    const request = this.#send(streamed(this.#runtime, this.#asked(peerId, call), message));
    // It is awaited by who reads, or by nobody: a failure must not end the process.
    request.outcome.catch(() => undefined);
    return new PulledAnswer(request);
  }

  sendRequest(peerId: PeerId | string, message: RequestMessage, call: CallConfig = noCall): RequestId {
    const request = this.#send(unary(this.#runtime, this.#asked(peerId, call), message));
    // The outcome is told by events.
    request.outcome.catch(() => undefined);
    return request.requestId;
  }

  pendingRequests(): PendingRequest[] {
    return [...this.#outbound.values()].map((request) => request.pending);
  }

  addProtocol<Request, Response>(protocol: CustomProtocol<Request, Response>): Promise<void> {
    return this.#protocols.add(protocol as CustomProtocol as CustomProtocol);
  }

  removeProtocol(protocolName: string): Promise<void> {
    return this.#protocols.remove(protocolName);
  }

  callProtocol<Response>(
    ...[peerId, protocolOrName, request, call = noCall]: Parameters<Rpc['callProtocol']>
  ): Promise<Response> {
    return this.#attempt(() => {
      const found = this.#protocols.resolve(protocolOrName as CustomProtocol | string);
      const protocol = found as CustomProtocol<unknown, Response>;
      return this.#send(custom(this.#runtime, this.#asked(peerId, call), { protocol, request })).outcome;
    });
  }

  get activeInbound(): number {
    return this.#inbound.size;
  }

  serve(handler: Handler): () => void {
    checkFunction('handler', handler);
    this.#handler = handler;
    return () => {
      if (this.#handler === handler) this.#handler = undefined;
    };
  }

  sendResponse(channel: ResponseChannel, message: AnswerMessage): Promise<void> {
    return channel.respond(message);
  }

  sendErrorResponse(channel: ResponseChannel, message: string): Promise<void> {
    return channel.fail(message);
  }

  async drain(drainMs: number): Promise<void> {
    checkTime('drainMs', drainMs);
    if (this.#state === 'serving') this.#state = 'draining';
    const { clock, network } = this.#runtime;
    const endMs = clock.elapsed() + drainMs;
    await this.#within(drainMs, this.#inboundEnded());
    const leftMs = Math.min(endMs - clock.elapsed(), lingerMs);
    if (leftMs <= 0) return;
    // A connection that ends while bytes are on their way takes them along.
    const controller = new AbortController();
    const timer = clock.setTimeout(() => controller.abort(new Error('the time is up')), leftMs);
    await network.flush(controller.signal);
    clock.clearTimeout(timer);
  }

  /** Resolves with `act`, or when the time is up. */
  async #within(limitMs: number, act: Promise<unknown>): Promise<void> {
    const { clock } = this.#runtime;
    let timer: unknown;
    const timeIsUp = new Promise<void>((resolve) => (timer = clock.setTimeout(() => resolve(), limitMs)));
    await Promise.race([act, timeIsUp]);
    clock.clearTimeout(timer);
  }

  /** Resolves when no request of others is under way any more. */
  #inboundEnded(): Promise<void> {
    if (this.#inbound.size === 0) return Promise.resolve();
    this.#idle ??= Promise.withResolvers();
    return this.#idle.promise;
  }

  /** What is wrong with a call is told by its promise. */
  #attempt<T>(act: () => Promise<T>): Promise<T> {
    try {
      return act();
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  #asked(peerId: PeerId | string, call: CallConfig): Asked {
    const { maxPendingRequests: limit } = this.#runtime.config;
    if (this.#state === 'stopped') throw new RpcError('STOPPED', {});
    if (this.#outbound.size >= limit) throw new RpcError('PENDING_LIMIT', { limit });
    const name = peerText(peerId);
    // Reading a peer id costs more than a whole request; that of a peer with a session has been read.
    const isKnown = this.#runtime.carriers.find(name) !== undefined;
    const canonical = isKnown ? name : toPeerId(name).toString();
    return { requestId: this.#nextId(), peerId: canonical, call: resolveCall(call) };
  }

  #send<Result>(outgoing: Outgoing<Result>): OutboundRequest<Result> {
    const request = new OutboundRequest<Result>(this.#runtime, outgoing, this.#ends);
    this.#outbound.set(request.requestId, request as OutboundRequest);
    request.start();
    return request;
  }

  readonly #ends: OutboundEnd = {
    onAnswered: ({ requestId, peerId, method }, result) => {
      this.#outbound.delete(requestId);
      if (!this.isObserved('response:received')) return;
      const response = responseOf(method, result);
      this.emit('response:received', { peerId, requestId, response });
    },
    onFailed: ({ requestId, peerId }, error) => {
      this.#outbound.delete(requestId);
      this.emit('request:failed', { peerId, requestId, error });
    },
  };

  #streamHost(method: string | undefined): NetworkHosts['onStream'] {
    const { clock, config } = this.#runtime;
    const accept = (exchange: InboundExchange): InboundRequest | ErrorFrame => this.#accept(exchange, false);
    const maxRequestBytes = config.maxRequestSizeBytes;
    const maxFrameBytes = maxRequestBytes + maxEnvelopeBytes;
    return (stream, peerId) => {
      const host = { clock, maxRequestBytes, maxFrameBytes, unverified: this.#unverified, accept };
      serveStream(stream, { peerId, method }, host);
    };
  }

  #serveSession(link: SessionLink, peerId: string): void {
    const host = {
      maxRequestBytes: this.#runtime.config.maxRequestSizeBytes,
      unverified: this.#unverified,
      accept: (exchange: InboundExchange, isWhole: boolean) => this.#accept(exchange, isWhole),
    };
    const onEnd = (ended: ServingSession): void => void this.#sessions.delete(ended);
    const session = new ServingSession(link, { peerId, host, onEnd });
    if (!session.isClosed) this.#sessions.add(session);
  }

  #accept(exchange: InboundExchange, isWhole: boolean): InboundRequest | ErrorFrame {
    if (this.#state !== 'serving') return busyFrame(undefined);
    if (!this.#places.take(exchange.peerId)) return busyFrame(this.#inbound.size);
    const incoming = { requestId: this.#nextId(), exchange, isWhole };
    const request = new InboundRequest(this.#runtime, incoming, this.#inboundHost);
    this.#inbound.add(request);
    return request;
  }

  readonly #dispatch: Dispatch = (request, channel) => {
    const { peerId } = channel;
    const handler = this.#handler;
    const isObserved = this.isObserved('request:received');
    if (isObserved) this.emit('request:received', { peerId, request, channel });
    if (channel.closed) return undefined;
    if (request.type === 'ping') return 'pong';
    return handler ?? (isObserved ? undefined : refuse);
  };

  readonly #inboundHost: InboundHost = {
    dispatch: this.#dispatch,
    protocolOf: (method) => this.#protocols.get(method),
    onDone: (request) => {
      this.#inbound.delete(request);
      this.#places.leave(request.peerId, request.isWorking);
      if (this.#inbound.size > 0) return;
      this.#idle?.resolve();
      this.#idle = undefined;
    },
    onSettled: ({ peerId }) => this.#places.settle(peerId),
  };

  #nextId(): RequestId {
    return `${this.#idPrefix}-${++this.#requests}` as RequestId;
  }
}

/** What listeners are told of an answer. */
function responseOf(method: string, result: unknown): RpcEvents['response:received']['response'] {
  if (method.startsWith('/')) return { type: 'custom', protocolName: method, value: result };
  const message = result as ResponseMessage | Answer;
  return 'type' in message ? message : { type: 'llmAnswer', answer: message };
}
