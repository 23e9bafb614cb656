import { createRequire } from 'node:module';
import {
  ConfigError,
  integer,
  resolveConfig,
  systemClock,
  systemRandom,
  type Check,
  type CommonPorts,
  type Span,
  type SpanAttributes,
  type SpanConfig,
  type Tracer,
} from '@lloom/core';
import type * as Api from '@opentelemetry/api';
import type {
  Context,
  Span as OpenTelemetrySpan,
  SpanContext,
  Tracer as OpenTelemetryTracer,
} from '@opentelemetry/api';
import { Allowance } from '../internal/allowance.ts';
import { clockCheck, objectThatHas, withoutPorts } from '../internal/portChecks.ts';
import { parseTraceparent, traceparentOf } from '../internal/traceparent.ts';

/** How requests are followed. Every field is optional for users. */
export interface TracingConfig {
  /**
   * How many spans a second others may have this node make, those that this node makes for what it is asked, whatever they say of
   * a trace: from 1 to 10,000. Requests beyond are not followed here.
   * @default 100
   */
  readonly maxRemoteSpansPerSecond?: number;
}

const ports = { clock: clockCheck };

const rules = {
  checks: { maxRemoteSpansPerSecond: integer(1, 10_000), ...ports },
  defaults: { maxRemoteSpansPerSecond: 100 },
};

/** Some of it was written by strangers, such as the name of a model. */
const maxTextLength = 256;
const maxAttributes = 32;
/** How long ago a span may have begun: who says more is wrong. */
const longestMs = 86_400_000;

const kinds = { client: 'CLIENT', server: 'SERVER', internal: 'INTERNAL' } as const;

let loaded: typeof Api | undefined;

/** OpenTelemetry, which the first call loads: most nodes are not followed, and its 102 files slow every start down. */
function api(): typeof Api {
  loaded ??= createRequire(import.meta.url)('@opentelemetry/api') as typeof Api;
  return loaded;
}

/**
 * Has requests followed by a tracer of OpenTelemetry: the port `tracer` of a node. Which are sampled, and where spans go, is
 * what the tracer's provider says, whose sampler sees name, kind and parent; what a caller has not sampled is not sampled here,
 * either. A handler's own spans become children where a context manager of OpenTelemetry is registered. `tracestate` is not
 * carried.
 *
 * @param config the bound, and the port `clock` that it is measured by
 * @throws {ConfigError} for what is no tracer, or a bound that is none
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
  checkTracer(tracer);
  const left: TracingConfig = withoutPorts(config, ports);
  const { maxRemoteSpansPerSecond } = resolveConfig<Required<TracingConfig>>('tracing', rules, left);
  const { clock = systemClock } = config;
  const allowance = new Allowance({ clock, perSecond: maxRemoteSpansPerSecond });
  return {
    get unsampled() {
      return unsampled();
    },
    startSpan(name, given) {
      try {
        return startSpan(name, given, { tracer, allowance });
      } catch {
        // Nobody asks for a trace at the price of a request.
        return undefined;
      }
    },
    apart: (act) => runIn(() => api().ROOT_CONTEXT, act),
  };
}

const tracerCheck: Check = objectThatHas(
  ['startSpan'],
  "a tracer of OpenTelemetry, such as provider.getTracer('lloom')",
);

/** @throws {ConfigError} where it cannot begin spans */
function checkTracer(tracer: unknown): void {
  const wanted = tracerCheck(tracer);
  if (wanted === undefined) return;
  const isObject = typeof tracer === 'object' && tracer !== null;
  const got = isObject ? 'an object without startSpan' : tracer === null ? 'null' : typeof tracer;
  throw new ConfigError([{ path: 'tracing.tracer', got, wanted }]);
}

/** Of ids that name nothing: whoever gets it must be able to tell one request from another. */
function unsampled(): string {
  const ids = Buffer.from(systemRandom.bytes(24)).toString('hex');
  return `00-${ids.slice(0, 32)}-${ids.slice(32)}-00`;
}

