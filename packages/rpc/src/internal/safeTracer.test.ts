import type { Span, Tracer } from '@lloom/core';
import { describe, expect, test, vi } from 'vitest';
import { safeTracer } from './safeTracer.ts';

const broken = new Error('broken');
const fail = (): never => {
  throw broken;
};
const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
const good: Span = { traceparent, setAttributes: fail, addEvent: fail, run: fail, end: fail };

const traced = (given: Partial<Tracer>) => {
  const onError = vi.fn<(error: unknown) => void>();
  const whole: Tracer = { unsampled: traceparent, startSpan: fail, apart: fail, ...given };
  return { onError, tracer: safeTracer(whole, onError) };
};
const start = (span: () => Span | undefined) => {
  const { onError, tracer } = traced({ startSpan: span });
  return { onError, span: tracer.startSpan('a', { kind: 'client' }) };
};

test('a tracer that throws gives no span', () => {
  const { span, onError } = start(fail);
  expect(span).toBeUndefined();
  expect(onError).toHaveBeenCalledExactlyOnceWith(broken);
});

test('a span that throws is a span that says nothing', () => {
  const { span, onError } = start(() => good);
  expect(span?.traceparent).toBe(traceparent);
  span?.setAttributes({ a: 1 });
  span?.addEvent('a');
  span?.end();
  expect(onError.mock.calls).toEqual([[broken], [broken], [broken]]);
});

test('what rejects later ends no process', async () => {
  const late = (): never => Promise.reject(broken) as never;
  const span = { ...good, setAttributes: late, addEvent: late, run: late, end: late };
  const { onError, tracer } = traced({ startSpan: () => span, apart: late });
  const given = tracer.startSpan('a', { kind: 'client' });
  given?.setAttributes({ a: 1 });
  given?.addEvent('a');
  expect(given?.run(() => 'done')).toBe('done');
  expect(tracer.apart(() => 'done')).toBe('done');
  given?.end();
  const other = traced({ startSpan: late });
  expect(other.tracer.startSpan('a', { kind: 'client' })).toBeUndefined();
  await Promise.resolve();
  expect(onError).toHaveBeenCalledTimes(5);
  expect(other.onError).toHaveBeenCalledExactlyOnceWith(broken);
});

test.each([
  ['is passed on', traceparent, traceparent],
  ['that nobody could read is none', 'x', undefined],
])('what tells that a request is not sampled %s', (_, unsampled, given) => {
  expect(traced({ unsampled }).tracer.unsampled).toBe(given);
});

test('a tracer of an older kind, without what it is asked for, breaks nothing', () => {
  const { tracer } = traced({ apart: undefined as never, unsampled: undefined as never });
  expect(tracer.apart(() => 'done')).toBe('done');
  expect(tracer.unsampled).toBeUndefined();
});

test.each([
  ['no W3C traceparent', { ...good, traceparent: 'x'.repeat(300) }],
  [
    'none that can be read',
    {
      ...good,
      get traceparent() {
        return fail();
      },
    },
  ],
])('a span that has %s is ended at once, and not used', (_, given) => {
  const end = vi.fn<() => void>();
  const { span } = start(() => Object.defineProperty(given, 'end', { value: end }));
  expect(span).toBeUndefined();
  expect(end).toHaveBeenCalledOnce();
});

describe('what runs within a span', () => {
  const runs: [string, Span['run']][] = [
    ['runs it', (act) => act()],
    ['throws instead', fail],
    [
      'throws behind it',
      (act) => {
        act();
        return fail();
      },
    ],
    [
      'runs it twice',
      (act) => {
        act();
        return act();
      },
    ],
    ['does not run it', () => undefined as never],
  ];
  test.each(runs)('runs once, and gives or throws what it does, when the tracer %s', (_, run) => {
    const { span } = start(() => ({ ...good, run }));
    const act = vi.fn<() => string>(() => 'done');
    expect(span?.run(act)).toBe('done');
    expect(act).toHaveBeenCalledOnce();
    const own = new Error('own');
    expect(() =>
      span?.run(() => {
        throw own;
      }),
    ).toThrow(own);
  });
});
