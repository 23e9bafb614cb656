import type { Meter } from '@lloom/core';
import { expect, test } from 'vitest';
import { TestMeter } from '../../test/onlooking.ts';
import { RpcMetrics } from './rpcMetrics.ts';

test('requests are counted by method and end, and the times of those that were answered are kept in seconds', () => {
  const meter = new TestMeter();
  const metrics = new RpcMetrics(meter);
  const before = meter.made;
  metrics.requested('ping', 'answered', 12);
  metrics.requested('ping', 'answered', 13);
  metrics.requested('ping', 'TIMEOUT', 5_000);
  metrics.served('ping', 'answered', 2_000);
  expect(meter.sums('rpc_requests_total')).toEqual({ 'ping answered': 2, 'ping TIMEOUT': 1 });
  expect(meter.values.get('rpc_request_seconds ping')).toEqual([0.012, 0.013]);
  expect(meter.sums('rpc_served_total')).toEqual({ 'ping answered': 1 });
  expect(meter.values.get('rpc_served_seconds ping')).toEqual([2]);
  expect(meter.made - before).toBe(5);
});

test('methods without end are counted together', () => {
  const meter = new TestMeter();
  const metrics = new RpcMetrics(meter);
  const before = meter.made;
  for (let i = 0; i < 10_000; i++) metrics.served(`/random/${i}`, 'refused', 1);
  for (let i = 0; i < 10_000; i++) metrics.retried(`/random/${i}`, 'retry');
  // One is known before, and one counts all others: each has five figures.
  expect(meter.made - before).toBe(256 * 5);
  expect(meter.sum('rpc_served_total other refused')).toBe(10_000 - 255);
  expect(meter.sum('rpc_retries_total other retry')).toBe(10_000 - 255);
});

test('how requests usually end is there from the start, so that the first of them is seen', () => {
  const asked: Record<string, string[]> = {};
  const meter = new TestMeter();
  const counting: Meter = {
    ...{ histogram: meter.histogram, gauge: () => undefined },
    counter: (family, labels) => {
      (asked[family.name] ??= []).push(Object.values(labels ?? {}).join(' '));
      return meter.counter(family, labels);
    },
  };
  expect(new RpcMetrics(counting)).toBeDefined();
  const codes = ['answered', 'TIMEOUT', 'DIAL_FAILED', 'BUSY', 'REMOTE', 'CANCELLED', 'PENDING_LIMIT'];
  const endings = ['answered', 'refused', 'crowdedOut', 'omitted', 'expired', 'failed', 'abandoned'];
  expect(asked['rpc_requests_total']).toEqual(
    expect.arrayContaining(codes.map((code) => `llmRequest ${code}`)),
  );
  expect(asked['rpc_served_total']).toEqual(
    expect.arrayContaining(endings.map((end) => `llmRequest ${end}`)),
  );
  expect(asked['rpc_retries_total']).toEqual(['llmRequest retry', 'llmRequest hedge']);
  expect(meter.values).toEqual(new Map());
});

test('gauges look when somebody asks', () => {
  const meter = new TestMeter();
  let pending = 1;
  const load = { capacity: 8, freeSlots: 3, queueDepth: 2 };
  new RpcMetrics(meter).watch({ pending: () => pending, active: () => 7, load: () => load });
  pending = 5;
  expect(meter.gauges).toEqual({
    rpc_pending_requests: 5,
    rpc_active_requests: 7,
    rpc_queued_requests: 2,
    rpc_slots: 8,
    rpc_free_slots: 3,
  });
});
