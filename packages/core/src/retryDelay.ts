/** How long to wait before a retry. */
export interface RetryPolicy {
  /** Before the first retry, in ms. */
  readonly retryDelayMs: number;
  /** At most, in ms. */
  readonly maxRetryDelayMs: number;
}

/** How much of a delay is left to chance, up and down. */
const jitterRatio = 0.1;

/**
 * A delay that doubles with each attempt up to its maximum, give or take a tenth, in ms.
 *
 * @param attempt 1 for the first one
 * @param chance from 0 to 1
 * @example
 * ```ts
 * const { chance, seed: next } = draw(seed);
 * retryDelay({ retryDelayMs: 1_000, maxRetryDelayMs: 30_000 }, 3, chance); // about 4,000
 * ```
 */
export function retryDelay(policy: RetryPolicy, attempt: number, chance: number): number {
  const doubled = policy.retryDelayMs * 2 ** Math.min(attempt - 1, 30);
  return Math.min(policy.maxRetryDelayMs, spread(Math.min(policy.maxRetryDelayMs, doubled), chance));
}

/** A delay, give or take a tenth, so that nodes that started together do not stay together. */
export function spread(delayMs: number, chance: number): number {
  return Math.max(1, Math.round(delayMs * (1 + jitterRatio * (2 * chance - 1))));
}

/** The next number of a repeatable series, from 0 up to 1, and the seed of the one after it (mulberry32). */
export function draw(seed: number): { readonly chance: number; readonly seed: number } {
  const next = (seed + 0x6d2b79f5) | 0;
  let mixed = Math.imul(next ^ (next >>> 15), 1 | next);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return { chance: ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32, seed: next };
}
