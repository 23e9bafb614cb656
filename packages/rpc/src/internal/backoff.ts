import type { RetryStrategy } from '../types.ts';

/** The longest wait of all, in ms: an hour, also when a peer asks for more. */
const longestMs = 3_600_000;

/** What is known when an attempt has failed. */
export interface AttemptFailure {
  /** From 0 up to 1. */
  readonly chance: number;
  /** How long the peer wants to be left alone, in ms; 0 when it said nothing of it. */
  readonly leastDelayMs: number;
  /** Whether another peer is asked next: nobody has to wait for that. */
  readonly isElsewhere: boolean;
}

/**
 * How long to wait before a retry, in whole ms: exponential, and between half of that and the whole ("equal jitter"), so that
 * those that failed together do not come back together.
 *
 * @param retry 1 for the first one
 * @param chance from 0 up to 1
 */
export function backoffMs(strategy: Required<RetryStrategy>, retry: number, chance: number): number {
  const { initialDelayMs, maxDelayMs, exponentialBase } = strategy;
  // Nothing times infinity would be no number.
  const growth = Math.min(exponentialBase ** (retry - 1), Number.MAX_SAFE_INTEGER);
  const capMs = Math.floor(Math.min(maxDelayMs, initialDelayMs * growth));
  return Math.ceil((capMs / 2) * (1 + chance));
}

/**
 * How long to wait before a retry when the peer has its say, in whole ms, an hour at most. Up to a quarter is added to what
 * the peer wants: it has told others the same.
 *
 * @param retry 1 for the first one
 */
export function retryDelayMs(
  strategy: Required<RetryStrategy>,
  retry: number,
  failure: AttemptFailure,
): number {
  const { chance, leastDelayMs, isElsewhere } = failure;
  if (isElsewhere) return 0;
  const wantedMs = Math.ceil(leastDelayMs * (1 + chance / 4));
  return Math.min(longestMs, Math.max(backoffMs(strategy, retry, chance), wantedMs));
}
