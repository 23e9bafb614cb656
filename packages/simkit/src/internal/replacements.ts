/** Anything that can be called. */
export type Callable = (this: unknown, ...args: unknown[]) => unknown;

type Replacement = (this: never, ...args: never[]) => unknown;

type Originals = WeakMap<object, unknown>;

/** Known to every copy of this package. */
const originalsKey = Symbol.for('@lloom/simkit/originals');

/**
 * What stood where a replacement stands. Another tool may save one of ours and put it back when we have gone, and
 * another copy of this package may be loaded while ours are in place.
 */
const originals = sharedOriginals();

function sharedOriginals(): Originals {
  const known = Reflect.get(process, originalsKey) as Originals | undefined;
  if (known !== undefined) return known;
  const value: Originals = new WeakMap();
  Object.defineProperty(process, originalsKey, { value });
  return value;
}

/** What a global was before anything of ours took its place. */
export function realOf<T>(value: T): T {
  let real: unknown = value;
  while (typeof real === 'function' && originals.has(real)) real = originals.get(real);
  return real as T;
}

const ownOfEveryFunction = new Set(['name', 'length', 'prototype']);

/** Replaces properties of what the whole process shares, and puts every one of them back as it was. */
export class Replacements {
  readonly #undo: (() => void)[] = [];
  #isActive = true;

  /** Whether nothing was put back yet. */
  get isActive(): boolean {
    return this.#isActive;
  }

  /** Replaces a property by a value. */
  value(target: object, key: PropertyKey, value: unknown): void {
    const was = Object.getOwnPropertyDescriptor(target, key);
    const enumerable = was?.enumerable ?? false;
    if (typeof value === 'function' && !originals.has(value)) originals.set(value, realOf(was?.value));
    this.#define(target, key, { configurable: true, enumerable, writable: true, value });
  }

  /** Replaces a getter. */
  getter(target: object, key: PropertyKey, get: () => unknown): void {
    const enumerable = Object.getOwnPropertyDescriptor(target, key)?.enumerable ?? false;
    this.#define(target, key, { configurable: true, enumerable, get });
  }

  /**
   * Replaces a function that is there; it keeps name, length and properties, but for those that `replacement` has too.
   * Who still holds the replacement afterwards, calls through it whatever has taken its place.
   */
  fn(target: object, key: PropertyKey, replacement: Replacement): void {
    const original = realOf(Reflect.get(target, key) as Callable);
    const follow = (): Callable => {
      const present = Reflect.get(target, key) as Callable;
      return present === replaced ? original : present;
    };
    const isActive = (): boolean => this.#isActive;
    const replaced: Callable = function (...args) {
      return Reflect.apply(isActive() ? (replacement as Callable) : follow(), this, args);
    };
    const kept = { ...Object.getOwnPropertyDescriptors(original) } as PropertyDescriptorMap;
    for (const name of Reflect.ownKeys(replacement)) {
      if (typeof name === 'string' && ownOfEveryFunction.has(name)) continue;
      kept[name as string] = Object.getOwnPropertyDescriptor(replacement, name)!;
    }
    Object.defineProperties(replaced, kept);
    originals.set(replaced, original);
    this.value(target, key, replaced);
  }

  /** Puts everything back, last first. */
  restore(): void {
    this.#isActive = false;
    for (const undo of this.#undo.splice(0).toReversed()) undo();
  }

  #define(target: object, key: PropertyKey, descriptor: PropertyDescriptor): void {
    const was = Object.getOwnPropertyDescriptor(target, key);
    Object.defineProperty(target, key, descriptor);
    this.#undo.push(() => {
      if (was === undefined) Reflect.deleteProperty(target, key);
      else Object.defineProperty(target, key, 'value' in was ? { ...was, value: realOf(was.value) } : was);
    });
  }
}
