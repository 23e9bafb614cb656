import { CodecError, decodeRequestMessage, type ErrorFrame, type RequestMessage } from '@lloom/codec';
import { LloomError, zeroAddress } from '@lloom/core';
import { Refusal, RpcError, type ChannelClosedReason } from './errors.ts';
import { AnswerWriter } from './internal/answerWriter.ts';
import { Context, createChannel, type ChannelOwner } from './internal/channel.ts';
import type { InboundExchange, InboundReceiver, ReceivedRequest } from './internal/exchange.ts';
import { encodeError, handlerFrame, refusalFrame } from './internal/failures.ts';
import { ownBytes } from './internal/ownBytes.ts';
import { bytesOf, checkSize, isIterable, isPromise, valueOf } from './internal/results.ts';
import { Source } from './internal/source.ts';
import type { Lifecycle, LifecycleOwner } from './lifecycle.ts';
import type { InboundEvent, InboundOutcome, InboundState } from './machines/inbound.machine.ts';
import type { RpcRuntime } from './runtime.ts';
import type { CustomProtocol, Handler, RequestId, ResponseChannel } from './types.ts';

/** Tells about a request that has been read and verified, and says who answers it; `undefined`: somebody does already. */
export type Dispatch = (request: RequestMessage, channel: ResponseChannel) => Handler | 'pong' | undefined;

/** What inbound requests need of the service. */
export interface InboundHost {
  readonly dispatch: Dispatch;
  /** The custom protocol of that name. */
  readonly protocolOf: (method: string) => CustomProtocol | undefined;
  /** Called once, when the request and what carried it are done with. Its handler may still be working. */
  readonly onDone: (request: InboundRequest) => void;
  /** Called once behind `onDone`, when the handler was still working then and has come to its end. */
  readonly onSettled: (request: InboundRequest) => void;
}

const closedReasons: Partial<Record<InboundState, ChannelClosedReason>> = {
  answered: 'answered',
  omitted: 'deadline',
  abandoned: 'client gone',
  stopped: 'stopped',
  interrupted: 'stopped',
};

const events = {
  verified: { type: 'request.verified' },
  refused: { type: 'request.refused' },
  began: { type: 'answer.began' },
  ended: { type: 'answer.ended' },
  failed: { type: 'answer.failed' },
  gone: { type: 'client.gone' },
  stop: { type: 'inbound.stop' },
} as const satisfies Record<string, InboundEvent>;

