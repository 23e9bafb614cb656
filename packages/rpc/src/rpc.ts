import type { RequestMessage, ResponseMessage } from '@lloom/codec';
import { EventHub, systemClock, systemRandom, toHex, toPeerId, type EventSource } from '@lloom/core';
import type { PeerId } from '@libp2p/interface';
import { resolveCall, type RpcConfig } from './config.ts';
import { Refusal, RpcError } from './errors.ts';
import type { RpcEvents } from './events.ts';
import { encodeBusy } from './internal/busy.ts';
import { PulledAnswer } from './internal/pulledAnswer.ts';
import { lingerMs, partWith } from './internal/partWith.ts';
import { InboundRequest, type Dispatch } from './inbound.ts';
import { OutboundRequest } from './outbound.ts';
import type { ByteStream, Network, RpcPorts } from './ports.ts';
import { createMachines, type RpcRuntime } from './runtime.ts';
import type {
  AnswerMessage,
  AnswerStream,
  CallConfig,
  Handler,
  LlmRequestMessage,
  PendingRequest,
  RequestId,
  ResponseChannel,
  ResponseTo,
} from './types.ts';

/** Requests to other peers, and answers to theirs. */
export interface Rpc extends EventSource<RpcEvents> {
  /**
   * Asks a peer and waits for its answer. What was signed is proven before it is handed on.
   *
   * @throws {RpcError} how it failed; `data.outcome` and the code say what is not known
   * @throws {AddressError} `INVALID_PEER_ID`
   * @throws {CodecError} `INVALID_FIELD` when the message cannot be encoded
   * @example
   * ```ts
   * const pong = await node.services.rpc.request(peerId, { type: 'ping' }, { timeoutMs: 5_000 });
   * ```
   */
  request<M extends RequestMessage>(
    peerId: PeerId | string,
    message: M,
    call?: CallConfig,
  ): Promise<ResponseTo<M>>;
  /**
   * Asks a peer and gives its answer as it arrives. Errors come out of the iteration and of `result`.
   *
   * @throws {RpcError} `TOO_LARGE`, `AUDIENCE_MISMATCH`, `MISSING_PORT`, `PENDING_LIMIT`, `STOPPED` at once
   * @throws {AddressError} `INVALID_PEER_ID` at once
   * @example
   * ```ts
   * const answer = node.services.rpc.stream(peerId, { type: 'llmRequest', request: signed });
   * for await (const { text } of answer) process.stdout.write(text);
   * console.log((await answer.result).totalCost);
   * ```
   */
  stream(peerId: PeerId | string, message: LlmRequestMessage, call?: CallConfig): AnswerStream;
  /**
   * Asks a peer and returns at once; the outcome is told by `response:received` or `request:failed`.
   *
   * @throws {RpcError} `TOO_LARGE`, `AUDIENCE_MISMATCH`, `MISSING_PORT`, `PENDING_LIMIT`, `STOPPED` at once
   * @throws {AddressError} `INVALID_PEER_ID` at once
   */
  sendRequest(peerId: PeerId | string, message: RequestMessage, call?: CallConfig): RequestId;
  /** The requests of this node that are under way. */
  pendingRequests(): PendingRequest[];
  /** How many requests of others are being read, handled or answered. */
  readonly activeInbound: number;
  /**
   * Serves requests: the door of an executor. One handler at a time; the last one counts. Pings are answered by the
   * service.
   *
   * @returns takes the handler away again
   */
  serve(handler: Handler): () => void;
  /**
   * Answers through a channel.
   * @throws {RpcError} `CHANNEL_CLOSED`, `MISSING_PORT`
   */
  sendResponse(channel: ResponseChannel, message: AnswerMessage): Promise<void>;
  /**
   * Answers through a channel with an error.
   * @throws {RpcError} `CHANNEL_CLOSED`
   */
  sendErrorResponse(channel: ResponseChannel, message: string): Promise<void>;
  /**
   * Refuses new requests of others with `BUSY` and resolves when those under way have ended and the answers have
   * reached who asked, or after `drainMs`. Peers that say nothing at all are given two seconds of it. For a stop that
   * loses nothing.
   */
  drain(drainMs: number): Promise<void>;
}

/** How long a node that stops waits for its last words to be taken; its connections end then. */
const goodbyeMs = 250;

const refuse: Handler = () => {
  throw new Refusal('NO_HANDLER', 'this node serves no requests');
};

/** The service behind {@link Rpc}. */
export class RpcService extends EventHub<RpcEvents> implements Rpc {
  readonly [Symbol.toStringTag] = '@lloom/rpc';
  readonly #runtime: RpcRuntime;
  readonly #outbound = new Map<RequestId, OutboundRequest>();
  readonly #inbound = new Set<InboundRequest>();
  readonly #idPrefix: string;
  #requests = 0;
  #handler: Handler | undefined;
  #state: 'stopped' | 'serving' | 'draining' = 'stopped';

