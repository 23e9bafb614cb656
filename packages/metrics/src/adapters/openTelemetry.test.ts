import { AsyncLocalStorage } from 'node:async_hooks';
import { ConfigError, type Tracer } from '@lloom/core';
import { VirtualClock } from '@lloom/simkit';
import {
  context,
  createContextKey,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  type Context,
  type Tracer as OpenTelemetryTracer,
} from '@opentelemetry/api';
import {
  AlwaysOffSampler,
  createAlwaysRecordSampler,
  InMemorySpanExporter,
  SamplingDecision,
  SimpleSpanProcessor,
  TracerProvider,
  type ReadableSpan,
  type Sampler,
} from '@opentelemetry/sdk-trace';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { parent, spanId, started, traceId } from '../../test/spans.ts';
import { openTelemetry, type TracingConfig } from './openTelemetry.ts';

const exporter = new InMemorySpanExporter();
let clock: VirtualClock;

beforeEach(() => {
  clock = new VirtualClock();
  exporter.reset();
});

const providerOf = (sampler?: Sampler): TracerProvider =>
  new TracerProvider({
    spanProcessors: [new SimpleSpanProcessor({ exporter })],
    ...(sampler && { sampler }),
  });

const tracerOf = (sampler?: Sampler, config: TracingConfig = {}): Tracer =>
  openTelemetry(providerOf(sampler).getTracer('test'), { clock, ...config });

/** What was exported under that name. */
const exported = (name: string): ReadableSpan => {
  const span = exporter.getFinishedSpans().find((one) => one.name === name);
  if (span === undefined) throw new Error(`${name} was not exported`);
  return span;
};

