import { describe, expect, it } from 'vitest';

import { BoundedMap } from './boundedMap.ts';

const filled = (map: BoundedMap<number>, keys: string): BoundedMap<number> => {
  for (const [index, key] of keys.split('').entries()) map.set(key, index);
  return map;
};
const kept = (map: BoundedMap<number>): string =>
  'abcd'
    .split('')
    .filter((key) => map.get(key) !== undefined)
    .join('');

describe('BoundedMap', () => {
  it('forgets the oldest', () => {
    expect(kept(filled(new BoundedMap(2), 'abc'))).toBe('bc');
  });

  it('counts from the last time an entry was set', () => {
    expect(kept(filled(new BoundedMap(2), 'abac'))).toBe('ac');
  });

  it('keeps what is in use, beyond the limit if need be', () => {
    const map = filled(new BoundedMap(1, (key) => key === 'a'), 'abc');
    expect(kept(map)).toBe('ac');
    expect(map.size).toBe(2);
  });

  it('deletes', () => {
    const map = filled(new BoundedMap(2), 'ab');
    map.delete('a');
    expect(kept(map)).toBe('b');
  });
});
