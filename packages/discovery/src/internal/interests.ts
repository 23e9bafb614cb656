import type { Clock } from '@lloom/core';
import type { ServiceQuery } from '../types.ts';
import { keyOf } from './services.ts';

/** How many different questions are remembered. */
const maxInterests = 32;

interface Interest {
  readonly query: ServiceQuery;
  /** When a search for it ended well, by the clock that never goes back. */
  readonly answeredAtMs: number;
}

/** What was looked for, the last few questions, each once. */
export class Interests {
  readonly #clock: Clock;
  readonly #byKey = new Map<string, Interest>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Notes a question as the newest; the oldest goes when there are too many. */
  note(query: ServiceQuery): void {
    const key = keyOf(query);
    const { answeredAtMs = Number.NEGATIVE_INFINITY } = this.#byKey.get(key) ?? {};
    this.#byKey.delete(key);
    this.#byKey.set(key, { query, answeredAtMs });
    if (this.#byKey.size <= maxInterests) return;
    const [oldest] = this.#byKey.keys();
    if (oldest !== undefined) this.#byKey.delete(oldest);
  }

  /** A search has ended well. */
  noteAnswer(query: ServiceQuery): void {
    const key = keyOf(query);
    if (this.#byKey.has(key)) this.#byKey.set(key, { query, answeredAtMs: this.#clock.elapsed() });
  }

  /** This node was away: what was found before counts no more. */
  forgetAnswers(): void {
    for (const [key, { query }] of this.#byKey)
      this.#byKey.set(key, { query, answeredAtMs: Number.NEGATIVE_INFINITY });
  }

  /** Whether the question was answered so lately. */
  isAnswered(query: ServiceQuery, withinMs: number): boolean {
    const interest = this.#byKey.get(keyOf(query));
    return interest !== undefined && this.#clock.elapsed() - interest.answeredAtMs < withinMs;
  }

  /** All of them, the oldest first. */
  get all(): readonly ServiceQuery[] {
    return [...this.#byKey.values()].map(({ query }) => query);
  }
}