  constructor(network: Network, config: Readonly<Required<RpcConfig>>, ports: RpcPorts) {
    super((error, type) => network.log(`a listener of ${type} failed`, error));
    const { clock = systemClock, random = systemRandom, signer, verifier, inspect } = ports;
    const actorConfig = { clock, ...(inspect && { inspect }) };
    this.#runtime = {
      config,
      network,
      events: this,
      clock,
      signer,
      verifier,
      machines: createMachines(),
      unverified: { bytes: 0 },
      actorConfig,
    };
    this.#idPrefix = toHex(random.bytes(4)).slice(2);
  }

  /** Takes requests of others. Called by libp2p. */
  async start(): Promise<void> {
    if (this.#state !== 'stopped') return;
    this.#state = 'serving';
    await this.#runtime.network.serve((stream, peerId) => this.#accept(stream, peerId));
  }

  /** Ends every request while there are still connections to say so. Called by libp2p. */
  beforeStop(): Promise<void> {
    return this.stop();
  }

  /** Ends every request with `STOPPED`. Called by libp2p, also when a start failed; may be called twice. */
  async stop(): Promise<void> {
    if (this.#state === 'stopped') return;
    this.#state = 'stopped';
    await this.#runtime.network.unserve();
    for (const request of [...this.#outbound.values()]) request.stop();
    for (const request of [...this.#inbound]) request.stop();
    await this.#inboundEnded(goodbyeMs);
  }

  async request<M extends RequestMessage>(
    peerId: PeerId | string,
    message: M,
    call: CallConfig = {},
  ): Promise<ResponseTo<M>> {
    const outcome = await this.#send({ peerId, message, stream: false }, call).finish();
    return outcome as ResponseMessage as ResponseTo<M>;
  }

  stream(peerId: PeerId | string, message: LlmRequestMessage, call: CallConfig = {}): AnswerStream {
    return new PulledAnswer(this.#send({ peerId, message, stream: true }, call));
  }

  sendRequest(peerId: PeerId | string, message: RequestMessage, call: CallConfig = {}): RequestId {
    const request = this.#send({ peerId, message, stream: false }, call);
    // The outcome is told by events.
    request.finish().catch(() => undefined);
    return request.pending.requestId;
  }

  pendingRequests(): PendingRequest[] {
    return [...this.#outbound.values()].map((request) => request.pending);
  }

  get activeInbound(): number {
    return this.#inbound.size;
  }

  serve(handler: Handler): () => void {
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
    if (this.#state === 'serving') this.#state = 'draining';
    const { clock, network } = this.#runtime;
    const endMs = clock.elapsed() + drainMs;
    await this.#inboundEnded(drainMs);
    const leftMs = Math.min(endMs - clock.elapsed(), lingerMs);
    if (leftMs <= 0) return;
    // A connection that ends while bytes are on their way takes them along.
    const controller = new AbortController();
    const timer = clock.setTimeout(() => controller.abort(new Error('the time is up')), leftMs);
    await network.flush(controller.signal);
    clock.clearTimeout(timer);
  }

  /** Resolves when no request of others is under way any more, or when the time is up. */
  async #inboundEnded(limitMs: number): Promise<void> {
    const { clock } = this.#runtime;
    let timer: unknown;
    const timeIsUp = new Promise<void>((resolve) => (timer = clock.setTimeout(() => resolve(), limitMs)));
    await Promise.race([Promise.all([...this.#inbound].map((request) => request.ended)), timeIsUp]);
    clock.clearTimeout(timer);
  }

  #send(
    { peerId, message, stream }: { peerId: PeerId | string; message: RequestMessage; stream: boolean },
    call: CallConfig,
  ): OutboundRequest {
    const { maxPendingRequests: limit } = this.#runtime.config;
    if (this.#state === 'stopped') throw new RpcError('STOPPED', {});
    if (this.#outbound.size >= limit) throw new RpcError('PENDING_LIMIT', { limit });
    const requestId = this.#nextId();
    const outgoing = {
      requestId,
      peerId: toPeerId(peerId).toString(),
      message,
      stream,
      call: resolveCall(call),
    };
    const request = new OutboundRequest(this.#runtime, outgoing);
    this.#outbound.set(requestId, request);
    request.start(() => this.#outbound.delete(requestId));
    return request;
  }

  #accept(stream: ByteStream, peerId: string): void {
    const { config, clock } = this.#runtime;
    const ofThisPeer = [...this.#inbound].filter((request) => request.peerId === peerId).length;
    const isFull =
      this.#inbound.size >= config.maxInboundRequests || ofThisPeer >= config.maxInboundRequestsPerPeer;
    if (this.#state !== 'serving' || isFull) {
      const last = encodeBusy(this.#state === 'serving' ? this.#inbound.size : undefined);
      void partWith(stream, clock, () => stream.write(last));
      return;
    }
    const request = new InboundRequest(
      this.#runtime,
      { requestId: this.#nextId(), peerId, stream },
      this.#dispatch,
    );
    this.#inbound.add(request);
    void request.ended.then(() => this.#inbound.delete(request));
  }

  readonly #dispatch: Dispatch = (request, channel) => {
    const { peerId } = channel;
    const handler = this.#handler;
    const isObserved = this.isObserved('request:received');
    this.emit('request:received', { peerId, request, channel });
    if (channel.closed) return undefined;
    if (request.type === 'ping') return 'pong';
    return handler ?? (isObserved ? undefined : refuse);
  };

  #nextId(): RequestId {
    return `${this.#idPrefix}-${++this.#requests}` as RequestId;
  }
}
