import { describe, expect, it } from 'vitest';
import type { Family } from './family.ts';
import { Store } from './store.ts';

const requests = { name: 'requests_total', help: 'Requests.', labels: ['method', 'outcome'] };
const times = { name: 'request_seconds', help: 'Times.', labels: ['method'], buckets: [0.1, 1] };

function begin({ maxLabelSets = 16, isStrict = false } = {}) {
  const store = new Store({ maxLabelSets, isStrict });
  const families = new Map<string, Family>();
  store.watch((family) => families.set(family.name, family));
  const read = (name: string) =>
    (
      (families.get(`lloom_${name}`)?.read() ?? []) as { suffix?: string; labels: object; value: number }[]
    ).map(({ suffix = '', labels, value }) => [`${suffix}${Object.values(labels).join('/')}`, value]);
  return { families, read, store };
}

describe('a counter', () => {
  it('is 0 from when it is asked for, and adds 1 or what it is told', () => {
    const { read, store } = begin();
    const add = store.counter(requests, { method: 'echo', outcome: 'answered' });
    expect(read('requests_total')).toEqual([['echo/answered', 0]]);
    add();
    add(2.5);
    expect(read('requests_total')).toEqual([['echo/answered', 3.5]]);
  });

  it('is the same for the same family and labels, in whatever order these are written', () => {
    const { read, store } = begin();
    store.counter(requests, { method: 'echo', outcome: 'answered' })();
    store.counter({ ...requests }, { outcome: 'answered', method: 'echo' })();
    expect(read('requests_total')).toEqual([['echo/answered', 2]]);
  });

  it('never falls, nor takes what is no number', () => {
    const { read, store } = begin();
    const add = store.counter(requests);
    for (const wrong of [-1, Number.NaN, Infinity, 'many' as unknown as number]) add(wrong);
    add(1);
    expect(read('requests_total')).toEqual([['/', 1]]);
  });

  it('passes over labels that its family has not, and keeps values apart that look alike when joined', () => {
    const { read, store } = begin();
    store.counter(requests, { method: 'a', outcome: 'b,c', peer: 'x' })();
    store.counter(requests, { method: 'a,b', outcome: 'c' })();
    expect(read('requests_total')).toEqual([
      ['a/b,c', 1],
      ['a,b/c', 1],
    ]);
  });

  it('sums what has some labels', () => {
    const { store } = begin();
    store.counter(requests, { method: 'a', outcome: 'x' })(2);
    store.counter(requests, { method: 'b', outcome: 'x' })(3);
    store.counter(requests, { method: 'b', outcome: 'y' })(4);
    expect(store.sum(requests, { outcome: 'x' })).toBe(5);
    expect(store.sum({ name: 'unknown_total', help: '' }, {})).toBe(0);
  });
});

describe('label sets', () => {
  it('are bounded: the rest is counted as other, and that it was', () => {
    const { read, store } = begin({ maxLabelSets: 16 });
    for (let at = 0; at < 1_000; at++) store.counter(requests, { method: `m${at}`, outcome: 'x' })();
    const samples = read('requests_total');
    expect(samples).toHaveLength(17);
    expect(samples.at(-1)).toEqual(['other/other', 984]);
    expect(read('metrics_label_sets_dropped_total')).toEqual([['', 984]]);
  });

  it('keep those that were there when more come', () => {
    const { read, store } = begin({ maxLabelSets: 16 });
    const ask = () => store.histogram(times, { method: 'first' });
    ask()(1);
    for (let at = 0; at < 100; at++) store.histogram(times, { method: `m${at}` })(1);
    ask()(1);
    expect(read('request_seconds')).toContainEqual(['_countfirst', 2]);
    expect(read('request_seconds')).toContainEqual(['_countother', 85]);
  });

  it('have values of 256 characters at most', () => {
    const { read, store } = begin();
    store.counter(requests, { method: 'm'.repeat(100_000) })();
    expect(read('requests_total')).toEqual([[`${'m'.repeat(256)}/`, 1]]);
  });
});

