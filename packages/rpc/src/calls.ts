import type { RequestMessage, ResponseMessage } from '@lloom/codec';
import { toPeerId } from '@lloom/core';
import type { PeerId } from '@libp2p/interface';
import { Call } from './call.ts';
import { planCustom, planStreamed, planUnary, planUnsigned, type CallPlan } from './callPlan.ts';
import { resolveCall, resolveMetadata } from './config.ts';
import { mayOutgrow } from './callRoom.ts';
import { RpcError } from './errors.ts';
import type { RpcEvents } from './events.ts';
import { peerText } from './internal/given.ts';
import { KeptRequests } from './internal/keptRequests.ts';
import { PulledAnswer, type PulledRequest } from './internal/pulledAnswer.ts';
import { isOfTraces } from './internal/protocolIds.ts';
import type { CallEnd, OutboundEnd } from './internal/requestEnds.ts';
import { OutboundRequest } from './outbound.ts';
import { custom, streamed, unary, type Asked, type Outgoing } from './outgoing.ts';
import type { RpcRuntime } from './runtime.ts';
import type {
  Answer,
  AnswerStream,
  CallConfig,
  CustomProtocol,
  LlmRequestMessage,
  PendingRequest,
  RequestId,
  RequestMetadata,
} from './types.ts';

/** A request under way, made once or as often as it takes. */
type UnderWay<Result = unknown> = OutboundRequest<Result> | Call<Result>;

/** How long a request takes to join the one that it takes the place of, in ms: two ways, and a signature. */
const joinMs = 1_000;

/** What a request is made from again. */
interface Sent {
  readonly peerId: string;
  readonly message: RequestMessage;
  readonly call: CallConfig;
}

/** What was noted of a request, and what sees to its deadline. */
interface Tracked {
  readonly metadata: RequestMetadata;
  readonly timer: unknown;
}

/** The requests of this node. */
export class Calls {
  readonly #runtime: RpcRuntime;
  readonly #nextId: () => RequestId;
  readonly #underWay = new Map<RequestId, UnderWay>();
  /** Those whose outcome is told by events alone, so that they can be made again. */
  readonly #sent = new Map<RequestId, Sent>();
  readonly #kept: KeptRequests<Sent>;
  readonly #tracked = new Map<RequestId, Tracked>();
  #isStopped = true;

  constructor(runtime: RpcRuntime, nextId: () => RequestId) {
    const { keptRequestTtlMs: ttlMs, maxKeptRequestBytes: maxBytes } = runtime.config;
    this.#runtime = runtime;
    this.#nextId = nextId;
    this.#kept = new KeptRequests({ ttlMs, maxBytes }, runtime.clock);
  }

  /** Requests may be made from now on. */
  start(): void {
    this.#isStopped = false;
  }

  /** Ends every request with `STOPPED`. */
  stop(): void {
    this.#isStopped = true;
    for (const request of [...this.#underWay.values()]) request.stop();
    this.#kept.clear();
    this.#runtime.peers.stop();
  }

  /** How many requests are under way. */
  get size(): number {
    return this.#underWay.size;
  }

  get pending(): PendingRequest[] {
    return [...this.#underWay.values()].map(({ pending }) => {
      const { metadata } = this.#tracked.get(pending.requestId) ?? {};
      if (metadata === undefined) return pending;
      const deadlineAt = Math.min(pending.deadlineAt, metadata.deadlineAt);
      return { ...pending, deadlineAt, attempt: Math.max(pending.attempt, metadata.retryCount + 1) };
    });
  }

  /** Asks for an answer in one piece. */
  request(peerId: PeerId | string, message: RequestMessage, call: CallConfig): Promise<ResponseMessage> {
    return this.#unary(this.#asked(peerId, methodOf(message), call), message)
      .outcome as Promise<ResponseMessage>;
  }

  /** Asks for an answer as it arrives. */
  stream(peerId: PeerId | string, message: LlmRequestMessage, call: CallConfig): AnswerStream {
    const method = 'llmRequest';
    const { asked, isPlain } = this.#place(this.#asked(peerId, method, call), method);
    const request = isPlain
      ? this.#send(asked, method, () => streamed(this.#runtime, asked, message))
      : this.#call(asked, method, () => planStreamed(this.#runtime, asked, message));
    // It is awaited by who reads, or by nobody: a failure must not end the process.
    request.outcome.catch(() => undefined);
    return new PulledAnswer(request as PulledRequest);
  }

  /** Asks, and tells the outcome by events. */
  sendRequest(peerId: PeerId | string, message: RequestMessage, call: CallConfig): RequestId {
    const asked = this.#asked(peerId, methodOf(message), call);
    return this.#tell(this.#unary(asked, message), { peerId: asked.peerId, message, call });
  }

  /** Asks by a protocol of one's own. */
  callProtocol<Response>(
    peerId: PeerId | string,
    what: { readonly protocol: CustomProtocol<unknown, Response>; readonly request: unknown },
    call: CallConfig,
  ): Promise<Response> {
    const { protocolName: method } = what.protocol;
    const { asked, isPlain } = this.#place(this.#asked(peerId, method, call), method);
    const request: UnderWay<Response> = isPlain
      ? this.#send(asked, method, () => custom(this.#runtime, asked, what))
      : this.#call(asked, method, () => planCustom(this.#runtime, asked, what));
    return request.outcome;
  }

  /** Makes a request once more: of the same peer, or of another. */
  resend(requestId: RequestId, to?: PeerId | string): RequestId {
    const sent = this.#find(requestId);
    const peerId = to === undefined ? sent.peerId : to;
    const { message, call } = sent;
    const method = methodOf(message);
    const asked = this.#asked(peerId, method, call);
    const request = this.#call(asked, method, () => planUnsigned(this.#runtime, message));
    this.#kept.take(requestId);
    const former = this.#underWay.get(requestId);
    if (former !== undefined) void this.#replace(former, request);
    return this.#tell(request, { peerId: asked.peerId, message, call });
  }

  /**
   * Gives a request up for the one that takes its place. At the same peer not before that has joined it: what nobody waits for
   * any more is given up there, and would be run once more.
   */
  async #replace(former: UnderWay, request: Call): Promise<void> {
    await request.began;
    if (former.peerId !== request.peerId) former.cancel();
    else this.#runtime.clock.setTimeout(former.cancel, joinMs);
  }

