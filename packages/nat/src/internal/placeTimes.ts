import { draw, retryDelay, spread, type RetryPolicy } from '@lloom/core';

/** A dial that nobody answers and the longest pause together are below the 30 s in which a relay's return must show. */
const failed: RetryPolicy = { retryDelayMs: 1_000, maxRetryDelayMs: 15_000 };
const refused: RetryPolicy = { retryDelayMs: 30_000, maxRetryDelayMs: 300_000 };
/** All nodes lose a relay, and hear of it again, at the same moment: they come back spread over so long, in ms. */
const returnMs = 1_000;

const longestMs = 24 * 60 * 60_000;
/**
 * A place counts for so long at least, in ms. What a relay says may be less because its clock is behind, and nobody can tell
 * that from a relay that has itself asked all the time.
 */
const shortestMs = 60_000;
/** A relay may forget a place without a word: so it is renewed this often at least, in ms. */
const longestRestMs = 10 * 60_000;

/** How long a place lasts, as far as the relay can be believed, in ms. */
export function leftOf({ leftMs }: { readonly leftMs: number }): number {
  return Number.isNaN(leftMs) ? shortestMs : Math.min(longestMs, Math.max(shortestMs, leftMs));
}

/**
 * What a relay that makes itself heard may bring about: `free`, it is asked soon; `used`, it was; `spent`, that failed, and
 * one whole pause is to pass. A place that has lasted frees it.
 */
export type Haste = 'free' | 'used' | 'spent';

/** How long a place is kept and when it is renewed, in ms. Nodes that got theirs together do not renew them together. */
export function timesOf(place: { readonly leftMs: number }, from: { readonly seed: number }) {
  const { chance, seed } = draw(from.seed);
  const leftMs = leftOf(place);
  return { seed, leftMs, renewMs: spread(Math.min(longestRestMs, 0.75 * leftMs), chance) };
}

/** How long to wait before a relay is asked that has made itself heard, in ms. */
export function planReturn(from: { readonly seed: number }) {
  const { chance, seed } = draw(from.seed);
  return { seed, delayMs: returnAfter(chance), haste: 'used' } as const;
}

/** How long to wait before a relay is asked again, in ms. */
export function planRetry(from: {
  readonly seed: number;
  readonly failures: number;
  readonly isRefused: boolean;
  readonly haste: Haste;
}) {
  const first = draw(from.seed);
  const second = draw(first.seed);
  const haste: Haste = from.haste === 'used' ? 'spent' : 'free';
  return { seed: second.seed, delayMs: pauseAfter(from, [first.chance, second.chance]), haste };
}

const returnAfter = (chance: number): number => Math.round(returnMs * chance);

function pauseAfter(
  { failures, isRefused }: { readonly failures: number; readonly isRefused: boolean },
  [first, second]: readonly [number, number],
): number {
  if (failures === 0) return returnAfter(first);
  // The pauses of those that failed together must not stay together.
  return Math.round(retryDelay(isRefused ? refused : failed, failures, first) * (1 - second / 2));
}
