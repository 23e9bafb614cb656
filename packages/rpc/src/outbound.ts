import { createActor, type ActorRefFrom } from 'xstate';
import {
  encodeFrame,
  encodeRequestFrame,
  type EndFrame,
  type RequestMessage,
  type ResponseFrame,
  type ResponseMessage,
} from '@lloom/codec';
import { zeroAddress } from '@lloom/core';
import { RpcError, type RequestStage } from './errors.ts';
import { AnswerProof } from './internal/answerProof.ts';
import { exchangeError, saidError, type FailureContext } from './internal/failures.ts';
import { readAnswer } from './internal/frames.ts';
import { partWith } from './internal/partWith.ts';
import type { requestMachine, RequestEvent } from './machines/request.machine.ts';
import type { ByteStream } from './ports.ts';
import type { RpcRuntime } from './runtime.ts';
import type { Answer, AnswerChunk, CallConfig, PendingRequest, RequestId } from './types.ts';

/** Why the work of a request ends when the request does. One for all: a stack for each is dear, and tells nothing. */
const hasEnded = new Error('the request has ended');

/** What a request ends with. */
export type Outcome = ResponseMessage | { readonly type: 'llmAnswer'; readonly answer: Answer };

/** A request to send. */
export interface Outgoing {
  readonly requestId: RequestId;
  readonly peerId: string;
  readonly message: RequestMessage;
  /** Whether the answer may come in chunks. */
  readonly stream: boolean;
  readonly call: CallConfig;
}

/**
 * One outbound request. Nothing is read from the peer unless {@link next} asks for it, so a slow reader slows the
 * peer. `outcome` settles exactly once.
 */
export class OutboundRequest {
  readonly outcome: Promise<Outcome>;
  readonly pending: PendingRequest;
  readonly #runtime: RpcRuntime;
  readonly #outgoing: Outgoing;
  readonly #controller = new AbortController();
  readonly #proof: AnswerProof | undefined;
  readonly #bytes: Uint8Array;
  readonly #settled = Promise.withResolvers<Outcome>();
  readonly #opened = Promise.withResolvers<AsyncGenerator<ResponseFrame, void>>();
  readonly #actor: ActorRefFrom<typeof requestMachine>;
  readonly #startedElapsedMs: number;
  #stream: ByteStream | undefined;
  #result: Outcome | undefined;
  #error: RpcError | undefined;

