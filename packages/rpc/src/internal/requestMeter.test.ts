import type { Meter } from '@lloom/core';
import { expect, test } from 'vitest';
import { RequestMeter } from './requestMeter.ts';

function createMeter() {
  const figures = new Map<string, number[]>();
  const made: string[] = [];
  const instrument = (name: string, labels: object) => {
    const key = `${name} ${Object.values(labels).join(' ')}`;
    made.push(key);
    return (value = 1) => void figures.set(key, [...(figures.get(key) ?? []), value]);
  };
  const meter: Meter = {
    counter: (name, labels = {}) => instrument(name, labels),
    histogram: (name, labels = {}) => instrument(name, labels),
  };
  return { meter, figures, made };
}

test('requests are counted by method and end, and their times kept', () => {
  const { meter, figures, made } = createMeter();
  const requests = new RequestMeter(meter, 'rpc_requests');
  requests.ended('ping', 'answered', 12);
  requests.ended('ping', 'answered', 13);
  requests.ended('ping', 'TIMEOUT', 5_000);
  expect(Object.fromEntries(figures)).toEqual({
    'rpc_requests_total ping answered': [1, 1],
    'rpc_requests_ms ping answered': [12, 13],
    'rpc_requests_total ping TIMEOUT': [1],
    'rpc_requests_ms ping TIMEOUT': [5_000],
  });
  expect(made).toHaveLength(4);
});

test('methods without end are counted together', () => {
  const { meter, made } = createMeter();
  const requests = new RequestMeter(meter, 'rpc_served');
  for (let i = 0; i < 10_000; i++) requests.ended(`/random/${i}`, 'refused', 1);
  expect(made.length).toBe(2 * 257);
  expect(made.at(-1)).toBe('rpc_served_ms other refused');
});
