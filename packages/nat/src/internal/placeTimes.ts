import { retryDelay, spread, type RetryPolicy } from '@lloom/core';

/** A dial that nobody answers and the longest pause together are below the 30 s in which a relay's return must show. */
const failed: RetryPolicy = { retryDelayMs: 1_000, maxRetryDelayMs: 15_000 };
const refused: RetryPolicy = { retryDelayMs: 30_000, maxRetryDelayMs: 300_000 };
/** All nodes lose a relay at the same moment: they come back spread over so long, in ms. */
const returnMs = 1_000;

const longestMs = 24 * 60 * 60_000;
const shortestMs = 1_000;
/** How long a place is taken to last when the clocks disagree so much that it seems to be over, in ms. */
const disputedMs = 60_000;
const renewBeforeMs = 10_000;
/** A relay may forget a place without a word: so it is renewed this often at least, in ms. */
const longestRestMs = 10 * 60_000;

/** How long a place lasts, as far as the relay can be believed, in ms. */
export function leftOf({ leftMs }: { readonly leftMs: number }): number {
  if (!(leftMs > 0)) return disputedMs;
  return Math.min(longestMs, Math.max(shortestMs, leftMs));
}

/** When to renew a place that lasts so long, in ms. Nodes that got theirs together do not renew them together. */
export const renewAfter = (leftMs: number, chance: number): number =>
  spread(
    Math.min(longestRestMs, Math.max(leftMs / 2, Math.min(0.75 * leftMs, leftMs - renewBeforeMs))),
    chance,
  );

/** How long to wait before a relay is asked again, in ms. */
export function pauseAfter(
  { failures, isRefused }: { readonly failures: number; readonly isRefused: boolean },
  [first, second]: readonly [number, number],
): number {
  if (failures === 0) return Math.round(returnMs * first);
  // The pauses of those that failed together must not stay together.
  return Math.round(retryDelay(isRefused ? refused : failed, failures, first) * (1 - second / 2));
}
