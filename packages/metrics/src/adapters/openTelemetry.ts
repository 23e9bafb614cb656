import {
  integer,
  resolveConfig,
  systemClock,
  type CommonPorts,
  type Span,
  type SpanAttributes,
  type SpanConfig,
  type Tracer,
} from '@lloom/core';
import {
  context,
  isSpanContextValid,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Context,
  type Span as OpenTelemetrySpan,
  type SpanContext,
  type Tracer as OpenTelemetryTracer,
} from '@opentelemetry/api';
import { Allowance } from '../internal/allowance.ts';
import { parseTraceparent, traceparentOf } from '../internal/traceparent.ts';

/** How requests are followed. Every field is optional for users. */
export interface TracingConfig {
  /**
   * How many spans a second others may have this node make, who mark their requests as sampled: from 1 to 10,000. Those beyond are
   * not followed here.
   * @default 100
   */
  readonly maxRemoteSpansPerSecond?: number;
}

const rules = {
  checks: { maxRemoteSpansPerSecond: integer(1, 10_000) },
  defaults: { maxRemoteSpansPerSecond: 100 },
};

/** Some of it was written by strangers, such as the name of a model. */
const maxTextLength = 256;
const maxAttributes = 32;

const kinds = { client: SpanKind.CLIENT, server: SpanKind.SERVER, internal: SpanKind.INTERNAL } as const;

/**
 * Has requests followed by a tracer of OpenTelemetry: the port `tracer` of a node. Which are sampled, and where spans go, is
 * what the tracer's provider says, whose sampler sees name, kind and parent; what a caller has not sampled is not sampled here,
 * either. A handler's own spans become children where a context manager of OpenTelemetry is registered. `tracestate` is not
 * carried.
 *
 * @param config the bound, and the port `clock` that it is measured by
 * @throws {ConfigError} for a bound that is none
 * @example
 * ```ts
 * const provider = new TracerProvider({ sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(0.01) }) });
 * const node = await LloomBehaviour.create(identity, { tracer: openTelemetry(provider.getTracer('lloom')) });
 * ```
 */
export function openTelemetry(
  tracer: OpenTelemetryTracer,
  config: TracingConfig & Pick<CommonPorts, 'clock'> = {},
): Tracer {
  const { clock = systemClock, ...rest } = config;
  const { maxRemoteSpansPerSecond } = resolveConfig<Required<TracingConfig>>('tracing', rules, rest);
  const allowance = new Allowance({ clock, perSecond: maxRemoteSpansPerSecond });
  return {
    startSpan(name, given) {
      try {
        return startSpan(name, given, { tracer, allowance });
      } catch {
        // Nobody asks for a trace at the price of a request.
        return undefined;
      }
    },
  };
}

interface Means {
  readonly tracer: OpenTelemetryTracer;
  readonly allowance: Allowance;
}

function startSpan(name: string, config: SpanConfig, { tracer, allowance }: Means): Span | undefined {
  const parent = config.parent === undefined ? undefined : parseTraceparent(config.parent);
  // What a peer sends is read within whatever opened the connection: that has nothing to do with it.
  const within = config.kind === 'server' ? ROOT_CONTEXT : context.active();
  if (parent === undefined) return started(tracer, name, config, within);
  if ((parent.traceFlags & TraceFlags.SAMPLED) === 0) return undefined;
  // Those that ask are this node's own; the parents of all others come with what was received.
  const isRemote = config.kind !== 'client';
  if (isRemote && !allowance.take()) return undefined;
  const around = trace.setSpanContext(within, { ...parent, isRemote });
  const span = started(tracer, name, config, around);
  if (isRemote && span === undefined) allowance.giveBack();
  return span;
}

/** `undefined` when it is not sampled. */
function started(
  ...[tracer, name, { kind, attributes }, around]: [OpenTelemetryTracer, string, SpanConfig, Context]
): Span | undefined {
  const span = tracer.startSpan(name, { kind: kinds[kind] }, around);
  if (!span.isRecording()) return undefined;
  const own = span.spanContext();
  if (!isSpanContextValid(own)) return undefined;
  const followed = new FollowedSpan(span, own);
  // Not before: most are not sampled, and attributes cost as much as the rest.
  if (attributes !== undefined) followed.setAttributes(attributes);
  return followed;
}

/** A span that breaks nothing whatever becomes of the one underneath. */
class FollowedSpan implements Span {
  readonly traceparent: string;
  readonly #span: OpenTelemetrySpan;
  #isEnded = false;

  constructor(span: OpenTelemetrySpan, own: SpanContext) {
    this.#span = span;
    this.traceparent = traceparentOf(own);
  }

  setAttributes(attributes: SpanAttributes): void {
    this.#attempt((span) => span.setAttributes(bounded(attributes)));
  }

  addEvent(name: string, attributes?: SpanAttributes): void {
    this.#attempt((span) => span.addEvent(cut(name), attributes && bounded(attributes)));
  }

  run<T>(act: () => T): T {
    let outcome: { readonly value: T } | { readonly error: unknown } | undefined;
    const once = (): void => {
      if (outcome !== undefined) return;
      try {
        outcome = { value: act() };
      } catch (error) {
        outcome = { error };
      }
    };
    try {
      context.with(trace.setSpan(context.active(), this.#span), once);
    } catch {
      // A context manager that fails.
    }
    once();
    const done = outcome as unknown as { readonly value: T } | { readonly error: unknown };
    if ('error' in done) throw done.error;
    return done.value;
  }

  end(error?: { readonly code: string; readonly message: string }): void {
    if (this.#isEnded) return;
    if (error !== undefined) {
      this.#attempt((span) => {
        span.setAttribute('error.type', cut(error.code));
        span.setStatus({ code: SpanStatusCode.ERROR, message: cut(error.message) });
      });
    }
    this.#attempt((span) => span.end());
    this.#isEnded = true;
  }

  #attempt(act: (span: OpenTelemetrySpan) => void): void {
    if (this.#isEnded) return;
    try {
      act(this.#span);
    } catch {
      // What it would have said is lost; the request goes on.
    }
  }
}

const cut = (text: string): string =>
  text.length <= maxTextLength ? text : text.slice(0, maxTextLength).toWellFormed();

function bounded(attributes: SpanAttributes): Record<string, string | number | boolean> {
  const kept: Record<string, string | number | boolean> = {};
  let left = maxAttributes;
  for (const [name, value] of Object.entries(attributes)) {
    if (left-- === 0) break;
    kept[cut(name)] = typeof value === 'string' ? cut(value) : value;
  }
  return kept;
}
