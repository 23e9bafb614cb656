import { createHash } from 'node:crypto';
import type { Random } from '@lloom/core';
import { xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';

/**
 * Chance that a seed and the moment decide: it begins anew whenever `moment` returns another number.
 *
 * Libraries draw once more when they are used for the first time, to fill a cache or to try the generator out. Here
 * that changes nothing but the same moment, so that the first run in a process is like every other one. Bytes and
 * floats do not disturb each other either.
 */
export function momentaryRandom(seed: string, moment: () => number): Random {
  const bytes = stream(`${seed}/bytes`, moment);
  const floats = stream(`${seed}/floats`, moment);
  return {
    bytes: (length) => {
      const generator = bytes();
      return Uint8Array.from({ length }, () => generator.next() >>> 24);
    },
    float: () => uniformFloat64(floats()),
  };
}

function stream(seed: string, moment: () => number): () => ReturnType<typeof xoroshiro128plusFromState> {
  const digest = createHash('sha256').update(seed).digest();
  const words = [0, 4, 8, 12].map((offset) => digest.readInt32LE(offset));
  let at = Number.NaN;
  let generator = xoroshiro128plusFromState(words);
  return () => {
    const now = moment();
    if (now !== at) {
      at = now;
      generator = xoroshiro128plusFromState(words.map((word, index) => mix(word ^ mix(now + index))));
    }
    return generator;
  };
}

/** Spreads a number over 32 bits (the finalizer of MurmurHash3). */
function mix(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return hash ^ (hash >>> 16);
}
