import type { Clock } from '@lloom/core';

/** Time that moves at once, and knows how many timers are alive. */
export class StepClock implements Clock {
  #timers: { readonly id: number; readonly at: number; readonly fn: () => void }[] = [];
  #elapsedMs = 0;
  #ids = 0;

  now = (): number => this.#elapsedMs;
  elapsed = (): number => this.#elapsedMs;

  get live(): number {
    return this.#timers.length;
  }

  /** When timers go off, the next one first. */
  get dueAt(): readonly number[] {
    return this.#timers.map(({ at }) => at);
  }

  setTimeout(fn: () => void, ms: number): number {
    const at = this.#elapsedMs + ms;
    const after = this.#timers.findIndex((timer) => timer.at > at);
    this.#timers.splice(after === -1 ? this.live : after, 0, { id: ++this.#ids, at, fn });
    return this.#ids;
  }

  clearTimeout(id: unknown): void {
    this.#timers = this.#timers.filter((timer) => timer.id !== id);
  }

  advance(ms: number): void {
    const until = this.#elapsedMs + ms;
    for (;;) {
      const [first] = this.#timers;
      if (first === undefined || first.at > until) break;
      this.#timers.shift();
      this.#elapsedMs = first.at;
      first.fn();
    }
    this.#elapsedMs = until;
  }

  reset(): void {
    this.#timers = [];
    this.#elapsedMs = 0;
  }
}
