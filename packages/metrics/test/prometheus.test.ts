import { PerformanceObserver } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { collectDefaultMetrics, Counter, register, Registry } from 'prom-client';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createFigures, samplesOf, startingWith } from './nodes.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const requests = { name: 'requests_total', help: 'Requests\nof \\ others.', labels: ['method'] };
const times = { name: 'request_seconds', help: 'Times.', buckets: [0.1, 1] };

describe('the text for Prometheus', () => {
  it('names each family, its type and what it tells, and gives its samples', async () => {
    const { meter, prometheus } = createFigures();
    meter.counter(requests, { method: 'echo' })(3);
    meter.histogram(times)(0.5);
    const text = await prometheus();
    expect(text).toContain(
      [
        '# HELP lloom_requests_total Requests\\nof \\\\ others.',
        '# TYPE lloom_requests_total counter',
        'lloom_requests_total{method="echo"} 3',
      ].join('\n'),
    );
    expect(text).toContain(
      [
        '# TYPE lloom_request_seconds histogram',
        'lloom_request_seconds_bucket{le="0.1"} 0',
        'lloom_request_seconds_bucket{le="1"} 1',
        'lloom_request_seconds_bucket{le="+Inf"} 1',
        'lloom_request_seconds_sum 0.5',
        'lloom_request_seconds_count 1',
      ].join('\n'),
    );
  });

  it('calls a family without a help by its name, and can be read', async () => {
    const { libp2p, meter, prometheus } = createFigures();
    for (const help of [undefined, null, 5, ''])
      meter.counter({ name: `helpless_${String(help)}_total`, help } as unknown as typeof requests)();
    libp2p.registerCounter('libp2p_helpless', { help: null } as object).increment();
    const text = await prometheus();
    expect(text).toContain('# HELP lloom_helpless_undefined_total lloom_helpless_undefined_total\n');
    expect(text).toContain('# HELP lloom_helpless_5_total lloom_helpless_5_total\n');
    expect(samplesOf(text)).toMatchObject({ lloom_helpless_undefined_total: 1, libp2p_helpless: 1 });
  });

  it('escapes values of labels, so that nobody can write a line into it', async () => {
    const { meter, prometheus } = createFigures();
    meter.counter(requests, { method: '"} 1\nfake_total{a="\\' })();
    const text = await prometheus();
    expect(text).toContain(String.raw`lloom_requests_total{method="\"} 1\nfake_total{a=\"\\"} 1`);
    expect(text).not.toMatch(/^fake/m);
  });

  it('says that a gauge which fails has no value, and gives all others', async () => {
    const { meter, prometheus } = createFigures();
    meter.counter(requests, { method: 'echo' })();
    meter.gauge({ name: 'broken', help: 'Broken.' }, () => {
      throw new Error('made by the test');
    });
    const text = await prometheus();
    expect(text).toContain('lloom_requests_total{method="echo"} 1');
    expect(text).not.toMatch(/^lloom_broken/m);
  });

  it('can be had in the format of OpenMetrics', async () => {
    const registry = new Registry();
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never);
    const { libp2p, meter, prometheus } = createFigures({ registry, node: 'a' });
    meter.counter(requests, { method: 'echo' })();
    meter.histogram(times)(0.5);
    libp2p.start();
    for (const text of [await prometheus(), await prometheus()]) {
      expect(text).toContain('# TYPE lloom_requests counter\nlloom_requests_total{method="echo",node="a"} 1');
      expect(text).toContain('lloom_request_seconds_count{node="a"} 1');
      expect(text.endsWith('# EOF\n')).toBe(true);
    }
    libp2p.stop();
    expect(registry.getMetricsAsArray()).toEqual([]);
  });

  it('can be had as objects, which are nobody else’s', async () => {
    const { meter, registry } = createFigures();
    meter.counter(requests, { method: 'echo' })();
    const read = async () =>
      (await registry.getMetricsAsJSON()).find(({ name }) => name === 'lloom_requests_total')?.values[0];
    const first = await read();
    expect(first).toMatchObject({ labels: { method: 'echo' }, value: 1 });
    first!.labels['method'] = 'changed';
    expect(await read()).toMatchObject({ labels: { method: 'echo' } });
  });

  it('starts at 0 again when the registry is reset', async () => {
    const { meter, prometheus, registry } = createFigures();
    const add = meter.counter(requests, { method: 'echo' });
    const observe = meter.histogram(times);
    add();
    observe(1);
    registry.resetMetrics();
    add();
    expect(samplesOf(await prometheus())).toMatchObject({
      'lloom_requests_total{method="echo"}': 1,
      lloom_request_seconds_count: 0,
      lloom_request_seconds_sum: 0,
    });
  });
});

