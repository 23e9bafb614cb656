import { describe, expect, it } from 'vitest';
import { createFigures, startingWith } from './nodes.ts';

/** What libp2p and its services register, and what becomes of it. */
function begin(maxLabelSets = 16) {
  const { clock, libp2p, prometheus } = createFigures({ maxLabelSets });
  return { clock, libp2p, read: async () => startingWith(await prometheus(), 'libp2p_') };
}

describe('what libp2p registers', () => {
  it('counts, and goes up and down', async () => {
    const { libp2p, read } = begin();
    const counter = libp2p.registerCounter('libp2p_counter', { help: 'Counted.' });
    const metric = libp2p.registerMetric('libp2p_metric', { label: 'ignored' });
    counter.increment();
    counter.increment(4);
    counter.increment(-3);
    metric.update(10);
    metric.increment();
    metric.decrement(3);
    expect(await read()).toEqual({ libp2p_counter: 5, libp2p_metric: 8 });
    counter.reset();
    metric.reset();
    expect(await read()).toEqual({ libp2p_counter: 0, libp2p_metric: 0 });
  });

  it('counts by label, which is called as the family where nothing else is said', async () => {
    const { libp2p, read } = begin();
    const counters = libp2p.registerCounterGroup('libp2p_errors', { label: 'kind of error' });
    const metrics = libp2p.registerMetricGroup('libp2p_sizes');
    counters.increment({ timeout: true, reset: 2 });
    counters.increment({ timeout: true });
    metrics.update({ queue: 3 });
    metrics.increment({ queue: 2, other: true });
    metrics.decrement({ queue: 1, other: true });
    expect(await read()).toEqual({
      'libp2p_errors{kind_of_error="timeout"}': 2,
      'libp2p_errors{kind_of_error="reset"}': 2,
      'libp2p_sizes{libp2p_sizes="queue"}': 4,
      'libp2p_sizes{libp2p_sizes="other"}': 0,
    });
    counters.reset();
    metrics.reset();
    expect(await read()).toEqual({});
  });

  it('spreads values over buckets, and estimates their quantiles', async () => {
    const { libp2p, read } = begin();
    libp2p.registerHistogram('libp2p_histogram', { buckets: [1, 10] }).observe(5);
    libp2p.registerHistogramGroup('libp2p_histograms', { label: 'le', buckets: [1] }).observe({ a: 5 });
    libp2p.registerSummary('libp2p_summary', { percentiles: [0.5] }).observe(7);
    libp2p
      .registerSummaryGroup('libp2p_summaries', { label: 'quantile', percentiles: [0.5] })
      .observe({ a: 3 });
    expect(await read()).toEqual({
      'libp2p_histogram_bucket{le="1"}': 0,
      'libp2p_histogram_bucket{le="10"}': 1,
      'libp2p_histogram_bucket{le="+Inf"}': 1,
      libp2p_histogram_sum: 5,
      libp2p_histogram_count: 1,
      'libp2p_histograms_bucket{_le="a",le="1"}': 0,
      'libp2p_histograms_bucket{_le="a",le="+Inf"}': 1,
      'libp2p_histograms_sum{_le="a"}': 5,
      'libp2p_histograms_count{_le="a"}': 1,
      'libp2p_summary{quantile="0.5"}': 7,
      libp2p_summary_sum: 7,
      libp2p_summary_count: 1,
      'libp2p_summaries{quantile="0.5",_quantile="a"}': 3,
      'libp2p_summaries_sum{_quantile="a"}': 3,
      'libp2p_summaries_count{_quantile="a"}': 1,
    });
  });

  it('measures how long things take, in seconds', async () => {
    const { clock, libp2p, read } = begin();
    const stops = [
      libp2p.registerMetric('libp2p_last').timer(),
      libp2p.registerMetricGroup('libp2p_lasts', { label: 'of' }).timer('a'),
      libp2p.registerHistogram('libp2p_all').timer(),
      libp2p.registerHistogramGroup('libp2p_alls', { label: 'of' }).timer('a'),
    ];
    clock.increment(1_500);
    for (const stop of stops) stop();
    expect(await read()).toMatchObject({
      libp2p_last: 1.5,
      'libp2p_lasts{of="a"}': 1.5,
      libp2p_all_sum: 1.5,
      'libp2p_alls_sum{of="a"}': 1.5,
    });
  });

  it('may be registered anew: both count in one', async () => {
    const { libp2p, read } = begin();
    libp2p.registerCounter('libp2p_counter').increment();
    libp2p.registerCounter('libp2p_counter').increment();
    libp2p.registerCounterGroup('libp2p_counter').increment({ elsewhere: 5 });
    expect(await read()).toEqual({ libp2p_counter: 2 });
  });

  it('is bounded, whatever others make its labels say', async () => {
    const { libp2p, read } = begin(16);
    const errors = libp2p.registerCounterGroup('libp2p_errors', { label: 'name' });
    const summaries = libp2p.registerSummaryGroup('libp2p_summaries', { label: 'name', percentiles: [] });
    for (let at = 0; at < 100; at++) {
      errors.increment({ [`error ${at}`]: true });
      summaries.observe({ [`error ${at}`]: 1 });
    }
    const samples = await read();
    expect(Object.keys(samples)).toHaveLength(17 + 2 * 17);
    expect(samples['libp2p_errors{name="other"}']).toBe(84);
    expect(samples['libp2p_summaries_count{name="other"}']).toBe(84);
  });
});