describe('a tracer of OpenTelemetry', () => {
  it('makes a request on two nodes one trace, with whom it was made by', () => {
    const [client, executor] = [tracerOf(), tracerOf()];
    const request = started(
      client.startSpan('request', { kind: 'client', attributes: { 'rpc.method': 'x' } }),
    );
    expect(request.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    const attempt = started(client.startSpan('attempt', { kind: 'client', parent: request.traceparent }));
    const serve = started(executor.startSpan('serve', { kind: 'server', parent: attempt.traceparent }));
    serve.addEvent('started', { queue: 2 });
    serve.end({ code: 'BUSY', message: 'there is no room' });
    attempt.end();
    request.setAttributes({ attempts: 1 });
    request.end();
    const [asked, tried, served] = ['request', 'attempt', 'serve'].map(exported);
    expect(asked?.spanContext().traceId).toBe(request.traceparent.slice(3, 35));
    expect(new Set([asked, tried, served].map((span) => span?.spanContext().traceId)).size).toBe(1);
    expect(asked?.parentSpanContext).toBeUndefined();
    expect(tried?.parentSpanContext?.spanId).toBe(asked?.spanContext().spanId);
    expect(served?.parentSpanContext).toMatchObject({ spanId: tried?.spanContext().spanId, isRemote: true });
    expect(asked).toMatchObject({
      kind: SpanKind.CLIENT,
      attributes: { 'rpc.method': 'x', attempts: 1 },
      status: { code: SpanStatusCode.UNSET },
    });
    expect(served).toMatchObject({
      kind: SpanKind.SERVER,
      attributes: { 'error.type': 'BUSY' },
      status: { code: SpanStatusCode.ERROR, message: 'there is no room' },
      events: [{ name: 'started', attributes: { queue: 2 } }],
    });
  });

  it('follows nothing that is not sampled, here or by whoever asks', () => {
    expect(tracerOf(new AlwaysOffSampler()).startSpan('request', { kind: 'client' })).toBeUndefined();
    expect(tracerOf(new AlwaysOffSampler()).startSpan('serve', { kind: 'server', parent })).toBeUndefined();
    const unsampled = parent.replace(/01$/, '00');
    const startSpan = vi.fn<OpenTelemetryTracer['startSpan']>();
    const asked = openTelemetry({ startSpan } as unknown as OpenTelemetryTracer, { clock });
    expect(asked.startSpan('serve', { kind: 'server', parent: unsampled })).toBeUndefined();
    expect(startSpan).not.toHaveBeenCalled();
    expect(exporter.getFinishedSpans()).toEqual([]);
  });

  it('tells of what it does not follow, in a form that nobody follows, and of each apart', () => {
    const [client, executor] = [tracerOf(new AlwaysOffSampler()), tracerOf()];
    expect(client.unsampled).toMatch(/^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-00$/);
    expect(client.unsampled).not.toBe(client.unsampled);
    expect(executor.startSpan('serve', { kind: 'server', parent: client.unsampled })).toBeUndefined();
  });

  it('has others follow only what is exported, where more is recorded', () => {
    const span = started(
      tracerOf(createAlwaysRecordSampler(new AlwaysOffSampler())).startSpan('request', { kind: 'client' }),
    );
    expect(span.traceparent).toMatch(/-00$/);
    span.end();
    expect(exporter.getFinishedSpans()).toEqual([]);
  });

  it('begins a trace of its own where what was sent is no traceparent', () => {
    const tracer = tracerOf();
    const hostile = [
      '',
      'x',
      parent.toUpperCase(),
      ` ${parent}`,
      `${parent}\n`,
      `${parent}-more`,
      parent.slice(0, -1),
      `ff${parent.slice(2)}`,
      `00-${'0'.repeat(32)}-${spanId}-01`,
      `00-${traceId}-${'0'.repeat(16)}-01`,
      `00-${'g'.repeat(32)}-${spanId}-01`,
      `cc-${traceId}-${spanId}-01-${'x'.repeat(10_000)}`,
    ];
    for (const wrong of hostile) {
      const span = started(tracer.startSpan('serve', { kind: 'server', parent: wrong }));
      expect(span.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
      expect(span.traceparent).not.toContain(traceId);
    }
    const later = tracer.startSpan('serve', { kind: 'server', parent: `cc-${traceId}-${spanId}-01-more` });
    expect(later?.traceparent).toContain(traceId);
  });

  it('has others make it follow as much as it may in a second, and its own requests without end', async () => {
    const tracer = tracerOf(undefined, { maxRemoteSpansPerSecond: 10 });
    const follow = (times: number, kind: 'client' | 'server' | 'internal'): number =>
      Array.from({ length: times }, () => tracer.startSpan('some', { kind, parent })).filter(Boolean).length;
    expect(follow(100, 'server')).toBe(10);
    expect(follow(100, 'internal')).toBe(0);
    expect(follow(100, 'client')).toBe(100);
    await clock.runFor(500);
    expect(follow(100, 'server')).toBe(5);
    await clock.runFor(60_000);
    expect(follow(100, 'server')).toBe(10);
  });

  it.each(['server', 'internal'] as const)(
    'has others make it follow no more where they say nothing of a trace, in spans of kind %s',
    async (kind) => {
      const tracer = tracerOf(undefined, { maxRemoteSpansPerSecond: 10 });
      const follow = (given: { readonly parent?: string }): number =>
        Array.from({ length: 100 }, () => tracer.startSpan('some', { kind, ...given })).filter(Boolean)
          .length;
      expect([follow({}), follow({ parent: 'none' }), follow({ parent })]).toEqual([10, 0, 0]);
      expect(tracer.startSpan('request', { kind: 'client' })).toBeDefined();
      await clock.runFor(1_000);
      expect(follow({ parent: 'none' })).toBe(10);
    },
  );

  it('does not count what its provider does not sample', () => {
    let isSampled = false;
    const sampler: Sampler = {
      shouldSample: () => ({
        decision: isSampled ? SamplingDecision.RECORD_AND_SAMPLED : SamplingDecision.NOT_RECORD,
      }),
      toString: () => 'test',
    };
    const tracer = tracerOf(sampler, { maxRemoteSpansPerSecond: 1 });
    for (let count = 0; count < 10; count++) {
      tracer.startSpan('serve', { kind: 'server', parent });
      tracer.startSpan('serve', { kind: 'server' });
    }
    isSampled = true;
    expect(tracer.startSpan('serve', { kind: 'server', parent })).toBeDefined();
  });

  it('keeps of what strangers wrote so many characters and so many attributes', () => {
    const span = started(
      tracerOf().startSpan('serve', { kind: 'server', attributes: { model: 'm'.repeat(5_000) } }),
    );
    span.setAttributes({ other: `${'x'.repeat(255)}😀` });
    span.setAttributes(Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`name${at}`, at])));
    span.addEvent('e'.repeat(5_000), { text: 't'.repeat(5_000) });
    span.end({ code: 'REMOTE', message: 'm'.repeat(5_000) });
    const { attributes, events, status } = exported('serve');
    expect(attributes['model']).toBe('m'.repeat(256));
    expect(attributes['other']).toBe(`${'x'.repeat(255)}\uFFFD`);
    expect(Object.keys(attributes).length).toBeLessThan(50);
    expect([events[0]?.name.length, String(events[0]?.attributes?.['text']).length]).toEqual([256, 256]);
    expect(status.message).toHaveLength(256);
  });

  it('ends a span once, and takes nothing more after its end', () => {
    const span = started(tracerOf().startSpan('request', { kind: 'client' }));
    span.end();
    span.end({ code: 'TIMEOUT', message: 'late' });
    span.setAttributes({ late: true });
    span.addEvent('late');
    expect(span.run(() => 7)).toBe(7);
    expect(exporter.getFinishedSpans()).toHaveLength(1);
    expect(exported('request')).toMatchObject({
      attributes: {},
      events: [],
      status: { code: SpanStatusCode.UNSET },
    });
  });

  it.each([
    ['now, where nothing is said', {}, 0],
    ['so long ago as is said', { startedMsAgo: 1_500 }, 1_500],
    ['a day ago at most', { startedMsAgo: Infinity }, 86_400_000],
    ['now, where that is yet to come', { startedMsAgo: -5 }, 0],
    ['now, where that is no time', { startedMsAgo: Number.NaN }, 0],
  ])('has a span begin %s', (_, given, ms) => {
    vi.useFakeTimers({ toFake: ['Date', 'performance'], now: 1e12 });
    const span = started(tracerOf().startSpan('relay', { kind: 'internal', parent, ...given }));
    span.end();
    vi.useRealTimers();
    const { startTime, endTime, parentSpanContext } = exported('relay');
    expect(startTime).toEqual([1e9 - Math.ceil(ms / 1_000), (1e9 - (ms % 1_000) * 1e6) % 1e9]);
    expect(endTime).toEqual([1e9, 0]);
    expect(parentSpanContext?.spanId).toBe(spanId);
  });

  it('refuses what is no tracer', () => {
    for (const wrong of [null, undefined, 5, 'tracer', [], {}, providerOf(), { startSpan: 5 }])
      expect(() => openTelemetry(wrong as unknown as OpenTelemetryTracer)).toThrow(
        /"tracing.tracer" is .+, want a tracer of OpenTelemetry/,
      );
  });

  it('refuses what is no configuration, and what is no clock', () => {
    const tracer = providerOf().getTracer('test');
    for (const wrong of [null, 5, [], { clock: null }, { clock: {} }, { clock: 5 }, { clok: 5 }])
      expect(() => openTelemetry(tracer, wrong as TracingConfig)).toThrow(ConfigError);
  });

  it('refuses a bound that is none', () => {
    const tracer = providerOf().getTracer('test');
    for (const maxRemoteSpansPerSecond of [0, 1.5, 10_001])
      expect(() => openTelemetry(tracer, { maxRemoteSpansPerSecond })).toThrow(
        /tracing.maxRemoteSpansPerSecond/,
      );
  });
});

