import { describe, expect, test } from 'vitest';

import { equalValues } from './equal.ts';

const nested = (depth: number, end: unknown): unknown => {
  let value = end;
  for (let level = 0; level < depth; level++) value = [value];
  return value;
};

describe('two plain values', () => {
  test.for<[string, unknown, unknown]>([
    ['have the same fields in another order', { a: 1, b: ['x', null] }, { b: ['x', null], a: 1 }],
    ['differ in a field that is undefined', { a: 1 }, { a: 1, b: undefined }],
    ['differ in the prototype only', { a: 1 }, Object.assign(Object.create(null) as object, { a: 1 })],
    ['are equal 100,000 levels deep', nested(100_000, 1), nested(100_000, 1)],
  ])('are equal when they %s', ([, left, right]) => {
    expect(equalValues(left, right)).toBe(true);
    expect(equalValues(right, left)).toBe(true);
  });

  test.for<[string, unknown, unknown]>([
    ['differ in a field', { a: 1 }, { a: 2 }],
    ['have another field', { a: 1 }, { b: 1 }],
    ['have one field more', { a: 1 }, { a: 1, b: null }],
    ['are a list and an object', ['x'], { 0: 'x' }],
    ['are lists of other lengths', [1], [1, 2]],
    ['are of other types', '1', 1],
    ['are null and an object', null, {}],
    ['hide what they hold', {}, new Map([['a', 1]])],
    ['inherit a field', { toString: 1 }, {}],
    ['have a field named as the prototype', JSON.parse('{"__proto__":{"a":1}}'), {}],
    ['differ 100,000 levels deep', nested(100_000, 1), nested(100_000, 2)],
  ])('are not equal when they %s', ([, left, right]) => {
    expect(equalValues(left, right)).toBe(false);
    expect(equalValues(right, left)).toBe(false);
  });
});
