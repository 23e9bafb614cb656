import type { RequestMessage } from '@lloom/codec';
import { ConfigError, EventHub, Reports, safeMeter, systemClock, systemRandom, toHex } from '@lloom/core';
import type { PeerId } from '@libp2p/interface';
import { CallPeers } from './callPeers.ts';
import { Calls } from './calls.ts';
import { Carriers } from './carriers.ts';
import type { Rpc } from './api.ts';
import { noCall, type RpcConfig } from './config.ts';
import type { RpcEvents } from './events.ts';
import { ExecutionService } from './executionService.ts';
import type { ExecutionJournal } from './internal/executionJournal.ts';
import { checkTime, peerText, shown } from './internal/given.ts';
import { lingerMs } from './internal/partWith.ts';
import { reqRespProtocol } from './internal/protocolIds.ts';
import { RequestWatch } from './internal/requestWatch.ts';
import { RpcMetrics } from './internal/rpcMetrics.ts';
import { safeTracer } from './internal/safeTracer.ts';
import { Usage } from './internal/usage.ts';
import type { Network, PeerFact, RpcPorts } from './ports.ts';
import { Protocols } from './protocols.ts';
import { createLifecycles, type RpcRuntime } from './runtime.ts';
import type {
  AnswerMessage,
  AnswerStream,
  CallConfig,
  CustomProtocol,
  Handler,
  LlmRequestMessage,
  Middleware,
  PendingRequest,
  RequestId,
  RequestMetadata,
  ResponseChannel,
  ResponseTo,
  RpcLoad,
  ServeConfig,
} from './types.ts';

/** What the service is given beside what users give. */
export interface ServicePorts extends RpcPorts {
  /** Made of the datastore. */
  readonly journal?: ExecutionJournal | undefined;
}

/** What may stand around a body of the largest size. */
const maxEnvelopeBytes = 16 * 1024;

/** How long a node that stops waits for its last words to be taken; its connections end then. */
const goodbyeMs = 250;

/** How long it waits for what is to be written down: whoever opened the datastore closes it then. */
const notingMs = 2_000;

/** The service behind {@link Rpc}. */
export class RpcService extends EventHub<RpcEvents> implements Rpc {
  readonly [Symbol.toStringTag] = '@lloom/rpc';
  readonly #runtime: RpcRuntime;
  readonly #protocols: Protocols;
  readonly #calls: Calls;
  readonly #inbound: ExecutionService;
  readonly #idPrefix: string;
  #middleware: readonly Middleware[] = [];
  #requests = 0;
  #isStopped = true;

