import { openTelemetry, type Tracer } from '@lloom/behaviour';
import { context } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
  type SpanExporter,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace';
import { version } from './version.ts';

/** Where traces go, and of what. */
export interface TracesConfig {
  /** Takes them by OTLP over HTTP. */
  readonly url: string;
  /** Which share of the requests that begin here is traced. */
  readonly ratio: number;
  readonly peerId: string;
  /** Told once that the collector takes none. */
  readonly onFailure: (error: unknown) => void;
  /** How long what is left may take to be sent at the end, in ms. @default 2_000 */
  readonly flushMs?: number;
}

/** Traces that are being sent. */
export interface Traces {
  readonly tracer: Tracer;
  /** The trace of the latest request of this node; `undefined` when it is not traced. */
  readonly requestTraceId: string | undefined;
  /** Sends what is left, for `flushMs` at most. Never rejects. */
  close(): Promise<void>;
}

const requestSpan = 'lloom.request';
/** What waits for a collector that is slow: the rest is dropped. */
const limits = {
  maxQueueSize: 2_048,
  maxExportBatchSize: 256,
  scheduledDelayMillis: 1_000,
  exportTimeoutMillis: 5_000,
};

/** Begins to send traces of a node. Nothing that the collector does reaches the node. */
export function openTraces(config: TracesConfig): Traces {
  const { url, ratio, peerId, flushMs = 2_000 } = config;
  const onFailure = once(config.onFailure);
  // So that what a handler itself traces becomes a part of its request.
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const exporter = new OTLPTraceExporter({ url, timeoutMillis: limits.exportTimeoutMillis });
  let requestTraceId: string | undefined;
  const notice: SpanProcessor = {
    onStart: (span) => {
      if (span.name === requestSpan) requestTraceId = span.spanContext().traceId;
    },
    onEnd: () => undefined,
    forceFlush: () => Promise.resolve(),
    shutdown: () => Promise.resolve(),
  };
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      'service.name': 'lloom',
      'service.version': version,
      'service.instance.id': peerId,
    }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
    spanProcessors: [notice, new BatchSpanProcessor({ exporter: telling(exporter, onFailure), ...limits })],
  });
  return {
    tracer: openTelemetry(provider.getTracer('lloom', version)),
    get requestTraceId() {
      return requestTraceId;
    },
    async close() {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(() => {
        onFailure(new Error(`what was left was not sent within ${flushMs} ms`));
        resolve();
      }, flushMs);
      // The exporter tries a collector that does not answer again and again.
      await Promise.race([provider.shutdown().catch(onFailure), promise]);
      clearTimeout(timer);
    },
  };
}

/** The same exporter, which tells of its failures. */
function telling(exporter: SpanExporter, onFailure: (error: unknown) => void): SpanExporter {
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        if (result.error !== undefined) onFailure(result.error);
        done(result);
      });
    },
    forceFlush: async () => exporter.forceFlush?.(),
    shutdown: () => exporter.shutdown(),
  };
}

/** The same function, which does nothing from the second time on. */
function once<T>(act: (value: T) => void): (value: T) => void {
  let isDone = false;
  return (value) => {
    if (isDone) return;
    isDone = true;
    act(value);
  };
}
