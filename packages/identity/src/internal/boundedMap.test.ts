import { expect, test, vi } from 'vitest';

import { BoundedMap } from './boundedMap.ts';

test('a value is made once, also when it is undefined', () => {
  const map = new BoundedMap<string, undefined>(2);
  const make = vi.fn<() => undefined>();
  map.getOrMake('a', make);
  map.getOrMake('a', make);
  expect(make).toHaveBeenCalledTimes(1);
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