interface Means {
  readonly tracer: OpenTelemetryTracer;
  readonly allowance: Allowance;
}

function startSpan(name: string, config: SpanConfig, { tracer, allowance }: Means): Span | undefined {
  const parent = config.parent === undefined ? undefined : parseTraceparent(config.parent);
  if (parent !== undefined && (parent.traceFlags & api().TraceFlags.SAMPLED) === 0) return undefined;
  // Those that ask are this node's own; all others are there for what was received.
  const isRemote = config.kind !== 'client';
  if (isRemote && !allowance.take()) return undefined;
  // What a peer sends is read within whatever opened the connection: that has nothing to do with it.
  const isApart = config.kind === 'server' || (isRemote && parent !== undefined);
  const around = (): Context => (isApart ? api().ROOT_CONTEXT : api().context.active());
  const above =
    parent === undefined ? around() : api().trace.setSpanContext(around(), { ...parent, isRemote });
  const span = started({ tracer, name, config }, { above, around });
  if (isRemote && span === undefined) allowance.giveBack();
  return span;
}

interface Beginning {
  readonly tracer: OpenTelemetryTracer;
  readonly name: string;
  readonly config: SpanConfig;
}

interface Surroundings {
  /** With its parent. */
  readonly above: Context;
  /** What runs within the span sees this beside it. */
  readonly around: () => Context;
}

/** `undefined` when it is not sampled. */
function started({ tracer, name, config }: Beginning, { above, around }: Surroundings): Span | undefined {
  const { attributes, kind, startedMsAgo = 0 } = config;
  // Only where it is told: a span whose start is given ends by the wall clock, which may jump.
  const startTime = startedMsAgo > 0 ? { startTime: agoOf(startedMsAgo) } : {};
  const span = tracer.startSpan(name, { kind: api().SpanKind[kinds[kind]], ...startTime }, above);
  if (!span.isRecording()) return undefined;
  const own = span.spanContext();
  if (!api().isSpanContextValid(own)) return undefined;
  const followed = new FollowedSpan(span, own, around);
  // Not before: most are not sampled, and attributes cost as much as the rest.
  if (attributes !== undefined) followed.setAttributes(attributes);
  return followed;
}

/** By the clock that ends spans, which is none of the node's. */
const agoOf = (ms: number): Date => new Date(systemClock.now() - Math.min(ms, longestMs));

/** A span that breaks nothing whatever becomes of the one underneath. */
class FollowedSpan implements Span {
  readonly traceparent: string;
  readonly #span: OpenTelemetrySpan;
  readonly #around: () => Context;
  #isEnded = false;

  constructor(span: OpenTelemetrySpan, own: SpanContext, around: () => Context) {
    this.#span = span;
    this.#around = around;
    this.traceparent = traceparentOf(own);
  }

  setAttributes(attributes: SpanAttributes): void {
    this.#attempt((span) => span.setAttributes(bounded(attributes)));
  }

  addEvent(name: string, attributes?: SpanAttributes): void {
    this.#attempt((span) => span.addEvent(cut(name), attributes && bounded(attributes)));
  }

  run<T>(act: () => T): T {
    return runIn(() => api().trace.setSpan(this.#around(), this.#span), act);
  }

  end(error?: { readonly code: string; readonly message: string }): void {
    if (this.#isEnded) return;
    if (error !== undefined) {
      this.#attempt((span) => {
        span.setAttribute('error.type', cut(error.code));
        span.setStatus({ code: api().SpanStatusCode.ERROR, message: cut(error.message) });
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

/** Runs `act` once, within that context where it can be had. */
function runIn<T>(around: () => Context, act: () => T): T {
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
    api().context.with(around(), once);
  } catch {
    // A context manager that fails.
  }
  once();
  const done = outcome as unknown as { readonly value: T } | { readonly error: unknown };
  if ('error' in done) throw done.error;
  return done.value;
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