/** One inbound request, from its first byte to the end of what carried it. Answers exactly once. */
export class InboundRequest implements InboundReceiver, LifecycleOwner<InboundState>, ChannelOwner {
  readonly requestId: RequestId;
  readonly #runtime: RpcRuntime;
  readonly #exchange: InboundExchange;
  readonly #host: InboundHost;
  readonly #life: Lifecycle<InboundEvent, InboundState>;
  #method = 'unknown';
  readonly #startedElapsedMs: number;
  #controller: AbortController | undefined;
  #error: ErrorFrame | undefined;
  #writer: AnswerWriter | undefined;
  #claimed = false;
  /** What still runs for the request: reading it, its handler, what writes the answer. */
  #running = 0;
  #isDone = false;

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
    const { requestReadTimeoutMs, timeoutMs } = runtime.config;
    this.#life = runtime.inbounds.start(
      {
        requestId: this.requestId,
        peerId: this.peerId,
        readTimeoutMs: incoming.isWhole ? 0 : requestReadTimeoutMs,
        handleTimeoutMs: timeoutMs,
      },
      this,
    );
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
        this.#controller.abort(this.#closedError());
    }
    return this.#controller.signal;
  }

  get isClosed(): boolean {
    return this.#claimed || !this.#life.isActive;
  }

  /** Whether something still runs for it, which it may do beyond the end of the request. */
  get isWorking(): boolean {
    return this.#running > 0;
  }

  receive(request: ReceivedRequest): void {
    const { timeoutMs } = this.#runtime.config;
    const handleTimeoutMs = Math.min(request.head.timeoutMs ?? timeoutMs, timeoutMs);
    this.#life.send({ type: 'request.read', handleTimeoutMs });
    if (!this.#life.isActive) return;
    const { method } = request;
    if (method?.startsWith('/') === true) this.#serveProtocol(method, request.body);
    else void this.#serveMessage(request);
  }

  refuse(error: unknown): void {
    this.#error ??= refusalFrame(error);
    this.#life.send(events.refused);
  }

  clientGone(): void {
    this.#life.send(events.gone);
  }

  /** Ends the request because the node stops. */
  stop(): void {
    this.#life.send(events.stop);
  }

  /** Answers with what `write` writes; what it throws becomes the answer. */
  async answer(write: () => Promise<void> | undefined): Promise<void> {
    if (this.isClosed) throw this.#closedError();
    this.#claimed = true;
    this.#running++;
    try {
      await write();
      this.#life.send(events.ended);
    } catch (error) {
      if (!this.#life.isActive) throw this.#closedError();
      this.#failAnswer(error);
      throw error;
    } finally {
      this.#settle();
    }
  }

  onEnd(state: InboundState): void {
    if (state !== 'answered') this.#controller?.abort(this.#closedError());
    this.#writer?.close();
    const { meters, clock } = this.#runtime;
    meters?.inbound.ended(this.#method, state, clock.elapsed() - this.#startedElapsedMs);
    const isGone = state === 'abandoned';
    const frame = isGone ? undefined : lastFrame(state as InboundOutcome, this.#error);
    if (frame !== undefined) void this.#exchange.send('error', encodeError(frame))?.catch(ignore);
    const done = this.#exchange.finish(isGone);
    if (done === undefined) this.#done();
    else void done.then(() => this.#done());
  }

  #done(): void {
    this.#isDone = true;
    this.#host.onDone(this);
  }

  #settle(): void {
    this.#running--;
    if (this.#isDone && this.#running === 0) this.#host.onSettled(this);
  }

  /** A request of a custom protocol. Stays in one turn when the handler does. */
  #serveProtocol(method: string, body: Uint8Array): void {
    const protocol = this.#host.protocolOf(method);
    if (protocol?.handleRequest === undefined)
      return this.refuse(new Refusal('UNSUPPORTED_PROTOCOL', 'this node does not serve the protocol'));
    this.#method = method;
    let request: unknown;
    try {
      request = valueOf(protocol.request.decode(body));
    } catch {
      return this.refuse(new Refusal('INVALID_REQUEST', 'the request does not fit the protocol'));
    }
    this.#life.send(events.verified);
    this.#claimed = true;
    try {
      const response = protocol.handleRequest(this.peerId, request, this);
      if (!isPromise(response)) return this.#respond(protocol, response);
      this.#running++;
      void Promise.resolve(response)
        .then(
          (value) => this.#respond(protocol, value),
          (error: unknown) => this.#failAnswer(error),
        )
        .then(() => this.#settle());
    } catch (error) {
      this.#failAnswer(error);
    }
  }

  #respond(protocol: CustomProtocol, response: unknown): void {
    if (!this.#life.isActive) return;
    try {
      const message = bytesOf(protocol.response.encode(response));
      checkSize(message.length, this.#runtime.config.maxResponseSizeBytes);
      const sent = this.#exchange.send('end', message);
      if (sent === undefined) return this.#life.send(events.ended);
      this.#life.send(events.began);
      sent.then(
        () => this.#life.send(events.ended),
        (error: unknown) => this.#failAnswer(error),
      );
    } catch (error) {
      this.#failAnswer(error);
    }
  }

  async #serveMessage({ method, head, body }: ReceivedRequest): Promise<void> {
    this.#running++;
    try {
      if (method !== undefined && method !== 'ping' && method !== 'llmRequest')
        throw new Refusal('UNSUPPORTED_MESSAGE', 'this node does not know the method');
      const request = decodeRequestMessage(method === 'ping' ? body : ownBytes(body));
      this.#method = request.type;
      if (method !== undefined && method !== request.type) {
        const data = { path: 'method', got: 'another method', wanted: `"${request.type}"` };
        throw new CodecError('INVALID_FIELD', data);
      }
      if (request.type === 'llmRequest') await this.#verify(request);
      // The client may have left meanwhile: then nobody is asked.
      if (!this.#life.isActive) return;
      this.#life.send(events.verified);
      await this.#handle(request, head);
    } catch (error) {
      this.refuse(error);
    } finally {
      this.#settle();
    }
  }

  async #verify({ request }: Extract<RequestMessage, { type: 'llmRequest' }>): Promise<void> {
    const { verifier, signer, config, network } = this.#runtime;
    if (config.signatures === 'ignore') return;
    const own = verifier?.addressOf(network.peerId) ?? signer?.address;
    if (verifier === undefined || own === undefined) {
      throw new Refusal('SIGNATURE_REFUSED', 'this node verifies no signatures', { reason: 'NO_VERIFIER' });
    }
    try {
      await verifier.verify(request, {
        payloadType: 'LlmRequest',
        audience: [own, zeroAddress],
        once: true,
      });
    } catch (error) {
      if (LloomError.isLloomError(error)) throw error;
      network.log('a signature could not be checked', error);
      throw new Refusal('SIGNATURE_REFUSED', 'the signature could not be checked', { reason: 'INTERNAL' });
    }
  }

  async #handle(request: RequestMessage, head: ReceivedRequest['head']): Promise<void> {
    this.#writer = this.#createWriter(request, head.stream);
    const channel = createChannel(this, this.#writer);
    const handler = this.#host.dispatch(request, channel);
    if (handler === 'pong' || request.type === 'ping') return channel.respond({ type: 'pong' });
    if (handler === undefined) return;
    try {
      const context = new Context(channel, head);
      const result = await handler(request, context);
      if (!this.#life.isActive && isIterable(result)) return await new Source(result).leave();
      if (result === undefined || this.isClosed) return;
      await (isIterable(result) ? channel.stream(result) : channel.respond(result));
    } catch (error) {
      if (RpcError.is(error, 'CHANNEL_CLOSED')) return;
      await channel.fail(error as Error).catch(ignore);
    }
  }

  #failAnswer(error: unknown): void {
    if (!this.#life.isActive) return;
    this.#error = handlerFrame(error);
    if (!(error instanceof Refusal)) this.#runtime.network.log('a request could not be answered', error);
    this.#life.send(events.failed);
  }

  #createWriter(request: RequestMessage, inChunks: boolean): AnswerWriter {
    const { signer, verifier, config, clock } = this.#runtime;
    return new AnswerWriter({
      sink: this.#exchange,
      throwIfClosed: () => {
        if (!this.#life.isActive) throw this.#closedError();
      },
      maxBytes: config.maxResponseSizeBytes,
      signer,
      verifier,
      request: request.type === 'llmRequest' ? request.request : undefined,
      inChunks,
      onBegin: () => this.#life.send(events.began),
      clock,
      segmentTokens: config.segmentTokens,
      segmentIntervalMs: config.segmentIntervalMs,
    });
  }

  #closedError(): RpcError {
    const reason = closedReasons[this.#life.state] ?? 'answered';
    return new RpcError('CHANNEL_CLOSED', { requestId: this.requestId, reason });
  }
}

/** What the client is told at the end of a request that was not answered. */
function lastFrame(outcome: InboundOutcome, error: ErrorFrame | undefined): ErrorFrame | undefined {
  const say = (code: string, message: string): ErrorFrame => ({ type: 'error', code, message });
  switch (outcome) {
    case 'answered':
    case 'abandoned':
      return undefined;
    case 'slow':
      return say('INVALID_REQUEST', 'the request did not arrive in time');
    case 'omitted':
      return say('OMITTED', 'nobody answered in time');
    case 'stopped':
      return say('BUSY', 'this node stops');
    case 'interrupted':
      // `BUSY` would promise that the request was not run.
      return say('REMOTE', 'this node stopped before it had answered');
    case 'refused':
    case 'failed':
      return error ?? say('REMOTE', 'the request could not be handled');
  }
}

const ignore = (): void => undefined;
