import { createHash } from 'node:crypto';
import type { Random } from '@lloom/core';
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';

/** Chance that a seed decides. Never for secrets: who knows the seed knows everything it will say. */
export interface SeededRandom extends Random {
  /** `length` bytes. */
  readonly bytes: (length: number) => Uint8Array;
  /** A number from 0 up to, not including, 1. */
  readonly float: () => number;
  /**
   * Chance of its own, decided by the seed and `label`: however much one of them is asked, the other does not change.
   * The same label gives the same chance again.
   */
  readonly fork: (label: string) => SeededRandom;
}

const stateWords = 4;

/**
 * Chance that `seed` decides: the same one says the same, on every machine. A number and its decimal text are one seed,
 * and the fork `b` of seed `a` is seed `a/b`.
 *
 * @throws {RangeError} by `bytes`, when its length is not a whole number from 0 on
 * @example
 * ```ts
 * const random = seededRandom(7);
 * random.float(); // the same in every run
 * const links = random.fork('links'); // independent of what else is drawn from `random`
 * ```
 */
export function seededRandom(seed: number | string): SeededRandom {
  const digest = createHash('sha256').update(String(seed)).digest();
  const state = Array.from({ length: stateWords }, (_, word) => digest.readInt32LE(word * 4));
  const generator = xoroshiro128plusFromState(state);
  return {
    bytes: (length) => {
      const bytes = new Uint8Array(length);
      for (let start = 0; start < length; start += 4) {
        const word = generator.next();
        const end = Math.min(4, length - start);
        for (let index = 0; index < end; index += 1) bytes[start + index] = word >>> (8 * index);
      }
      return bytes;
    },
    float: () => uniformFloat64(generator),
    fork: (label) => seededRandom(`${seed}/${label}`),
  };
}
