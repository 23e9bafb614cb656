import type { Clock, Meter } from '@lloom/core';
import { DiscoveryError, type DiscoveryErrorCode } from '../errors.ts';
import * as families from './families.ts';

/** Whatever else a search throws, it is over because somebody wanted it, or was never begun. */
const failures: ReadonlySet<DiscoveryErrorCode> = new Set(['NO_DHT', 'QUERY_FAILED', 'QUERY_TIMEOUT']);

/** Counts searches, and how long they take. */
export class SearchMeter {
  readonly #clock: Pick<Clock, 'elapsed'>;
  readonly #count: Readonly<Record<'found' | 'empty' | 'failed', () => void>>;
  readonly #time: (seconds: number) => void;

  constructor(meter: Meter, clock: Pick<Clock, 'elapsed'>) {
    const counter = (outcome: string): (() => void) => meter.counter(families.searches, { outcome });
    this.#clock = clock;
    this.#count = { found: counter('found'), empty: counter('empty'), failed: counter('failed') };
    this.#time = meter.histogram(families.searchTime);
  }

  /** Runs a search; gives what it gives, and throws what it throws. */
  async measure<T extends { readonly providers: readonly unknown[] }>(search: () => Promise<T>): Promise<T> {
    const beganAtMs = this.#clock.elapsed();
    try {
      const result = await search();
      this.#note(result.providers.length > 0 ? 'found' : 'empty', beganAtMs);
      return result;
    } catch (error) {
      if (DiscoveryError.is(error) && failures.has(error.code)) this.#note('failed', beganAtMs);
      throw error;
    }
  }

  #note(outcome: 'found' | 'empty' | 'failed', beganAtMs: number): void {
    this.#count[outcome]();
    this.#time((this.#clock.elapsed() - beganAtMs) / 1_000);
  }
}
