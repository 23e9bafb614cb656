import { expect, test } from 'vitest';
import { createWords } from './browser/words.ts';

test('durations are said as the inspector says them', () => {
  const { duration } = createWords();
  const times = [-1, 0.304, 3.04, 304.4, 1_240, 59_940, 60_000, 62_400, 3_600_000, 3_725_000, 180_000_000];
  expect(times.map(duration)).toEqual([
    '0 ms',
    '304 µs',
    '3 ms',
    '304 ms',
    '1.2 s',
    '59.9 s',
    '1 min',
    '1 min 2 s',
    '1 h',
    '1 h 2 min',
    '2 d 2 h',
  ]);
});
