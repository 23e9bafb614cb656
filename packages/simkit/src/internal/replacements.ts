/** Anything that can be called. */
export type Callable = (this: unknown, ...args: unknown[]) => unknown;

type Replacement = (this: never, ...args: never[]) => unknown;

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
    const enumerable = Object.getOwnPropertyDescriptor(target, key)?.enumerable ?? false;
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
    const original = Reflect.get(target, key) as Callable;
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
    this.value(target, key, Object.defineProperties(replaced, kept));
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
      else Object.defineProperty(target, key, was);
    });
  }
}