describe('a histogram', () => {
  it('counts each value under every bound that is not below it', () => {
    const { read, store } = begin();
    const observe = store.histogram(times, { method: 'a' });
    for (const value of [0.05, 0.1, 0.5, 1.5, 100]) observe(value);
    expect(read('request_seconds')).toEqual([
      ['_bucketa/0.1', 2],
      ['_bucketa/1', 3],
      ['_bucketa/+Inf', 5],
      ['_suma', 102.15],
      ['_counta', 5],
    ]);
  });

  it('passes over what is no number', () => {
    const { read, store } = begin();
    const observe = store.histogram(times);
    for (const wrong of [Number.NaN, Infinity, -Infinity]) observe(wrong);
    expect(read('request_seconds')).toContainEqual(['_count', 0]);
    expect(read('request_seconds')).toContainEqual(['_sum', 0]);
  });

  it('sorts its bounds, and takes each once', () => {
    const { read, store } = begin();
    store.histogram({ ...times, labels: [], buckets: [1, 0.1, 1, Infinity] });
    expect(read('request_seconds').map(([name]) => name)).toEqual([
      '_bucket0.1',
      '_bucket1',
      '_bucket+Inf',
      '_sum',
      '_count',
    ]);
  });
});

describe('a gauge', () => {
  const peers = { name: 'peers', help: 'Peers.', labels: ['role'] };

  it('is read when somebody looks', () => {
    const { read, store } = begin();
    let count = 1;
    store.gauge({ name: 'slots', help: 'Slots.' }, () => count);
    count = 7;
    expect(read('slots')).toEqual([['', 7]]);
  });

  it('gives a figure for each of its labels, one of equal ones', () => {
    const { read, store } = begin();
    const sample = (role: string, value: number) => ({ labels: { role }, value });
    store.gauge(peers, () => [sample('executor', 2), sample('relay', -1), sample('executor', 1)]);
    expect(read('peers')).toEqual([
      ['executor', 3],
      ['relay', -1],
    ]);
  });

  it('is replaced by who says it anew', () => {
    const { read, store } = begin();
    store.gauge(peers, () => 1);
    store.gauge(peers, () => 2);
    expect(read('peers')).toEqual([['', 2]]);
  });

  it('gives nothing when it throws, or is no number', () => {
    const { read, store } = begin();
    store.gauge(peers, () => {
      throw new Error('made by the test');
    });
    expect(read('peers')).toEqual([]);
    store.gauge(peers, () => Number.NaN);
    expect(read('peers')).toEqual([]);
    store.gauge(peers, () => undefined as unknown as number);
    expect(read('peers')).toEqual([]);
  });

  it('is bounded as counters are', () => {
    const { read, store } = begin({ maxLabelSets: 16 });
    const all = Array.from({ length: 100 }, (_, at) => ({ labels: { role: `r${at}` }, value: 1 }));
    store.gauge(peers, () => all);
    expect(read('peers')).toHaveLength(17);
    expect(read('peers').at(-1)).toEqual(['other', 84]);
  });
});

describe('a family that comes again with another shape', () => {
  it('is an error for whoever writes the code', () => {
    const { store } = begin({ isStrict: true });
    store.counter(requests);
    expect(() => store.counter({ ...requests, labels: ['method'] })).toThrow(/lloom_requests_total.*labels/);
    expect(() => store.gauge(requests, () => 1)).toThrow(TypeError);
    store.histogram(times);
    expect(() => store.histogram({ ...times, buckets: [2] })).toThrow(TypeError);
  });

  it('is counted nowhere where nodes run, and leaves the first as it is', () => {
    const { read, store } = begin();
    store.counter(requests, { method: 'a' })();
    store.counter({ ...requests, labels: ['peer'] }, { peer: 'x' })();
    store.gauge(requests, () => 5);
    store.histogram({ ...requests, buckets: [] })(1);
    expect(read('requests_total')).toEqual([['a/', 1]]);
  });

  it('may have another help', () => {
    const { read, store } = begin({ isStrict: true });
    store.counter(requests)();
    store.counter({ ...requests, help: 'In other words.' })();
    expect(read('requests_total')).toEqual([['/', 2]]);
  });
});

it('makes names that Prometheus takes of those that it would not', () => {
  const { families, store } = begin();
  store.counter({ name: 'my-package.bytes (total)', help: '', labels: ['to-whom'] })();
  expect([...families.keys()]).toContain('lloom_my_package_bytes_total_');
  expect(families.get('lloom_my_package_bytes_total_')?.labels).toEqual(['to_whom']);
});
