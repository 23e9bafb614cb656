import { expect, test, vi } from 'vitest';

import { safeMeter, type Meter, type MetricFamily } from './index.ts';

const family: MetricFamily = { name: 'things_total', help: 'Things.' };
const times = { name: 'thing_seconds', help: 'Times of things.', buckets: [1] };

test('a safe meter passes on what is counted', () => {
  const told: unknown[] = [];
  const meter: Meter = {
    counter:
      (...asked) =>
      (by = 1) =>
        told.push(asked, by),
    histogram:
      (...asked) =>
      (value) =>
        told.push(asked, value),
    gauge: (...asked) => told.push(asked),
  };
  const safely = safeMeter(meter, () => expect.unreachable());
  const count = safely.counter(family, { kind: 'a' });
  count();
  count(2);
  safely.histogram(times)(0.5);
  const read = (): number => 1;
  safely.gauge(family, read);
  expect(told).toEqual([
    ...[[family, { kind: 'a' }], 1, [family, { kind: 'a' }], 2],
    ...[[times, undefined], 0.5, [family, read]],
  ]);
});

test('a safe meter tells what the meter throws, and throws nothing', () => {
  const failure = new Error('no space');
  const fail = (): never => {
    throw failure;
  };
  const onError = vi.fn<(error: unknown) => void>();
  const broken = safeMeter({ counter: fail, histogram: fail, gauge: fail }, onError);
  broken.counter(family)();
  broken.histogram(times)(1);
  broken.gauge(family, () => 1);
  expect(onError.mock.calls).toEqual([[failure], [failure], [failure]]);
  const breaking = safeMeter({ counter: () => fail, histogram: () => fail, gauge: fail }, onError);
  breaking.counter(family)();
  breaking.histogram(times)(1);
  expect(onError).toHaveBeenCalledTimes(5);
});
