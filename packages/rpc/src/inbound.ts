import { createActor, type ActorRefFrom } from 'xstate';
import { decodeRequestFrame, type ErrorFrame, type RequestFrame, type RequestMessage } from '@lloom/codec';
import { LloomError, zeroAddress } from '@lloom/core';
import { Refusal, RpcError, type ChannelClosedReason } from './errors.ts';
import { AnswerWriter } from './internal/answerWriter.ts';
import { handlerFrame, refusalFrame } from './internal/failures.ts';
import { readRequest } from './internal/frames.ts';
import { partWith } from './internal/partWith.ts';
import type { inboundMachine, InboundEvent, InboundOutcome } from './machines/inbound.machine.ts';
import type { ByteStream } from './ports.ts';
import type { RpcRuntime } from './runtime.ts';
import type { AnswerMessage, AnswerPiece, Handler, RequestId, ResponseChannel } from './types.ts';

/** Who asks, and how. */
export interface Incoming {
  readonly requestId: RequestId;
  readonly peerId: string;
  readonly stream: ByteStream;
}

/** Tells about a request that has been read and verified, and says who answers it; `undefined`: somebody does already. */
export type Dispatch = (request: RequestMessage, channel: ResponseChannel) => Handler | 'pong' | undefined;

const closedReasons: Partial<Record<InboundOutcome, ChannelClosedReason>> = {
  answered: 'answered',
  omitted: 'deadline',
  abandoned: 'client gone',
  stopped: 'stopped',
  interrupted: 'stopped',
};

/** One inbound request, from its first byte to the end of its stream. Answers exactly once. */
export class InboundRequest {
  /** Resolves when the stream is done with, too. */
  readonly ended: Promise<void>;
  readonly #runtime: RpcRuntime;
  readonly #incoming: Incoming;
  readonly #dispatch: Dispatch;
  readonly #controller = new AbortController();
  readonly #actor: ActorRefFrom<typeof inboundMachine>;
  #writer: AnswerWriter;
  #error: ErrorFrame | undefined;
  #claimed = false;

  constructor(runtime: RpcRuntime, incoming: Incoming, dispatch: Dispatch) {
    this.#runtime = runtime;
    this.#incoming = incoming;
    this.#dispatch = dispatch;
    this.#writer = this.#createWriter();
    const { requestId, peerId, stream } = incoming;
    const { requestReadTimeoutMs: readTimeoutMs, timeoutMs: handleTimeoutMs } = runtime.config;
    runtime.machines.inbound.set(requestId, (tell) => {
      void this.#exchange(tell);
      void stream.closed.then(() => tell({ type: 'client.gone' }));
      return () => undefined;
    });
    const input = { requestId, peerId, readTimeoutMs, handleTimeoutMs };
    this.#actor = createActor(runtime.machines.served, { ...runtime.actorConfig, id: requestId, input });
    this.ended = new Promise((resolve) => {
      const end = (): void => resolve(this.#end());
      this.#actor.subscribe({ complete: end, error: end });
    });
    this.#actor.start();
  }

  /** Who asks. */
  get peerId(): string {
    return this.#incoming.peerId;
  }

  /** Ends the request because the node stops. */
  stop(): void {
    this.#tell({ type: 'inbound.stop' });
  }

  async #exchange(tell: (event: InboundEvent) => void): Promise<void> {
    try {
      const frame = await this.#read();
      const { timeoutMs } = this.#runtime.config;
      tell({ type: 'request.read', handleTimeoutMs: Math.min(frame.timeoutMs ?? timeoutMs, timeoutMs) });
      if (!this.#isActive()) return;
      await this.#verify(frame);
      // The client may have left meanwhile: then nobody is asked.
      if (!this.#isActive()) return;
      this.#writer = this.#createWriter(frame);
      tell({ type: 'request.verified' });
      await this.#handle(frame);
    } catch (error) {
      this.#error ??= refusalFrame(error);
      tell({ type: 'request.refused' });
    }
  }

  async #read(): Promise<RequestFrame> {
    const { unverified, config } = this.#runtime;
    let held = 0;
    try {
      const bytes = await readRequest(this.#incoming.stream, config.maxRequestSizeBytes, (length) => {
        if (unverified.bytes + length > config.maxUnverifiedBytes) {
          throw new Refusal('BUSY', 'this node reads too many large requests now', { retryAfterMs: 1_000 });
        }
        held += length;
        unverified.bytes += length;
      });
      return decodeRequestFrame(bytes);
    } finally {
      unverified.bytes -= held;
    }
  }

