import timersPromises from 'node:timers/promises';
import { promisify } from 'node:util';
import { realOf, type Replacements } from './replacements.ts';
import { promised, type Cancellable } from './promised.ts';

type Call = (...args: unknown[]) => void;

/** Counts the immediates of the process, so that virtual time can wait for those that immediates make. */
export class Immediates {
  readonly #waiting = new Set<NodeJS.Immediate>();
  readonly #set = realOf(globalThis.setImmediate);
  readonly #clear = realOf(globalThis.clearImmediate);

  /** How many wait. */
  get size(): number {
    return this.#waiting.size;
  }

  /** As in Node.js. */
  readonly setImmediate = (fn: Call, ...args: unknown[]): NodeJS.Immediate => {
    // The platform's own words for what is no function.
    if (typeof fn !== 'function') return this.#set(fn);
    const immediate = this.#set(() => {
      this.#waiting.delete(immediate);
      fn(...args);
    });
    this.#waiting.add(immediate);
    return immediate;
  };

  /** As in Node.js. */
  readonly clearImmediate = (immediate: NodeJS.Immediate | undefined): void => {
    if (immediate !== undefined) this.#waiting.delete(immediate);
    this.#clear(immediate);
  };

  /** As `setImmediate` of `node:timers/promises`. */
  readonly promised = async (value?: unknown, options?: Cancellable): Promise<unknown> =>
    promised(value, options, (done) => {
      const immediate = this.setImmediate(done);
      return () => this.clearImmediate(immediate);
    });

  /** Puts the counted ones in place. */
  replace(replacements: Replacements): void {
    const { clearImmediate } = this;
    replacements.fn(timersPromises, 'setImmediate', this.promised);
    const custom = { [promisify.custom]: timersPromises.setImmediate };
    replacements.fn(globalThis, 'setImmediate', Object.assign(this.setImmediate, custom));
    replacements.fn(globalThis, 'clearImmediate', clearImmediate);
    const sample = this.#set(() => {});
    this.#clear(sample);
    const prototype = Object.getPrototypeOf(sample) as object;
    replacements.fn(prototype, Symbol.dispose, function (this: NodeJS.Immediate) {
      clearImmediate(this);
    });
  }
}
