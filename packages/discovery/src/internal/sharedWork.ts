import { orAbort } from '@lloom/core';
import type { Signals } from './deadline.ts';

interface Work<T> {
  readonly promise: Promise<T>;
  readonly abort: AbortController;
  waiting: number;
}

/** Work that several may want at the same time: it is done once, for as long as somebody waits for it. */
export class SharedWork<T> {
  readonly #underWay = new Map<string, Work<T>>();

  /**
   * The outcome of the work of a key that is under way, or that begins now.
   * @throws what the work throws, or the reason of a signal that fires first
   */
  async run(key: string, signals: Signals, begin: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const present = signals.filter((signal) => signal !== undefined);
    for (const signal of present) signal.throwIfAborted();
    const work = this.#underWay.get(key) ?? this.#begin(key, begin);
    work.waiting++;
    try {
      return await present.reduce(orAbort, work.promise);
    } finally {
      work.waiting--;
      if (work.waiting === 0) {
        this.#forget(key, work);
        work.abort.abort(new Error('nobody waits for it any more'));
      }
    }
  }

  #begin(key: string, begin: (signal: AbortSignal) => Promise<T>): Work<T> {
    const abort = new AbortController();
    const promise = begin(abort.signal);
    const work: Work<T> = { promise, abort, waiting: 0 };
    this.#underWay.set(key, work);
    const end = (): void => this.#forget(key, work);
    promise.then(end, end);
    return work;
  }

  #forget(key: string, work: Work<T>): void {
    if (this.#underWay.get(key) === work) this.#underWay.delete(key);
  }
}
