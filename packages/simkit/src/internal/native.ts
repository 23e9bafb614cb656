import { realOf } from './replacements.ts';

const setTimeout = realOf(globalThis.setTimeout);
const setInterval = realOf(globalThis.setInterval);
const setImmediate = realOf(globalThis.setImmediate);
const clearTimeout = realOf(globalThis.clearTimeout);
const now = realOf(Reflect.get(performance, 'now') as () => number);

/** The process's own means, taken before anything replaces them. */
export const native = {
  /** Calls `fn` on the next turn of the event loop, as the platform calls a timer: outside of any promise. */
  next: (fn: () => void): void => void setImmediate(fn),
  /** A turn of the event loop: every promise that can settle has settled when it resolves. */
  turn: (): Promise<void> => new Promise((resolve) => void setImmediate(resolve)),
  /** Real time, in ms from an arbitrary start. */
  elapsed: now.bind(performance),
  /** What of the process virtual time rests on, by name. */
  globals: {
    setTimeout,
    setInterval,
    setImmediate,
    clearTimeout,
    Date: realOf(globalThis.Date),
    'performance.now': now,
  },
} as const;
