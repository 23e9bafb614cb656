const { setImmediate } = globalThis;

/** The process's own means, taken before anything replaces them. */
export const native = {
  /** Calls `fn` on the next turn of the event loop, as the platform calls a timer: outside of any promise. */
  next: (fn: () => void): void => void setImmediate(fn),
  /** A turn of the event loop: every promise that can settle has settled when it resolves. */
  turn: (): Promise<void> => new Promise((resolve) => void setImmediate(resolve)),
  /** Real time, in ms from an arbitrary start. */
  elapsed: performance.now.bind(performance),
} as const;
