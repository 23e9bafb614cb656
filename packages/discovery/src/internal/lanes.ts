import { orAbort } from '@lloom/core';

interface Lane {
  running: number;
  /** Called in the order in which their turn comes. */
  readonly waiting: Set<() => void>;
}

/** Work in lanes: so many pieces of one lane at the same time, the others in order. Keeps what is under way, no more. */
export class Lanes {
  readonly #limit: number;
  readonly #lanes = new Map<string, Lane>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Lanes in which something is under way. */
  get size(): number {
    return this.#lanes.size;
  }

  /**
   * Runs the work when it is its turn.
   * @throws {Error} the reason of the signal, when that fires before
   */
  async run<T>(
    key: string,
    { signal }: { readonly signal: AbortSignal },
    work: () => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted();
    const lane = this.#lanes.get(key) ?? { running: 0, waiting: new Set() };
    this.#lanes.set(key, lane);
    if (lane.running < this.#limit) lane.running++;
    else await this.#turn(key, lane, signal);
    try {
      return await work();
    } finally {
      this.#pass(key, lane);
    }
  }

  async #turn(key: string, lane: Lane, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    lane.waiting.add(resolve);
    try {
      await orAbort(promise, signal);
    } catch (error) {
      // The turn may have come in the same moment: somebody else takes it.
      if (!lane.waiting.delete(resolve)) this.#pass(key, lane);
      throw error;
    }
  }

  #pass(key: string, lane: Lane): void {
    const [next] = lane.waiting;
    if (next === undefined) lane.running--;
    else {
      lane.waiting.delete(next);
      next();
    }
    if (lane.running === 0) this.#lanes.delete(key);
  }
}
