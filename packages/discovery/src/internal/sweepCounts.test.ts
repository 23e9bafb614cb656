import { expect, it } from 'vitest';
import { SweepCounts } from './sweepCounts.ts';

const heard = (...ids: readonly string[]): ReadonlySet<string> => new Set(ids);

it('knows nothing of an executor before it was heard', () => {
  const counts = new SweepCounts();
  counts.note(heard('a'), true);
  expect(counts.rateOf('b')).toBeUndefined();
  expect(counts.rateOf('constructor')).toBeUndefined();
});

it('is the share of sweeps in which an executor was heard, from the first one on', () => {
  const counts = new SweepCounts();
  counts.note(heard('a'), true);
  counts.note(heard('a', 'b'), true);
  counts.note(heard('b'), true);
  counts.note(heard('a'), true);
  expect(counts.rateOf('a')).toBe(0.75);
  expect(counts.rateOf('b')).toBe(2 / 3);
});

it('holds nothing against those whom a sweep did not reach', () => {
  const counts = new SweepCounts();
  counts.note(heard('a', 'b'), true);
  counts.note(heard('b'), false);
  expect(counts.rateOf('a')).toBe(1);
});

it('lets the past fade, and stays a share', () => {
  const counts = new SweepCounts();
  counts.note(heard('a'), true);
  for (let sweep = 0; sweep < 1_000; sweep++) counts.note(heard(), true);
  expect(counts.rateOf('a')).toBeLessThan(0.001);
  for (let sweep = 0; sweep < 300; sweep++) counts.note(heard('a'), true);
  expect(counts.rateOf('a')).toBeGreaterThan(0.7);
  expect(counts.rateOf('a')).toBeLessThanOrEqual(1);
});

it('counts 2,048 executors, and forgets the one heard longest ago', () => {
  const counts = new SweepCounts();
  counts.note(heard('old'), true);
  counts.note(heard('older'), true);
  counts.note(heard('old'), true);
  counts.note(heard(...Array.from({ length: 2_047 }, (_, at) => `p${at}`)), true);
  expect(counts.rateOf('older')).toBeUndefined();
  expect(counts.rateOf('old')).toBe(0.5);
  counts.clear();
  expect(counts.rateOf('old')).toBeUndefined();
});