  constructor(network: Network, config: Readonly<Required<RpcConfig>>, ports: ServicePorts) {
    super((error, type) => network.log(`a listener of ${type} failed`, error));
    const { clock = systemClock, random = systemRandom, inspect, meter, tracer, relayTraces } = ports;
    const { signer, verifier, alternatives, relayBudget, reputation, journal } = ports;
    const onError = (text: string, error: unknown): void => network.log(text, error);
    const reports = new Reports<PeerFact>({ clock, reputation, onError });
    const carriers = new Carriers({
      network,
      clock,
      sessions: config.sessions,
      maxAnswerBytes: config.maxResponseSizeBytes + maxEnvelopeBytes,
      protocolOf: (method) => (method.startsWith('/') ? method : reqRespProtocol),
      onViolation: (peerId) => reports.tell(peerId, 'PROTOCOL_VIOLATION'),
    });
    const watch = new RequestWatch({
      metrics: meter && new RpcMetrics(safeMeter(meter, once(onError, 'the meter failed'))),
      tracer: tracer && safeTracer(tracer, once(onError, 'the tracer failed')),
      relayTraces,
      log: network,
    });
    const lifecycles = createLifecycles({ clock, inspect });
    const peers = new CallPeers(config, { clock, random, inspect, alternatives, reports });
    const seen = { peers, reports, paces: peers.paces, usage: new Usage(clock) };
    const shared = { config, network, carriers, ...seen, clock, signer, verifier, relayBudget, watch };
    const middleware = (): readonly Middleware[] => this.#middleware;
    this.#runtime = {
      ...shared,
      events: this,
      ...lifecycles,
      get middleware() {
        return middleware();
      },
    };
    this.#calls = new Calls(this.#runtime, () => this.#nextId());
    this.#protocols = new Protocols(network, (method) => this.#inbound.onStream(method));
    this.#inbound = new ExecutionService(this.#runtime, {
      nextId: () => this.#nextId(),
      protocolOf: (method) => this.#protocols.get(method),
      journal,
    });
    this.#idPrefix = toHex(random.bytes(4)).slice(2);
    watch.metrics?.watch({
      pending: () => this.#calls.size,
      active: () => this.#inbound.active,
      load: () => this.#inbound.load,
    });
  }

  /** Takes requests of others. Called by libp2p. */
  async start(): Promise<void> {
    if (!this.#isStopped) return;
    this.#isStopped = false;
    this.#calls.start();
    const { network } = this.#runtime;
    const { onSession } = this.#inbound;
    await this.#inbound.start();
    // A datastore may take its time.
    if (this.#isStopped) return;
    await network.serve({ onStream: this.#inbound.onStream(undefined), onSession });
    await this.#protocols.start();
  }

  /** Ends every request while there are still connections to say so. Called by libp2p. */
  beforeStop(): Promise<void> {
    return this.stop();
  }

  /** Ends every request with `STOPPED`. Called by libp2p, also when a start failed; may be called twice. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    const { network, carriers } = this.#runtime;
    await network.unserve();
    this.#protocols.stop();
    this.#calls.stop();
    await this.#within(goodbyeMs, Promise.all([this.#inbound.stop(), carriers.close()]));
    await this.#within(notingMs, this.#inbound.noted());
  }

  request<M extends RequestMessage>(
    peerId: PeerId | string,
    message: M,
    call: CallConfig = noCall,
  ): Promise<ResponseTo<M>> {
    return this.#attempt(() => this.#calls.request(peerId, message, call) as Promise<ResponseTo<M>>);
  }

  stream(peerId: PeerId | string, message: LlmRequestMessage, call: CallConfig = noCall): AnswerStream {
    return this.#calls.stream(peerId, message, call);
  }

  sendRequest(peerId: PeerId | string, message: RequestMessage, call: CallConfig = noCall): RequestId {
    return this.#calls.sendRequest(peerId, message, call);
  }

  sendRequestWithRetry(
    ...[peerId, message, retry, call]: Parameters<Rpc['sendRequestWithRetry']>
  ): RequestId {
    return this.#calls.sendRequest(peerId, message, { ...call, retry: retry ?? {} });
  }

  retryRequest(requestId: RequestId): RequestId {
    return this.#calls.resend(requestId);
  }

  resendRequest(requestId: RequestId, peerId: PeerId | string): RequestId {
    return this.#calls.resend(requestId, peerText(peerId));
  }

  trackRequest(requestId: RequestId, metadata: RequestMetadata): void {
    this.#calls.track(requestId, metadata);
  }

  findAlternativePeer(...[peerId, about]: Parameters<Rpc['findAlternativePeer']>): string | undefined {
    return this.#calls.findAlternative(peerId, about ?? {});
  }

  performanceOf(peerId: string): ReturnType<Rpc['performanceOf']> {
    const { paces, peers } = this.#runtime;
    const pace = paces.of(peerId);
    const underWay = peers.underWay(peerId);
    const isAvoided = peers.isAvoided(peerId);
    if (underWay === 0 && !isAvoided) return pace;
    return { ...pace, ...(underWay > 0 && { underWay }), ...(isAvoided && { isAvoided }) };
  }

  usageOf(peerId: string): ReturnType<Rpc['usageOf']> {
    return this.#runtime.usage.of(peerId);
  }

  pendingRequests(): PendingRequest[] {
    return this.#calls.pending;
  }

  use(middleware: Middleware): () => void {
    const { outbound, inbound } = (middleware ?? {}) as Partial<Middleware>;
    const sides: unknown[] = [outbound, inbound].filter((side) => side !== undefined);
    if (sides.length === 0 || sides.some((side) => typeof side !== 'function')) {
      const wanted = 'an object with outbound or inbound, or both';
      throw new ConfigError([{ path: 'middleware', got: shown(middleware), wanted }]);
    }
    this.#middleware = [...this.#middleware, middleware];
    return () => (this.#middleware = this.#middleware.filter((other) => other !== middleware));
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
      return this.#calls.callProtocol(peerId, { protocol, request }, call);
    });
  }

  get activeInbound(): number {
    return this.#inbound.active;
  }

  get load(): RpcLoad {
    return this.#inbound.load;
  }

  serve(handler: Handler, config?: ServeConfig): () => void {
    return this.#inbound.serve(handler, config);
  }

  sendResponse(channel: ResponseChannel, message: AnswerMessage): Promise<void> {
    return channel.respond(message);
  }

  sendErrorResponse(channel: ResponseChannel, message: string): Promise<void> {
    return channel.fail(message);
  }

  async drain(drainMs: number): Promise<void> {
    checkTime('drainMs', drainMs);
    const { clock, network } = this.#runtime;
    const endMs = clock.elapsed() + drainMs;
    await this.#within(drainMs, this.#inbound.drain());
    const leftMs = Math.min(endMs - clock.elapsed(), lingerMs);
    if (leftMs <= 0 || this.#isStopped) return;
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

  /** What is wrong with a call is told by its promise. */
  #attempt<T>(act: () => Promise<T>): Promise<T> {
    try {
      return act();
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  #nextId(): RequestId {
    return `${this.#idPrefix}-${++this.#requests}` as RequestId;
  }
}

/** Tells of the first error alone: what fails for each request fails often. */
function once(tell: (text: string, error: unknown) => void, text: string): (error: unknown) => void {
  let isTold = false;
  return (error) => {
    if (!isTold) tell(text, error);
    isTold = true;
  };
}
