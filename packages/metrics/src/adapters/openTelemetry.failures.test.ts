import type { SpanAttributes } from '@lloom/core';
import { VirtualClock } from '@lloom/simkit';
import { trace, type Tracer as OpenTelemetryTracer } from '@opentelemetry/api';
import { TracerProvider } from '@opentelemetry/sdk-trace';
import { describe, expect, it } from 'vitest';

import { parent, spanId, started, traceId } from '../../test/spans.ts';
import { openTelemetry } from './openTelemetry.ts';

const clock = new VirtualClock();

describe('a tracer that fails', () => {
  const failing = (): never => {
    throw new Error('the tracer fails');
  };

  it('follows nothing where it cannot begin a span', () => {
    const broken = [
      { startSpan: failing },
      { startSpan: () => undefined },
      { startSpan: () => ({ isRecording: failing }) },
      { startSpan: () => ({ isRecording: () => true, spanContext: failing }) },
      { startSpan: () => ({ isRecording: () => true, spanContext: () => ({ traceId: 'x', spanId: 'y' }) }) },
      trace.getTracer('nobody listens'),
    ];
    for (const one of broken) {
      const tracer = openTelemetry(one as unknown as OpenTelemetryTracer, { clock });
      expect(tracer.startSpan('request', { kind: 'client', attributes: { a: 1 } })).toBeUndefined();
      expect(tracer.startSpan('serve', { kind: 'server', parent })).toBeUndefined();
    }
  });

  it('goes without attributes that cannot be read', () => {
    const attributes = new Proxy({}, { ownKeys: failing }) as SpanAttributes;
    const tracer = openTelemetry(new TracerProvider().getTracer('test'), { clock });
    const span = started(tracer.startSpan('request', { kind: 'client', attributes }));
    expect(() => span.setAttributes(attributes)).not.toThrow();
  });

  it('harms no request that it follows', () => {
    const methods = ['setAttribute', 'setAttributes', 'addEvent', 'setStatus', 'end'];
    const span = {
      ...Object.fromEntries(methods.map((method) => [method, failing])),
      isRecording: () => true,
      spanContext: () => ({ traceId, spanId, traceFlags: 1 }),
    };
    const tracer = openTelemetry({ startSpan: () => span } as unknown as OpenTelemetryTracer, { clock });
    const followed = started(tracer.startSpan('request', { kind: 'client' }));
    expect(followed.traceparent).toBe(parent);
    expect(() => {
      followed.setAttributes({ a: 1 });
      followed.addEvent('sent');
      followed.end({ code: 'TIMEOUT', message: 'late' });
    }).not.toThrow();
    expect(followed.run(() => 7)).toBe(7);
  });
});
