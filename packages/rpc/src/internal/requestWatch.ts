import {
  decodeErrorFrame,
  type ErrorFrame,
  type LlmResponse,
  type RequestHead,
  type RequestMessage,
} from '@lloom/codec';
import { safe, type Span, type SpanAttributes } from '@lloom/core';
import { Refusal, RpcError } from '../errors.ts';
import type { Network, RelayTraces } from '../ports.ts';
import type { Answer, PendingRequest } from '../types.ts';
import type { Leaving } from './exchange.ts';
import { isOfTraces, unknownMethod } from './protocolIds.ts';
import { failureOf, leftFailure, saidFailure } from './reasons.ts';
import type { EndedRequest } from './requestEnds.ts';
import { RequestLines, type LoggedFailure, type LoggedRequest } from './requestLines.ts';
import type { RetryKind, RpcMetrics } from './rpcMetrics.ts';
import type { SafeTracer } from './safeTracer.ts';

type Named = Pick<PendingRequest, 'requestId' | 'peerId'>;

/** What a watch tells of requests. */
export interface RequestWatchPorts {
  readonly metrics: RpcMetrics | undefined;
  readonly tracer: SafeTracer | undefined;
  readonly relayTraces: RelayTraces | undefined;
  readonly log: Pick<Network, 'isTraced' | 'trace' | 'log'>;
}

/** A request of a peer that has ended, and what was seen of it. */
export interface ServedRequest extends Omit<EndedRequest, 'attempts'> {
  /** Whether its client waited shorter than this node works. */
  readonly isHurried: boolean;
  /** The tokens of the answer that it was given. */
  readonly outboundTokens: number;
  /** How its client left, when it did. */
  readonly leaving: Leaving;
  /** What it was refused with, when it was. */
  readonly refusal: unknown;
}

/** A client that waits shorter than that share of this node's own limit chose so; what is missing else went by on the way. */
const hurriedShare = 0.9;

/** Whether a client waits shorter than this node works, which may be at most `mostMs`. */
export const isHurried = (waitMs: number, mostMs: number): boolean => waitMs < hurriedShare * mostMs;

/** What is said where the handler has failed, or this node has; any other code says that it would not. */
const failures = ['REMOTE', 'REQUEST_LOST'];

/**
 * Sees every request of one service, of this node and of others: counts it, follows it across nodes, and writes a line when it
 * begins and when it has ended. A request that is not followed costs no object; whoever has its span hands it in again. What tells
 * of traces is not seen.
 */
export class RequestWatch {
  readonly metrics: RpcMetrics | undefined;
  readonly #tracer: SafeTracer | undefined;
  readonly #carried: RelayTraces['carried'] | undefined;
  readonly #lines: RequestLines;

  constructor({ metrics, tracer, relayTraces, log }: RequestWatchPorts) {
    this.metrics = metrics;
    this.#tracer = tracer;
    // It is for whoever looks at traces alone.
    this.#carried = relayTraces && safe((request) => relayTraces.carried(request), ignore);
    this.#lines = new RequestLines(log);
  }

  /** What travels with a request that is not followed and could be; `undefined`: nothing. */
  get unsampled(): string | undefined {
    return this.#tracer?.unsampled;
  }

  /** Does `act`: what is traced within it belongs to the request, and to no other one when this one is not followed. */
  within<T>({ span }: Pick<EndedRequest, 'span'>, act: () => T): T {
    if (this.#tracer === undefined) return act();
    return span === undefined ? this.#tracer.apart(act) : span.run(act);
  }

  /** A request of this node is made. Its span is to be handed to {@link answered} or {@link failed}. */
  asks(
    request: Named & {
      readonly method: string;
      readonly model?: string | undefined;
      readonly call: { readonly traceparent?: string };
    },
  ): Span | undefined {
    if (this.#tracer === undefined || isOfTraces(request.method)) return undefined;
    const { traceparent: parent } = request.call;
    const attributes = attributesOf(request, request);
    return this.#tracer.startSpan('lloom.request', { kind: 'client', parent, attributes });
  }

  /** It is under way. */
  begun(request: LoggedRequest): void {
    if (!isOfTraces(request.method)) this.#lines.began('this node', request);
  }

  /** A request that is followed is made of a peer. Its span is to be handed to {@link attempted}. */
  attempts({ peerId }: Pick<Named, 'peerId'>, whole: Span | undefined): Span | undefined {
    if (whole === undefined) return undefined;
    const attributes = { 'lloom.peer_id': peerId };
    return this.#tracer?.startSpan('lloom.attempt', {
      kind: 'client',
      parent: whole.traceparent,
      attributes,
    });
  }