describe('what runs within a span', () => {
  beforeEach(() => {
    context.setGlobalContextManager(contextManager());
  });
  afterEach(() => {
    context.disable();
  });

  it('has the spans of a handler as children, also those that it makes later', async () => {
    const provider = providerOf();
    const serve = started(tracerOf().startSpan('serve', { kind: 'server', parent }));
    const own = provider.getTracer('handler');
    const answer = serve.run(async () => {
      await Promise.resolve();
      own.startSpan('inference').end();
      return 'done';
    });
    expect(await answer).toBe('done');
    own.startSpan('elsewhere').end();
    expect(exported('inference').spanContext().traceId).toBe(traceId);
    expect(exported('inference').parentSpanContext?.spanId).toBe(serve.traceparent.slice(36, 52));
    expect(exported('elsewhere').parentSpanContext).toBeUndefined();
  });

  it('makes requests of a handler its children without being told', () => {
    const tracer = tracerOf();
    const serve = started(tracer.startSpan('serve', { kind: 'server', parent }));
    const request = serve.run(() => tracer.startSpan('request', { kind: 'client' }));
    expect(request?.traceparent).toContain(traceId);
    request?.end();
    expect(exported('request').parentSpanContext?.spanId).toBe(serve.traceparent.slice(36, 52));
  });

  it('is no parent of what peers ask meanwhile, who say nothing of a trace', () => {
    const tracer = tracerOf();
    const request = started(tracer.startSpan('request', { kind: 'client' }));
    const serve = request.run(() => tracer.startSpan('serve', { kind: 'server' }));
    expect(serve?.traceparent.slice(3, 35)).not.toBe(request.traceparent.slice(3, 35));
  });

  it.each(['server', 'internal'] as const)(
    'sees nothing of what is around it but that span, of kind %s',
    (kind) => {
      const baggage = createContextKey('baggage of another request');
      const seen: Context[] = [];
      const onStart = (_: unknown, around: Context): void => void seen.push(around);
      const spanProcessors = [Object.assign(new SimpleSpanProcessor({ exporter }), { onStart })];
      const tracer = openTelemetry(new TracerProvider({ spanProcessors }).getTracer('test'), { clock });
      const around = context.active().setValue(baggage, 'secret');
      context.with(around, () => {
        const span = started(tracer.startSpan('serve', { kind, parent }));
        span.run(() => seen.push(context.active()));
        const request = started(tracer.startSpan('request', { kind: 'client' }));
        request.run(() => seen.push(context.active()));
      });
      expect(seen.map((one) => one.getValue(baggage))).toEqual([undefined, undefined, 'secret', 'secret']);
    },
  );

  it('is as if nothing were around it where it is to be apart', async () => {
    const [tracer, own] = [tracerOf(), providerOf().getTracer('handler')];
    const baggage = createContextKey('baggage of another request');
    const request = started(tracer.startSpan('request', { kind: 'client' }));
    const around = context.active().setValue(baggage, 'secret');
    const seen = await context.with(around, () =>
      request.run(() =>
        tracer.apart(async () => {
          await Promise.resolve();
          own.startSpan('inference').end();
          return context.active().getValue(baggage);
        }),
      ),
    );
    expect(seen).toBeUndefined();
    expect(exported('inference').parentSpanContext).toBeUndefined();
    expect(exported('inference').spanContext().traceId).not.toBe(request.traceparent.slice(3, 35));
  });

  it('throws what it threw', () => {
    const tracer = tracerOf();
    const serve = started(tracer.startSpan('serve', { kind: 'server' }));
    const act = vi.fn<() => never>(() => {
      throw new Error('the handler failed');
    });
    expect(() => serve.run(act)).toThrow('the handler failed');
    expect(() => tracer.apart(act)).toThrow('the handler failed');
    expect(act).toHaveBeenCalledTimes(2);
  });

  it('runs once where contexts fail before it, or behind it', () => {
    const tracer = tracerOf();
    const serve = started(tracer.startSpan('serve', { kind: 'server' }));
    for (const isRun of [false, true]) {
      context.disable();
      const failing = (_: Context, act: () => unknown): never => {
        if (isRun) act();
        throw new Error('no context');
      };
      context.setGlobalContextManager(Object.assign(contextManager(), { with: failing }));
      const act = vi.fn<() => number>(() => 7);
      expect(serve.run(act)).toBe(7);
      expect(act).toHaveBeenCalledOnce();
      expect(tracer.apart(act)).toBe(7);
      expect(act).toHaveBeenCalledTimes(2);
    }
  });
});

/** As applications bring it. */
function contextManager(): Parameters<typeof context.setGlobalContextManager>[0] {
  const storage = new AsyncLocalStorage<Context>();
  const manager = {
    active: () => storage.getStore() ?? ROOT_CONTEXT,
    with: (around: Context, act: () => unknown) => storage.run(around, act),
    bind: (_: Context, target: unknown) => target,
    enable: () => manager,
    disable: () => manager,
  };
  return manager as ReturnType<typeof contextManager>;
}
