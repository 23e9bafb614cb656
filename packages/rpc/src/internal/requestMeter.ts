import type { Meter } from '@lloom/core';

/** What one kind of request with one end is counted by. */
interface Instruments {
  readonly count: (by?: number) => void;
  readonly timeMs: (value: number) => void;
}

/** More kinds than that are counted as `other`: what peers ask for must not fill memory. */
const maxMethods = 256;

/** Counts requests and their times, by method and how they ended. */
export class RequestMeter {
  readonly #meter: Meter;
  readonly #name: string;
  readonly #methods = new Map<string, Map<string, Instruments>>();

  /** @param name `rpc_requests` for those of this node, `rpc_served` for those of others */
  constructor(meter: Meter, name: string) {
    this.#meter = meter;
    this.#name = name;
  }

  /** Counts a request that has ended. */
  ended(method: string, outcome: string, elapsedMs: number): void {
    const { count, timeMs } = this.#instruments(method, outcome);
    count();
    timeMs(elapsedMs);
  }

  #instruments(method: string, outcome: string): Instruments {
    let outcomes = this.#methods.get(method);
    if (outcomes === undefined) {
      if (this.#methods.size >= maxMethods && method !== 'other') return this.#instruments('other', outcome);
      this.#methods.set(method, (outcomes = new Map()));
    }
    let found = outcomes.get(outcome);
    if (found === undefined) {
      const labels = { method, outcome };
      const count = this.#meter.counter(`${this.#name}_total`, labels);
      const timeMs = this.#meter.histogram(`${this.#name}_ms`, labels);
      outcomes.set(outcome, (found = { count, timeMs }));
    }
    return found;
  }
}