  /** That has ended. */
  attempted(request: EndedRequest, error?: RpcError): void {
    const { span, relay, peerId, elapsedMs } = request;
    if (span === undefined) return;
    if (relay !== undefined) span.setAttributes({ 'lloom.relay': relay });
    span.end(error);
    if (relay !== undefined) this.#carried?.({ relay, peerId, traceparent: span.traceparent, elapsedMs });
  }

  /** A request of this node was sent. */
  sent(method: string): void {
    if (!isOfTraces(method)) this.metrics?.sent();
  }

  /** The end of its answer has come. */
  received(method: string): void {
    if (!isOfTraces(method)) this.metrics?.received();
  }

  /** It is made once more. */
  retried(method: string, kind: RetryKind): void {
    if (!isOfTraces(method)) this.metrics?.retried(method, kind);
  }

  /** A request of this node was refused here, before it was made. */
  refused(method: string, error: unknown): void {
    if (!RpcError.is(error) || isOfTraces(method)) return;
    this.metrics?.requested(method, error.code, 0);
    const failure = failureOf(error);
    this.#lines.refused('this node', { method }, { outcome: error.code, failure, elapsedMs: 0 });
  }

  /** A request of this node was answered, for whoever made it. */
  answered(request: EndedRequest, result: unknown): void {
    const { method, elapsedMs, span } = request;
    if (isOfTraces(method)) return;
    this.metrics?.requested(method, 'answered', elapsedMs);
    if (method === 'llmRequest') {
      const { inboundTokens, outboundTokens } = countsOf(result);
      this.metrics?.tokensReceived(outboundTokens);
      span?.setAttributes({
        'gen_ai.usage.input_tokens': inboundTokens,
        'gen_ai.usage.output_tokens': outboundTokens,
      });
    }
    this.#asked(request, 'answered');
  }

  /** A request of this node has failed, for whoever made it. */
  failed(request: EndedRequest, error: RpcError): void {
    if (isOfTraces(request.method)) return;
    this.metrics?.requested(request.method, error.code, request.elapsedMs);
    this.#asked(request, error.code, error);
  }

  /** A request of a peer is there. */
  serves(
    request: Named,
    { method, head }: { readonly method: string | undefined; readonly head: RequestHead },
  ): Span | undefined {
    if (isOfTraces(method)) return undefined;
    this.metrics?.received();
    const tracer = this.#tracer;
    if (tracer === undefined) return undefined;
    const { traceparent: parent } = head;
    const config = { kind: 'server', parent, attributes: attributesOf(request, { method }) } as const;
    const start = (): Span | undefined => tracer.startSpan('lloom.serve', config);
    // What is traced around it is whatever has opened the connection.
    return parent === undefined ? tracer.apart(start) : start();
  }

  /** What it asks is known. */
  read(request: LoggedRequest): void {
    if (!isOfTraces(request.method)) this.#lines.began('a peer', request);
  }