  /** Notes what a caller knows of a request. */
  track(requestId: RequestId, given: RequestMetadata): void {
    const metadata = resolveMetadata(given);
    const request = this.#underWay.get(requestId);
    if (request?.peerId !== metadata.peerId) throw new RpcError('UNKNOWN_REQUEST', { requestId });
    const { clock } = this.#runtime;
    this.#untrack(requestId);
    // A timer of the own deadline runs anyway: only an earlier one needs another.
    const leftMs = Math.max(0, metadata.deadlineAt - clock.now());
    const isEarlier = metadata.deadlineAt < request.pending.deadlineAt;
    const timer = isEarlier ? clock.setTimeout(() => request.expire(), leftMs) : undefined;
    this.#tracked.set(requestId, { metadata, timer });
  }

  /** Another provider. */
  findAlternative(
    peerId: PeerId | string,
    { requestId, model }: { readonly requestId?: RequestId; readonly model?: string },
  ): string | undefined {
    const isOther = requestId === undefined || (this.#underWay.has(requestId) && !this.#sent.has(requestId));
    const message = isOther ? undefined : this.#find(requestId).message;
    const asked = message?.type === 'llmRequest' ? message.request.payload.model : undefined;
    const wanted = model ?? asked;
    const text = toPeerId(peerText(peerId)).toString();
    return this.#runtime.peers.find({
      peerId: text,
      exclude: [],
      ...(wanted !== undefined && { model: wanted }),
    });
  }

  #find(requestId: RequestId): Sent {
    const sent = this.#sent.get(requestId) ?? this.#kept.get(requestId);
    if (sent === undefined) throw new RpcError('UNKNOWN_REQUEST', { requestId });
    return sent;
  }

  #asked(peerId: PeerId | string, method: string, call: CallConfig): Asked {
    const { maxPendingRequests: limit } = this.#runtime.config;
    if (this.#isStopped) throw this.#refused(method, new RpcError('STOPPED', {}));
    if (this.#underWay.size >= limit) throw this.#refused(method, new RpcError('PENDING_LIMIT', { limit }));
    const name = peerText(peerId);
    // Reading a peer id costs more than a whole request; that of a peer with a session has been read.
    const isKnown = this.#runtime.carriers.find(name) !== undefined;
    const canonical = isKnown ? name : toPeerId(name).toString();
    return { requestId: this.#nextId(), peerId: canonical, call: resolveCall(call) };
  }

  /** Counts a request that is not made. */
  #refused(method: string, error: unknown): unknown {
    this.#runtime.watch.refused(method, error);
    return error;
  }

  /** Whether a request can go out as it is, at once; a place with the peer is taken then. */
  #place(asked: Asked, method: string): { readonly asked: Asked; readonly isPlain: boolean } {
    const { middleware, peers } = this.#runtime;
    const { retry, hedge } = asked.call;
    const isOnce = retry === undefined && hedge === undefined && middleware.length === 0;
    const isSimple = isOnce && !(method === 'llmRequest' && mayOutgrow(this.#runtime, asked.peerId));
    return { asked, isPlain: isSimple && peers.tryEnter(asked.peerId, method) };
  }

  #unary(given: Asked, message: RequestMessage): UnderWay {
    const method = methodOf(message);
    const { asked, isPlain } = this.#place(given, method);
    if (!isPlain) return this.#call(asked, method, () => planUnary(this.#runtime, asked, message));
    return this.#send(asked, method, () => unary(this.#runtime, asked, message) as Outgoing<unknown>);
  }

  #send<Result>({ peerId }: Asked, method: string, build: () => Outgoing<Result>): OutboundRequest<Result> {
    const { peers, watch } = this.#runtime;
    let request: OutboundRequest<Result>;
    try {
      const outgoing = build();
      const span = watch.asks(outgoing);
      const followed = span === undefined ? outgoing : { ...outgoing, span };
      request = new OutboundRequest<Result>(this.#runtime, followed, this.#plainEnds);
    } catch (error) {
      peers.notMade(peerId);
      throw this.#refused(method, error);
    }
    peers.budget.request();
    this.#underWay.set(request.requestId, request as OutboundRequest);
    watch.begun(request);
    request.start();
    return request;
  }

  #call<Result>(asked: Asked, method: string, plan: () => CallPlan<Result>): Call<Result> {
    let call: Call<Result>;
    try {
      call = new Call<Result>(this.#runtime, { ...asked, plan: plan() }, this.#ends);
    } catch (error) {
      throw this.#refused(method, error);
    }
    this.#runtime.peers.budget.request();
    this.#underWay.set(call.requestId, call as Call);
    this.#runtime.watch.begun(call);
    call.start();
    return call;
  }

  /** Its outcome is told by events. */
  #tell(request: UnderWay, sent: Sent): RequestId {
    const { requestId } = request;
    // One that has ended already has been told of.
    if (this.#underWay.has(requestId)) this.#sent.set(requestId, sent);
    else this.#keep(requestId, sent);
    request.outcome.catch(() => undefined);
    return requestId;
  }

  #keep(requestId: RequestId, sent: Sent): void {
    const { message } = sent;
    const bytes = message.type === 'ping' ? 0 : message.request.payloadBytes.length;
    this.#kept.keep(requestId, sent, bytes + 256);
  }

  #untrack(requestId: RequestId): void {
    const tracked = this.#tracked.get(requestId);
    if (tracked === undefined) return;
    this.#runtime.clock.clearTimeout(tracked.timer);
    this.#tracked.delete(requestId);
  }

  readonly #ends: CallEnd = {
    onFirstChunk: ({ method, elapsedMs }) => this.#runtime.watch.metrics?.firstToken(method, elapsedMs),
    onAnswered: (request, result) => {
      const { requestId, peerId, method } = request;
      const { events, watch } = this.#runtime;
      this.#forget(requestId);
      this.#sent.delete(requestId);
      watch.answered(request, result);
      if (isOfTraces(method) || !events.isHeard('response:received')) return;
      events.emit('response:received', { peerId, requestId, response: responseOf(method, result) });
    },
    onFailed: (request, error) => {
      const { requestId, peerId, method } = request;
      this.#forget(requestId);
      this.#runtime.watch.failed(request, error);
      const sent = this.#sent.get(requestId);
      this.#sent.delete(requestId);
      if (sent !== undefined && !this.#isStopped) this.#keep(requestId, sent);
      if (!isOfTraces(method)) this.#runtime.events.emit('request:failed', { peerId, requestId, error });
    },
    onRetry: ({ requestId, peerId, method, attempt }, { error, delayMs }) => {
      if (isOfTraces(method)) return;
      this.#runtime.events.emit('request:retrying', { peerId, requestId, attempt, delayMs, error });
    },
  };

  readonly #plainEnds: OutboundEnd = {
    onFirstChunk: (request) => this.#ends.onFirstChunk(request),
    onAnswered: (request, result) => {
      this.#runtime.peers.ended(request.peerId, request.method);
      this.#ends.onAnswered(request, result);
    },
    onFailed: (request, error) => {
      this.#runtime.peers.ended(request.peerId, request.method, error);
      this.#ends.onFailed(request, error);
    },
  };

  #forget(requestId: RequestId): void {
    this.#underWay.delete(requestId);
    if (this.#tracked.size > 0) this.#untrack(requestId);
  }
}

/** What is asked. What is no message is told as such when it is encoded. */
function methodOf(message: RequestMessage | undefined): RequestMessage['type'] {
  return message?.type === 'ping' ? 'ping' : 'llmRequest';
}

/** What listeners are told of an answer. */
function responseOf(method: string, result: unknown): RpcEvents['response:received']['response'] {
  if (method.startsWith('/')) return { type: 'custom', protocolName: method, value: result };
  const message = result as ResponseMessage | Answer;
  return 'type' in message ? message : { type: 'llmAnswer', answer: message };
}
