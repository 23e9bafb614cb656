import type { Check } from '@lloom/core';

/** An object of which these can be called. */
export const objectThatHas =
  (methods: readonly string[], wanted: string): Check =>
  (value) => {
    if (typeof value !== 'object' || value === null) return wanted;
    const own = value as Readonly<Record<string, unknown>>;
    return methods.every((name) => typeof own[name] === 'function') ? undefined : wanted;
  };

const clockMethods = ['now', 'elapsed', 'setTimeout', 'clearTimeout'];

/** Where time comes from. */
export const clockCheck = objectThatHas(clockMethods, `a clock, with the methods ${clockMethods.join(', ')}`);

const observerCheck = objectThatHas(['next'], 'a function that takes events');

/** Who watches machines: a function, or an observer, which XState takes as well. */
export const inspectCheck: Check = (value) =>
  typeof value === 'function' ? undefined : observerCheck(value);

/**
 * What is left to check as a configuration: everything but the ports that are right. Those must stay what they are, while a
 * configuration is copied and frozen.
 */
export function withoutPorts<C extends object>(given: C, checks: Readonly<Record<string, Check>>): C {
  // What is no object at all is told by whoever resolves it.
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return given;
  const isRight = (name: string, value: unknown): boolean =>
    Object.hasOwn(checks, name) && (value === undefined || checks[name]?.(value) === undefined);
  const left = Object.entries(given).filter(([name, value]) => !isRight(name, value));
  return Object.fromEntries(left) as C;
}