  /** A request of a peer was refused, before anything of it was read. */
  turnedAway(peerId: string, said: ErrorFrame): void {
    const outcome = 'refused';
    this.metrics?.served(unknownMethod, outcome, 0);
    if (!this.#lines.isRead) return;
    const failure = saidFailure(said, undefined);
    this.#lines.refused('a peer', { peerId, method: unknownMethod }, { outcome, failure, elapsedMs: 0 });
  }

  /** Something went wrong with a request, or beside it, of which nobody else is told. */
  trouble(text: string, error: unknown, request: LoggedRequest): void {
    this.#lines.trouble(text, error, request);
  }

  /** A request could not be handled, or answered, for what a middleware or a handler threw. A refusal is no trouble. */
  couldNotBe(done: 'handled' | 'answered', error: unknown, request: LoggedRequest): void {
    if (!(error instanceof Refusal)) this.trouble(`a request could not be ${done}`, error, request);
  }

  /** That has ended, in that state. @param said the error that its client is told, when it is told one */
  served(request: ServedRequest, state: string, said: Uint8Array | undefined): void {
    const { method, elapsedMs, span } = request;
    const isSeen = this.metrics !== undefined || span !== undefined || this.#lines.isRead;
    if (!isSeen || isOfTraces(method)) return;
    const frame = said && decodeErrorFrame(said);
    const outcome = outcomeOf(request, state, frame);
    this.metrics?.served(method, outcome, elapsedMs);
    if (outcome === 'answered' && this.metrics !== undefined) {
      this.metrics.sent();
      if (method === 'llmRequest') this.metrics.tokensSent(request.outboundTokens);
    }
    if (span === undefined && !this.#lines.isRead) return;
    const failure = outcome === 'answered' ? undefined : servedFailure(request, frame);
    const message = frame?.message || `the request was ${outcome}`;
    span?.end(failure && { code: failure.code, message });
    this.#lines.ended('a peer', request, { outcome, failure, elapsedMs });
  }

  #asked(request: EndedRequest, outcome: string, error?: RpcError): void {
    const { elapsedMs, span, attempts } = request;
    if (span !== undefined) {
      span.setAttributes({ 'lloom.attempts': attempts });
      this.attempted(request, error);
    }
    if (!this.#lines.isRead) return;
    const failure = error && failureOf(error);
    this.#lines.ended('this node', request, { outcome, failure, attempts, elapsedMs });
  }
}

/** What a message asks, as spans tell it. */
export function askedAttributes(message: RequestMessage): SpanAttributes {
  const model = message.type === 'llmRequest' ? message.request.payload.model : undefined;
  return { 'rpc.method': message.type, ...modelAttribute(model) };
}

/** By what a question is known, at both of its ends. */
export const keyOf = (message: RequestMessage): string | undefined =>
  message.type === 'llmRequest' ? message.request.payload.idempotencyKey : undefined;

const modelAttribute = (model: string | undefined): SpanAttributes =>
  model === undefined ? {} : { 'gen_ai.request.model': model };

function attributesOf(
  { requestId, peerId }: Named,
  { method, model }: { readonly method: string | undefined; readonly model?: string | undefined },
): SpanAttributes {
  return {
    'rpc.system': 'lloom',
    ...(method !== undefined && { 'rpc.method': method }),
    'lloom.request_id': requestId,
    'lloom.peer_id': peerId,
    ...modelAttribute(model),
  };
}

/** What an answer says of its tokens, which came in one piece or in chunks. */
function countsOf(result: unknown): Pick<Answer, 'inboundTokens' | 'outboundTokens'> {
  const answer = result as Answer | { readonly response: { readonly payload: LlmResponse } };
  return 'outboundTokens' in answer ? answer : answer.response.payload;
}

/** How a request of a peer ended: what its client brings about is told apart from what fails here. */
function outcomeOf(request: ServedRequest, state: string, said: ErrorFrame | undefined): string {
  if (state === 'omitted' && request.isHurried) return 'expired';
  if (state !== 'failed' || said === undefined) return state;
  return failures.includes(said.code) ? 'failed' : 'refused';
}

/** What a client was told in the place of an answer, or else how it left: always a code that it would know. */
function servedFailure({ refusal, leaving }: ServedRequest, said: ErrorFrame | undefined): LoggedFailure {
  return said === undefined ? leftFailure(leaving) : saidFailure(said, refusal);
}

const ignore = (): void => undefined;
