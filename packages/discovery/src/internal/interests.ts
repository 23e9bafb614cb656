import type { ServiceQuery } from '../types.ts';
import { keyOf } from './services.ts';

/** How many different questions are remembered. */
const maxInterests = 32;

/** What was looked for, the last few questions, each once. */
export class Interests {
  readonly #queries = new Map<string, ServiceQuery>();

  /** Notes a question as the newest; the oldest goes when there are too many. */
  note(query: ServiceQuery): void {
    const key = keyOf(query);
    this.#queries.delete(key);
    this.#queries.set(key, query);
    if (this.#queries.size <= maxInterests) return;
    const [oldest] = this.#queries.keys();
    if (oldest !== undefined) this.#queries.delete(oldest);
  }

  /** All of them, the oldest first. */
  get all(): readonly ServiceQuery[] {
    return [...this.#queries.values()];
  }
}
