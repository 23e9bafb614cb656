import { decodeErrorFrame, type LlmResponse, type RequestHead, type RequestMessage } from '@lloom/codec';
import type { Span, SpanAttributes, Tracer } from '@lloom/core';
import type { RpcError } from '../errors.ts';
import type { Network, RelayTraces } from '../ports.ts';
import type { Answer, PendingRequest } from '../types.ts';
import { relayTraceProtocol } from './protocolIds.ts';
import type { EndedRequest } from './requestEnds.ts';
import type { RpcMetrics } from './rpcMetrics.ts';

type Named = Pick<PendingRequest, 'requestId' | 'peerId'>;

/** What a watch tells of requests. */
export interface RequestWatchPorts {
  readonly metrics: RpcMetrics | undefined;
  /** Must not throw. */
  readonly tracer: Tracer | undefined;
  readonly relayTraces: RelayTraces | undefined;
  readonly log: Pick<Network, 'isTraced' | 'trace'>;
}

/**
 * Sees every request of one service, of this node and of others: counts it, follows it across nodes, and writes a line when it has
 * ended. A request that is not followed costs no object; whoever has its span hands it in again.
 */
export class RequestWatch {
  readonly metrics: RpcMetrics | undefined;
  readonly #tracer: Tracer | undefined;
  readonly #relayTraces: RelayTraces | undefined;
  readonly #log: RequestWatchPorts['log'];

  constructor({ metrics, tracer, relayTraces, log }: RequestWatchPorts) {
    this.metrics = metrics;
    this.#tracer = tracer;
    this.#relayTraces = relayTraces;
    this.#log = log;
  }

  /** A request of this node is made. Its span is to be handed to {@link answered} or {@link failed}. */
  asks(
    request: Named & {
      readonly method: string;
      readonly model?: string | undefined;
      readonly call: { readonly traceparent?: string };
    },
  ): Span | undefined {
    if (this.#tracer === undefined || request.method === relayTraceProtocol) return undefined;
    const { traceparent: parent } = request.call;
    const attributes = attributesOf(request, request);
    return this.#tracer.startSpan('lloom.request', { kind: 'client', parent, attributes });
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
    if (relay === undefined || this.#relayTraces === undefined) return;
    try {
      this.#relayTraces.carried({ relay, peerId, traceparent: span.traceparent, elapsedMs });
    } catch {
      // It is for whoever looks at traces alone.
    }
  }

  /** A request of this node was answered, for whoever made it. */
  answered(request: EndedRequest, result: unknown): void {
    const { method, elapsedMs, span } = request;
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
    this.metrics?.requested(request.method, error.code, request.elapsedMs);
    this.#asked(request, error.code, error);
  }

  /** A request of a peer is there. */
  serves(
    request: Named,
    { method, head }: { readonly method: string | undefined; readonly head: RequestHead },
  ): Span | undefined {
    this.metrics?.received();
    if (this.#tracer === undefined || method === relayTraceProtocol) return undefined;
    const attributes = attributesOf(request, { method });
    return this.#tracer.startSpan('lloom.serve', { kind: 'server', parent: head.traceparent, attributes });
  }

  /** That has ended. @param said the error that its client is told, when it is told one */
  served(
    { requestId, peerId, method, elapsedMs, span }: Omit<EndedRequest, 'attempts'>,
    outcome: string,
    said: Uint8Array | undefined,
  ): void {
    this.metrics?.served(method, outcome, elapsedMs);
    if (outcome === 'answered') this.metrics?.sent();
    span?.end(outcome === 'answered' ? undefined : errorOf(outcome, said));
    if (this.#log.isTraced)
      this.#log.trace('a request of a peer ended %o', {
        ...{ requestId, peerId, method, outcome },
        ms: Math.round(elapsedMs),
      });
  }

  #asked(request: EndedRequest, outcome: string, error?: RpcError): void {
    const { requestId, peerId, method, elapsedMs, span, attempts } = request;
    if (span !== undefined) {
      span.setAttributes({ 'lloom.attempts': attempts });
      this.attempted(request, error);
    }
    if (this.#log.isTraced)
      this.#log.trace('a request of this node ended %o', {
        ...{ requestId, peerId, method, outcome, attempts },
        ms: Math.round(elapsedMs),
      });
  }
}

/** What a message asks, as spans tell it. */
export function askedAttributes(message: RequestMessage): SpanAttributes {
  const model = message.type === 'llmRequest' ? message.request.payload.model : undefined;
  return { 'rpc.method': message.type, ...modelAttribute(model) };
}

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

/** What a client was told in the place of an answer, or else how its request ended. */
function errorOf(
  outcome: string,
  said: Uint8Array | undefined,
): { readonly code: string; readonly message: string } {
  const { code, message } = said === undefined ? { code: outcome, message: '' } : decodeErrorFrame(said);
  return { code, message: message || `the request was ${outcome}` };
}