  async #verify({ request }: RequestFrame): Promise<void> {
    const { verifier, signer, config, network } = this.#runtime;
    if (request.type !== 'llmRequest' || config.signatures === 'ignore') return;
    const own = verifier?.addressOf(network.peerId) ?? signer?.address;
    if (verifier === undefined || own === undefined) {
      throw new Refusal('SIGNATURE_REFUSED', 'this node verifies no signatures', { reason: 'NO_VERIFIER' });
    }
    try {
      await verifier.verify(request.request, {
        payloadType: 'LlmRequest',
        audience: [own, zeroAddress],
        once: true,
      });
    } catch (error) {
      if (LloomError.isLloomError(error)) throw error;
      this.#runtime.network.log('a signature could not be checked', error);
      throw new Refusal('SIGNATURE_REFUSED', 'the signature could not be checked', { reason: 'INTERNAL' });
    }
  }

  async #handle(frame: RequestFrame): Promise<void> {
    const channel = this.#createChannel();
    const { request, metadata, stream } = frame;
    const handler = this.#dispatch(request, channel);
    if (handler === 'pong' || request.type === 'ping') return channel.respond({ type: 'pong' });
    if (handler === undefined) return;
    const { peerId } = this.#incoming;
    try {
      const result = await handler(request, { peerId, signal: channel.signal, channel, stream, metadata });
      if (result === undefined || this.#claimed) return;
      await (isIterable(result) ? channel.stream(result) : channel.respond(result));
    } catch (error) {
      if (RpcError.is(error, 'CHANNEL_CLOSED')) return;
      await channel.fail(error as Error).catch(() => undefined);
    }
  }

  /** Answers with what `write` writes; what it throws becomes the answer. */
  async #answer(write: () => Promise<void>): Promise<void> {
    if (this.#claimed || this.#controller.signal.aborted) throw this.#closedError();
    this.#claimed = true;
    try {
      await write();
      this.#tell({ type: 'answer.ended' });
    } catch (error) {
      if (this.#controller.signal.aborted) throw this.#closedError();
      this.#error = handlerFrame(error);
      if (!(error instanceof Refusal)) this.#runtime.network.log('a request could not be answered', error);
      this.#tell({ type: 'answer.failed' });
      throw error;
    }
  }

  #createChannel(): ResponseChannel {
    const { requestId, peerId } = this.#incoming;
    const { signal } = this.#controller;
    const isClosed = (): boolean => this.#claimed || signal.aborted;
    return {
      requestId,
      peerId,
      signal,
      get closed() {
        return isClosed();
      },
      respond: (message: AnswerMessage) => this.#answer(() => this.#writer.message(message)),
      stream: (pieces: AsyncIterable<AnswerPiece>) => this.#answer(() => this.#writer.pieces(pieces)),
      fail: async (error) => {
        const refusal = typeof error === 'string' ? new Refusal('REMOTE', error) : error;
        const refuse = (): Promise<void> => Promise.reject(refusal);
        await this.#answer(refuse).catch((thrown: unknown) => {
          if (thrown !== refusal) throw thrown;
        });
      },
    };
  }

  #createWriter(frame?: RequestFrame): AnswerWriter {
    const { signer, verifier, config } = this.#runtime;
    const request = frame?.request;
    return new AnswerWriter({
      stream: this.#incoming.stream,
      signal: this.#controller.signal,
      maxBytes: config.maxResponseSizeBytes,
      signer,
      verifier,
      request: request?.type === 'llmRequest' ? request.request : undefined,
      inChunks: frame?.stream ?? false,
      onBegin: () => this.#tell({ type: 'answer.began' }),
    });
  }

  #isActive(): boolean {
    return this.#actor.getSnapshot().status === 'active';
  }

  /** Events after the end are late, not wrong. */
  #tell(event: InboundEvent): void {
    if (this.#isActive()) this.#actor.send(event);
  }

  #closedError(): RpcError {
    const outcome = this.#actor.getSnapshot().value as InboundOutcome;
    const reason = closedReasons[outcome] ?? 'answered';
    return new RpcError('CHANNEL_CLOSED', { requestId: this.#incoming.requestId, reason });
  }

  async #end(): Promise<void> {
    const outcome = this.#actor.getSnapshot().value as InboundOutcome;
    const { stream } = this.#incoming;
    const { clock } = this.#runtime;
    if (outcome !== 'answered') this.#controller.abort(this.#closedError());
    if (outcome === 'abandoned') return stream.abort(new Error('the client is gone'));
    const frame = lastFrame(outcome, this.#error);
    await partWith(stream, clock, frame && (() => this.#writer.fail(frame)));
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

function isIterable(result: unknown): result is AsyncIterable<AnswerPiece> {
  return typeof result === 'object' && result !== null && Symbol.asyncIterator in result;
}
