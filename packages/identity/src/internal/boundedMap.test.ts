import { expect, test, vi } from 'vitest';

import { BoundedMap } from './boundedMap.ts';

test('a value is made once, also when it is undefined', () => {
  const map = new BoundedMap<string, undefined>(2);
  const make = vi.fn<() => undefined>();
  map.getOrMake('a', make);
  map.getOrMake('a', make);
  expect(make).toHaveBeenCalledTimes(1);
});

test('a value that could not be made is made at the next call', () => {
  const map = new BoundedMap<string, string>(2);
  const failing = (): string => {
    throw new Error('not now');
  };
  expect(() => map.getOrMake('a', failing)).toThrow('not now');
  expect(map.getOrMake('a', () => 'made')).toBe('made');
  expect(map.size).toBe(1);
});

test('a map stays within its limit whatever is asked for, also twice in a row', () => {
  const map = new BoundedMap<number, number>(8);
  for (let round = 0; round < 1_000; round++) {
    const key = (round * 7) % 23;
    expect(map.getOrMake(key, () => key)).toBe(key);
    expect(map.getOrMake(key, () => -1)).toBe(key);
    expect(map.size).toBeLessThanOrEqual(8);
  }
});

test('a full map forgets what was not used for longest', () => {
  const map = new BoundedMap<string, string>(2);
  map.getOrMake('a', () => 'first');
  map.getOrMake('b', () => 'first');
  map.getOrMake('a', () => 'never');
  map.getOrMake('c', () => 'first');
  expect(map.size).toBe(2);
  expect(map.getOrMake('a', () => 'again')).toBe('first');
  expect(map.getOrMake('b', () => 'again')).toBe('again');
});