describe('what is calculated', () => {
  it('is asked for when somebody looks, and forgets what does not come again', async () => {
    const { libp2p, read } = begin();
    let streams: Record<string, number> = { '/a/1': 1, '/b/1': 2 };
    libp2p.registerMetricGroup('libp2p_streams', { label: 'protocol', calculate: () => streams });
    libp2p.registerMetric('libp2p_size', { calculate: async () => Promise.resolve(9) });
    libp2p.registerHistogram('libp2p_sizes', { buckets: [1], calculate: () => 3 });
    expect(await read()).toMatchObject({
      'libp2p_streams{protocol="/a/1"}': 1,
      'libp2p_streams{protocol="/b/1"}': 2,
      libp2p_size: 9,
      libp2p_sizes_sum: 3,
    });
    streams = { '/b/1': 5 };
    const samples = await read();
    expect(samples).toMatchObject({ 'libp2p_streams{protocol="/b/1"}': 5, libp2p_sizes_sum: 6 });
    expect(samples).not.toHaveProperty(['libp2p_streams{protocol="/a/1"}']);
  });

  it('is asked for once by readers at the same time, who all get the answer', async () => {
    const { libp2p, read } = begin();
    let answer = Promise.withResolvers<number>();
    const asked: string[] = [];
    const calculate = (name: string) => async () => {
      asked.push(name);
      return answer.promise;
    };
    libp2p.registerMetric('libp2p_size', { calculate: calculate('size') });
    libp2p.registerCounter('libp2p_sum', { calculate: calculate('sum') });
    const readers = [read()];
    await new Promise((resolve) => setImmediate(resolve));
    readers.push(read());
    await new Promise((resolve) => setImmediate(resolve));
    answer.resolve(9);
    expect(await Promise.all(readers)).toEqual(readers.map(() => ({ libp2p_size: 9, libp2p_sum: 9 })));
    expect(asked).toEqual(['size', 'sum']);
    answer = Promise.withResolvers();
    answer.resolve(1);
    expect(await read()).toEqual({ libp2p_size: 1, libp2p_sum: 10 });
  });

  it('adds up where it is a counter', async () => {
    const { libp2p, read } = begin();
    libp2p.registerCounterGroup('libp2p_bytes', { label: 'protocol', calculate: () => ({ a: 2, b: -1 }) });
    await read();
    expect(await read()).toEqual({ 'libp2p_bytes{protocol="a"}': 4 });
  });

  it('comes from all who registered it, the latest sixteen', async () => {
    const { libp2p, read } = begin(100);
    for (let port = 1; port <= 20; port++)
      libp2p.registerMetricGroup('libp2p_tcp', {
        label: 'address',
        calculate: () => ({ [`:${port}`]: port }),
      });
    const samples = await read();
    expect(Object.keys(samples)).toHaveLength(16);
    expect(samples).toMatchObject({ 'libp2p_tcp{address=":5"}': 5, 'libp2p_tcp{address=":20"}': 20 });
  });

  it('keeps nothing else from being read when it throws, rejects or does not answer', async () => {
    const { clock, libp2p, read } = begin();
    let asked = 0;
    const failed = new Error('made by the test');
    libp2p.registerMetric('libp2p_throws', {
      calculate: () => {
        throw failed;
      },
    });
    libp2p.registerMetric('libp2p_rejects', { calculate: async () => Promise.reject(failed) });
    libp2p.registerMetric('libp2p_hangs', {
      calculate: () => {
        asked++;
        return Promise.withResolvers<number>().promise;
      },
    });
    libp2p.registerCounter('libp2p_counter').increment();
    const first = read();
    await new Promise((resolve) => setImmediate(resolve));
    clock.increment(1_000);
    expect(await first).toEqual({ libp2p_counter: 1 });
    expect(await read()).toEqual({ libp2p_counter: 1 });
    expect(asked).toBe(1);
  });
});

it('calls are not traced one by one', () => {
  const { libp2p } = begin();
  const find = (): string => 'found';
  expect(libp2p.traceFunction('libp2p.find', find)).toBe(find);
  expect(libp2p.createTrace()).toBeUndefined();
});