describe('a registry that nodes share', () => {
  const peerIds = ['16Uiu2HAmAAAAAAAAAAAA', '16Uiu2HAmBBBBBBBBBBBB'] as const;
  const start = (registry: Registry, at: 0 | 1, node?: string) => {
    const figures = createFigures({ registry, ...(node !== undefined && { node }) }, peerIds[at]);
    figures.meter.counter(requests, { method: 'echo' })(at + 1);
    figures.libp2p.start();
    return figures;
  };

  afterEach(() => register.clear());

  it('tells them apart by the end of their peer id', async () => {
    const registry = new Registry();
    start(registry, 0);
    start(registry, 1);
    expect(startingWith(await registry.metrics(), 'lloom_requests')).toEqual({
      'lloom_requests_total{method="echo",node="AAAAAAAA"}': 1,
      'lloom_requests_total{method="echo",node="BBBBBBBB"}': 2,
    });
  });

  it('tells them apart as they are called, also when both are called the same', async () => {
    const registry = new Registry();
    start(registry, 0, 'alice');
    start(registry, 1, 'alice');
    expect(startingWith(await registry.metrics(), 'lloom_requests')).toEqual({
      'lloom_requests_total{method="echo",node="alice"}': 1,
      'lloom_requests_total{method="echo",node="alice-2"}': 2,
    });
  });

  it('names a family once, whichever node came first with it', async () => {
    const registry = new Registry();
    const [one, other] = [start(registry, 0), start(registry, 1)];
    other.meter.gauge({ name: 'late', help: 'Late.' }, () => 2);
    one.meter.gauge({ name: 'late', help: 'Late.' }, () => 1);
    const text = await registry.metrics();
    expect(text.match(/# TYPE lloom_late gauge/g)).toHaveLength(1);
    expect(startingWith(text, 'lloom_late')).toEqual({
      'lloom_late{node="AAAAAAAA"}': 1,
      'lloom_late{node="BBBBBBBB"}': 2,
    });
  });

  it('shows a node from its start to its stop, as often as that happens', async () => {
    const registry = new Registry();
    const one = start(registry, 0);
    const other = start(registry, 1);
    one.libp2p.stop();
    one.libp2p.stop();
    expect(await registry.metrics()).not.toContain('AAAAAAAA');
    one.libp2p.start();
    one.libp2p.start();
    expect(startingWith(await registry.metrics(), 'lloom_requests')).toEqual({
      'lloom_requests_total{method="echo",node="AAAAAAAA"}': 1,
      'lloom_requests_total{method="echo",node="BBBBBBBB"}': 2,
    });
    one.libp2p.stop();
    other.libp2p.stop();
    expect(registry.getMetricsAsArray()).toEqual([]);
  });

  it('keeps what its application has registered, also by a name of ours', async () => {
    const registry = new Registry();
    new Counter({ name: 'app_total', help: 'App.', registers: [registry] }).inc(5);
    new Counter({ name: 'lloom_requests_total', help: 'Taken.', registers: [registry] }).inc(7);
    const node = start(registry, 0);
    const text = await registry.metrics();
    expect(samplesOf(text)).toMatchObject({ app_total: 5, lloom_requests_total: 7 });
    expect(text).toContain('lloom_network_bytes_total{direction="in",node="AAAAAAAA"} 0');
    node.libp2p.stop();
    expect(samplesOf(await registry.metrics())).toEqual({ app_total: 5, lloom_requests_total: 7 });
  });

  it('is not that of prom-client itself, which stays as it is', async () => {
    new Counter({ name: 'global_total', help: 'Global.' }).inc();
    const before = await register.metrics();
    const { libp2p } = createFigures();
    libp2p.registerCounter('libp2p_something').increment();
    libp2p.registerSummary('libp2p_something_else').observe(1);
    libp2p.start();
    expect(await register.metrics()).toBe(before);
    libp2p.stop();
  });

  it('shows the process once, for whichever nodes ask for that', async () => {
    const registry = new Registry();
    createFigures({ registry, includeProcess: true });
    createFigures({ registry, includeProcess: true });
    expect((await registry.metrics()).match(/# TYPE process_start_time_seconds gauge/g)).toHaveLength(1);
  });
});

describe('the figures of the process', () => {
  const create = (registry?: Registry) =>
    createFigures({ includeProcess: true, ...(registry && { registry }) });

  it('are collected once for all registries, and keep none of them', async () => {
    const observe = vi.spyOn(PerformanceObserver.prototype, 'observe');
    const kept = Array.from({ length: 5 }, () => {
      const { libp2p, registry } = create();
      libp2p.start();
      libp2p.stop();
      return new WeakRef(registry);
    });
    expect(observe.mock.calls.length).toBeLessThanOrEqual(1);
    observe.mockRestore();
    await new Promise(setImmediate);
    collectGarbage();
    expect(kept.filter((registry) => registry.deref() !== undefined)).toEqual([]);
  });

  it('are the same in each registry, under the names of prom-client, and are not reset with one', async () => {
    const ours = create();
    const theirs = new Registry();
    collectDefaultMetrics({ register: theirs });
    const typesOf = (text: string) => text.match(/^# TYPE (?:nodejs|process)_.*$/gm);
    const text = await ours.prometheus();
    expect(typesOf(text)).toEqual(typesOf(await theirs.metrics()));
    ours.registry.resetMetrics();
    expect(samplesOf(await ours.prometheus())['process_start_time_seconds']).toBeGreaterThan(1e9);
    expect(samplesOf(await create().prometheus())['process_cpu_seconds_total']).toBeGreaterThanOrEqual(
      samplesOf(text)['process_cpu_seconds_total']!,
    );
  });

  it('can be had in the format of OpenMetrics, beside that of Prometheus', async () => {
    const open = new Registry();
    open.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never);
    create(open);
    for (const text of [await open.metrics(), await open.metrics()])
      expect(text).toMatch(/^# TYPE process_cpu_seconds counter\nprocess_cpu_seconds_total \d/m);
    expect(await create().prometheus()).toMatch(
      /^# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total \d/m,
    );
  });

  it('leave alone what an application has registered by one of their names', async () => {
    const registry = new Registry();
    new Counter({ name: 'nodejs_active_handles_total', help: 'Taken.', registers: [registry] }).inc(7);
    create(registry);
    const samples = samplesOf(await registry.metrics());
    expect(samples).toMatchObject({ nodejs_active_handles_total: 7 });
    expect(samples).toHaveProperty('nodejs_heap_size_used_bytes');
  });
});

it('a registry of one’s own shows the figures also after the stop, and those of the process only when told to', async () => {
  const { libp2p, meter, prometheus } = createFigures();
  meter.counter(requests, { method: 'echo' })();
  libp2p.start();
  libp2p.stop();
  const text = await prometheus();
  expect(text).toContain('lloom_requests_total{method="echo"} 1');
  expect(text).not.toContain('process_');
});
