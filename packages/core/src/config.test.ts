import { describe, expect, test } from 'vitest';

import { boolean, ConfigError, integer, listOf, oneOf, optional, resolveConfig, text } from './index.ts';
import type { Checks, ConfigProblem } from './index.ts';

interface Example {
  readonly timeoutMs: number;
  readonly mode: string;
  readonly enabled: boolean;
  readonly names: readonly string[];
  readonly nested: { readonly deep: readonly number[] };
  readonly label?: string;
}

const checks: Checks<Example> = {
  timeoutMs: integer(1, 1_000),
  mode: oneOf('fast', 'safe'),
  enabled: boolean,
  names: listOf(text(/^[a-z]+$/, 'lower-case letters'), 2),
  nested: (value) => (typeof value === 'object' ? undefined : 'an object'),
  label: optional(text(/./, 'a text')),
};
const defaults: Example = {
  timeoutMs: 100,
  mode: 'safe',
  enabled: true,
  names: ['a'],
  nested: { deep: [1] },
};
const resolve = (input?: unknown): Readonly<Example> =>
  resolveConfig<Example>('example', { checks, defaults }, input as Partial<Example>);

function problemsOf(input: unknown): readonly ConfigProblem[] {
  try {
    resolve(input);
  } catch (error) {
    if (ConfigError.is(error)) return error.data.problems;
    throw error;
  }
  return [];
}

describe('resolveConfig()', () => {
  test('fills absent fields with their defaults', () => {
    expect(resolve()).toEqual(defaults);
    expect(resolve({ timeoutMs: 5, label: 'x' })).toEqual({ ...defaults, timeoutMs: 5, label: 'x' });
  });

  test('takes undefined as absent', () => {
    expect(resolve({ timeoutMs: undefined, label: undefined })).toEqual(defaults);
  });

  test('lists every problem at once, unknown fields included', () => {
    expect(
      problemsOf({ timeoutMs: 0, mode: 'slow', enabled: 1, names: ['A'], timeoutMS: 5, label: 3 }),
    ).toEqual([
      { path: 'example.timeoutMs', got: '0', wanted: 'a whole number from 1 to 1000' },
      { path: 'example.mode', got: '"slow"', wanted: 'one of "fast", "safe"' },
      { path: 'example.enabled', got: '1', wanted: 'true or false' },
      { path: 'example.names', got: '["A"]', wanted: 'a list in which each entry is lower-case letters' },
      {
        path: 'example.timeoutMS',
        got: 'an unknown field',
        wanted: 'one of timeoutMs, mode, enabled, names, nested, label',
      },
      { path: 'example.label', got: '3', wanted: 'a text' },
    ]);
  });

  test('says all of it in one message', () => {
    expect(() => resolve({ timeoutMs: 0, mode: 'slow' })).toThrow(
      'Cannot use the configuration: "example.timeoutMs" is 0, want a whole number from 1 to 1000; ' +
        '"example.mode" is "slow", want one of "fast", "safe"',
    );
  });

  test.for(['__proto__', 'constructor', 'toString'])('knows no field called %s', (name) => {
    const input: unknown = JSON.parse(`{"${name}":{"timeoutMs":1}}`);
    expect(problemsOf(input)).toMatchObject([{ path: `example.${name}`, got: 'an unknown field' }]);
  });

  test.for([null, 5, 'fast', [], [1], true])('refuses %o for a configuration', (input) => {
    expect(problemsOf(input)).toMatchObject([{ path: 'example', wanted: 'an object' }]);
  });

  test('freezes what it gives, and everything in it', () => {
    const resolved = resolve({ names: ['b'] });
    for (const frozen of [resolved, resolved.names, resolved.nested, resolved.nested.deep]) {
      expect(Object.isFrozen(frozen)).toBe(true);
    }
  });

  test('is not changed by what the caller changes later, and changes nothing of the caller', () => {
    const names = ['a'];
    const nested = { deep: [1] };
    const resolved = resolve({ names, nested });
    names.push('NOT CHECKED');
    nested.deep.push(2);
    expect(resolved).toMatchObject({ names: ['a'], nested: { deep: [1] } });
    expect(Object.isFrozen(defaults.names)).toBe(false);
  });

  test('keeps objects of a class as they are', () => {
    const nested = new Map();
    expect(resolve({ nested }).nested).toBe(nested);
    expect(Object.isFrozen(nested)).toBe(false);
  });

  const cycle: Record<string, unknown> = {};
  cycle['self'] = cycle;
  const strange: readonly (readonly [got: string, value: unknown])[] = [
    ['10n', 10n],
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['null', null],
    ['a function', () => 'secret source'],
    ['Symbol(s)', Symbol('s')],
    ['an object', cycle],
    ['"\\"quoted\\""', '"quoted"'],
    ['{"a":1}', { a: 1 }],
  ];

  test.for(strange)('shows %s', ([got, value]) => {
    expect(problemsOf({ timeoutMs: value })).toMatchObject([{ got }]);
  });

  test('shows long values short, and no half characters', () => {
    const [problem] = problemsOf({ mode: '👋'.repeat(1_000) });
    expect(problem?.got.length).toBeLessThanOrEqual(82);
    expect(problem?.got.isWellFormed()).toBe(true);
    const [unknown] = problemsOf({ ['x'.repeat(1_000)]: 1 });
    expect(unknown?.path.length).toBeLessThan(100);
  });
});

describe('checks', () => {
  test('integer() takes whole numbers within its bounds, both included', () => {
    const check = integer(-1, 3);
    for (const value of [-1, 0, 3]) expect(check(value)).toBeUndefined();
    for (const value of [-2, 4, 0.5, '1', 1n, Number.NaN, undefined, null]) {
      expect(check(value)).toBe('a whole number from -1 to 3');
    }
    expect(integer(0)(Number.MAX_SAFE_INTEGER)).toBeUndefined();
    expect(integer(0)(Number.MAX_SAFE_INTEGER + 1)).toBeDefined();
  });

  test('text() gives the same answer each time, also for a global pattern', () => {
    const check = text(/a/g, 'an a');
    expect(['a', 'a', 'a', 'b'].map(check)).toEqual([undefined, undefined, undefined, 'an a']);
    expect(check(5)).toBe('an a');
  });

  test('listOf() bounds the number of entries and checks each', () => {
    const check = listOf(integer(0, 9), 2);
    expect([[], [1], [1, 2]].map(check)).toEqual([undefined, undefined, undefined]);
    expect(check([1, 2, 3])).toBe('a list of at most 2 entries');
    expect(check('12')).toBe('a list of at most 2 entries');
    expect(check([1, 10])).toBe('a list in which each entry is a whole number from 0 to 9');
  });

  test('optional() lets what is absent pass, and nothing else', () => {
    expect(optional(boolean)(undefined)).toBeUndefined();
    expect(optional(boolean)(false)).toBeUndefined();
    expect(optional(boolean)(null)).toBe('true or false');
  });

  test('oneOf() and boolean take what they name only', () => {
    expect(oneOf('a', 'b')('b')).toBeUndefined();
    expect(oneOf('a', 'b')('c')).toBe('one of "a", "b"');
    expect(boolean('true')).toBe('true or false');
  });
});