  /**
   * Checks the request; sends it on {@link start}.
   * @throws {RpcError} `TOO_LARGE`, `MISSING_PORT`, `AUDIENCE_MISMATCH`
   * @throws {CodecError} `INVALID_FIELD`
   */
  constructor(runtime: RpcRuntime, outgoing: Outgoing) {
    this.#runtime = runtime;
    this.#outgoing = outgoing;
    const { requestId, peerId, message, call } = outgoing;
    const timeoutMs = call.timeoutMs ?? runtime.config.timeoutMs;
    this.#proof = expectAnswer(runtime, outgoing);
    this.#bytes = encodeRequest(runtime, outgoing);
    const startedAt = runtime.clock.now();
    this.#startedElapsedMs = runtime.clock.elapsed();
    const times = { startedAt, deadlineAt: startedAt + timeoutMs };
    this.pending = { requestId, peerId, method: message.type, ...times, attempt: 1 };
    this.outcome = this.#settled.promise;
    // Both are awaited elsewhere, or by nobody: a failure must not end the process.
    this.outcome.catch(() => undefined);
    this.#opened.promise.catch(() => undefined);
    runtime.machines.outbound.set(requestId, (tell) => {
      void this.#exchange(tell);
      return () => this.#release();
    });
    this.#actor = createActor(runtime.machines.request, {
      ...runtime.actorConfig,
      id: requestId,
      input: { requestId, peerId, timeoutMs },
    });
  }

  /** Sends the request. */
  start(onEnd: () => void): void {
    const { signal } = this.#outgoing.call;
    const cancel = (): void => this.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    const end = (): void => {
      signal?.removeEventListener('abort', cancel);
      onEnd();
      this.#settle();
    };
    this.#actor.subscribe({ complete: end, error: end });
    this.#actor.start();
    if (signal?.aborted === true) this.cancel();
  }

  /** Gives the request up: here, and at the peer. */
  cancel(): void {
    this.#tell({ type: 'request.cancel' });
  }

  /** Ends the request because the node stops. */
  stop(): void {
    this.#fail(new RpcError('STOPPED', { requestId: this.#outgoing.requestId }));
  }

  /**
   * The next chunk; `undefined` when the answer has ended and is proven.
   * @throws {RpcError} how the request failed
   */
  async next(): Promise<AnswerChunk | undefined> {
    // What a peer sends after the end is not part of what was proven.
    if (this.#result !== undefined) return undefined;
    try {
      const frames = await this.#opened.promise;
      const { value: frame } = await frames.next();
      return await this.#take(frame as ResponseFrame | undefined);
    } catch (error) {
      this.#fail(exchangeError(error, this.#context()));
      await this.outcome;
      return undefined;
    }
  }

  /** Reads the answer to its end, and gives what the request ended with. */
  async finish(): Promise<Outcome> {
    while ((await this.next()) !== undefined);
    return this.outcome;
  }

  async #exchange(tell: (event: RequestEvent) => void): Promise<void> {
    const { requestId, peerId } = this.#outgoing;
    const { signal } = this.#controller;
    try {
      const stream = await this.#runtime.network.open(peerId, { requestId, signal });
      if (signal.aborted) return stream.abort(hasEnded);
      this.#stream = stream;
      tell({ type: 'stream.opened' });
      this.#opened.resolve(readAnswer(stream, this.#runtime.config.maxResponseSizeBytes));
    } catch (error) {
      this.#fail(exchangeError(error, this.#context()));
      this.#opened.reject(error);
      return;
    }
    try {
      await this.#stream.write(this.#bytes, signal);
      await this.#stream.closeWrite(signal);
      tell({ type: 'request.sent' });
    } catch {
      // A peer may refuse before it has everything, and close. What it says, or how it closed, is found by reading.
    }
  }

  async #take(frame: ResponseFrame | undefined): Promise<AnswerChunk | undefined> {
    const { requestId, peerId } = this.#outgoing;
    switch (frame?.type) {
      case undefined: {
        if (this.#context().stage !== 'receiving') throw new RpcError('OMITTED', { requestId, peerId });
        throw new RpcError('INVALID_RESPONSE', { requestId, peerId, reason: 'it has no end' });
      }
      case 'error':
        throw saidError(frame, this.#context());
      case 'end':
        this.#tell({ type: 'answer.ended' });
        this.#result = await this.#unlessEnded(this.#prove(frame));
        this.#tell({ type: 'answer.verified' });
        return onlyChunk(this.#result);
      case 'chunk': {
        if (frame.sequence === 0) this.#tell({ type: 'answer.began' });
        if (this.#proof !== undefined) return this.#unlessEnded(this.#proof.add(frame));
        throw new RpcError('INVALID_RESPONSE', { requestId, peerId, reason: 'text came for a ping' });
      }
    }
  }

  /** A proof that comes when the request has been given up proves nothing to anybody. */
  async #unlessEnded<T>(proof: Promise<T>): Promise<T> {
    const proven = await proof;
    if (this.#actor.getSnapshot().status !== 'active') throw hasEnded;
    return proven;
  }

  async #prove(frame: EndFrame): Promise<Outcome> {
    const { requestId, peerId, stream } = this.#outgoing;
    const { response } = frame;
    if (this.#proof === undefined) {
      if (response?.type === 'pong') return response;
    } else if (stream) {
      return { type: 'llmAnswer', answer: await this.#proof.end(frame) };
    } else if (response?.type === 'llmResponse') {
      await this.#proof.proveResponse(response.response);
      return response;
    }
    const data = { requestId, peerId };
    if (response?.type === 'error')
      throw new RpcError('REMOTE', { ...data, remoteMessage: response.message.slice(0, 256) });
    throw new RpcError('INVALID_RESPONSE', { ...data, reason: 'it answers another kind of request' });
  }

  #fail(error: RpcError): void {
    this.#error ??= error;
    this.#tell({ type: 'exchange.failed' });
  }

  /** Events after the end are late, not wrong. */
  #tell(event: RequestEvent): void {
    if (this.#actor.getSnapshot().status === 'active') this.#actor.send(event);
  }

  #context(): FailureContext {
    const { requestId, peerId } = this.#outgoing;
    return { requestId, peerId, stage: this.#actor.getSnapshot().context.stage as RequestStage };
  }

  /** Called when the machine leaves the exchange, however it ended. */
  #release(): void {
    if (this.#result === undefined) this.#stream?.abort(hasEnded);
    else if (this.#stream !== undefined) void partWith(this.#stream, this.#runtime.clock);
    this.#controller.abort(hasEnded);
    this.#opened.reject(hasEnded);
  }

  #settle(): void {
    const { events, clock } = this.#runtime;
    const { requestId, peerId, startedAt, deadlineAt } = this.pending;
    if (this.#result !== undefined) {
      this.#settled.resolve(this.#result);
      events.emit('response:received', { peerId, requestId, response: this.#result });
      return;
    }
    const { failure } = this.#actor.getSnapshot().context;
    const context = this.#context();
    if (failure === 'timeout') {
      const waitedMs = Math.round(clock.elapsed() - this.#startedElapsedMs);
      const waited = { waitedMs, limitMs: deadlineAt - startedAt };
      this.#error = new RpcError('TIMEOUT', { ...context, ...waited });
    } else if (failure === 'cancelled') {
      this.#error = new RpcError('CANCELLED', context);
    }
    const error = this.#error ?? exchangeError(new Error('the request ended without a reason'), context);
    this.#settled.reject(error);
    events.emit('request:failed', { peerId, requestId, error });
  }
}

/** An answer that came in one piece is one chunk for who reads a stream; one in chunks has been shown already. */
function onlyChunk(result: Outcome): AnswerChunk | undefined {
  if (result.type !== 'llmAnswer' || result.answer.response === undefined) return undefined;
  const { content: text, outboundTokens: tokens } = result.answer;
  return { sequence: 0, text, tokens };
}

/** What the answer has to fit; `undefined` for a ping. */
function expectAnswer(
  runtime: RpcRuntime,
  { requestId, peerId, message }: Outgoing,
): AnswerProof | undefined {
  if (message.type === 'ping') return undefined;
  const { verifier, config } = runtime;
  if (verifier === undefined) throw new RpcError('MISSING_PORT', { port: 'verifier' });
  const { request } = message;
  const own = verifier.addressOf(peerId);
  const executor = own ?? request.to;
  if (request.to !== zeroAddress && own !== undefined && request.to.toLowerCase() !== own.toLowerCase()) {
    throw new RpcError('AUDIENCE_MISMATCH', { requestId, peerId, signedFor: request.to, peer: own });
  }
  const verify = config.signatures === 'require';
  return new AnswerProof({
    requestId,
    peerId,
    request,
    verifier,
    executor,
    verify,
  });
}

function encodeRequest(
  runtime: RpcRuntime,
  { requestId, peerId, message, stream, call }: Outgoing,
): Uint8Array {
  const { timeoutMs, maxRequestSizeBytes: limitBytes } = runtime.config;
  const encoded = encodeRequestFrame({
    timeoutMs: call.timeoutMs ?? timeoutMs,
    stream,
    ...(message.type === 'llmRequest' && { idempotencyKey: message.request.payload.idempotencyKey }),
    ...(call.traceparent !== undefined && { traceparent: call.traceparent }),
    metadata: call.metadata ?? {},
    request: message,
  });
  if (encoded.length > limitBytes) {
    const data = {
      requestId,
      peerId,
      what: 'request',
      by: 'this node',
      sizeBytes: encoded.length,
      limitBytes,
    } as const;
    throw new RpcError('TOO_LARGE', data);
  }
  return encodeFrame(encoded, limitBytes);
}
