import { expect, test } from 'vitest';
import { realOf, Replacements } from './replacements.ts';

test('puts back what was there, also what was replaced twice', () => {
  const target = { plain: 1, greet: () => 'hello' };
  Object.defineProperty(target, 'hidden', { configurable: true, get: () => 2 });
  const before = Object.getOwnPropertyDescriptors(target);
  const replacements = new Replacements();
  replacements.value(target, 'plain', 10);
  replacements.value(target, 'plain', 11);
  replacements.value(target, 'absent', 12);
  replacements.getter(target, 'hidden', () => 20);
  replacements.fn(target, 'greet', () => 'bye');
  expect({ ...target, hidden: Reflect.get(target, 'hidden') }).toMatchObject({ plain: 11, hidden: 20 });
  expect(target.greet()).toBe('bye');
  replacements.restore();
  replacements.restore();
  expect(Object.getOwnPropertyDescriptors(target)).toEqual(before);
});

test('a function that is taken calls what is there after it was put back', () => {
  const target = { greet: (name: string) => `hello ${name}` };
  const replacements = new Replacements();
  replacements.fn(target, 'greet', (name: string) => `bye ${name}`);
  const taken = target.greet;
  replacements.restore();
  expect(taken('you')).toBe('hello you');
  target.greet = (name) => `later ${name}`;
  expect(taken('you')).toBe('later you');
  target.greet = taken;
  expect(target.greet('you')).toBe('hello you');
});

test('a replacement that another tool has saved and put back again is seen through', () => {
  const target = { greet: () => 'hello' };
  const first = new Replacements();
  first.fn(target, 'greet', () => 'first');
  const saved = target.greet;
  target.greet = () => 'of the other tool';
  first.restore();
  target.greet = saved;
  expect(realOf(target.greet)()).toBe('hello');
  const second = new Replacements();
  const real = realOf(target.greet);
  second.fn(target, 'greet', () => `second, not ${real()}`);
  expect(target.greet()).toBe('second, not hello');
  second.restore();
  expect(target.greet).toBe(real);
});
