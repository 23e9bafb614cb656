import { systemRandom, type Random } from '@lloom/core';
import { expect, test, vi } from 'vitest';

import { createStoredRandom } from './random.ts';

/** Counts up, four bytes a number: no four bytes come twice. */
function countingRandom() {
  let next = 0;
  const bytes = vi.fn<Random['bytes']>((length) => {
    const words = Uint32Array.from({ length: Math.ceil(length / 4) }, () => next++);
    return new Uint8Array(words.buffer).subarray(0, length);
  });
  return { bytes, float: () => 0.25 } satisfies Random;
}

const numberIn = (bytes: Uint8Array): number => new DataView(bytes.buffer).getUint32(0, true);

test('gives no byte twice', () => {
  const random = createStoredRandom(countingRandom());
  const given: number[] = [];
  for (let round = 0; round < 1_000; round++) {
    for (const length of [32, 16]) {
      const bytes = random.bytes(length);
      expect(bytes).toHaveLength(length);
      for (let at = 0; at < length; at += 4) given.push(numberIn(bytes.slice(at)));
    }
  }
  expect(new Set(given).size).toBe(given.length);
});

test('asks its source once for 128 nonces, and shows none of them the others', () => {
  const source = countingRandom();
  const random = createStoredRandom(source);
  const nonces = Array.from({ length: 128 }, () => random.bytes(32));
  expect(source.bytes.mock.calls).toEqual([[4_096]]);
  expect(nonces.map((nonce) => nonce.buffer.byteLength)).toEqual(nonces.map(() => 32));
  random.bytes(32);
  expect(source.bytes).toHaveBeenCalledTimes(2);
});

test('asks its source for what is long', () => {
  const source = countingRandom();
  const random = createStoredRandom(source);
  expect(random.bytes(0)).toHaveLength(0);
  expect(random.bytes(4_097)).toHaveLength(4_097);
  expect(source.bytes.mock.calls).toEqual([[4_097]]);
});

test('gives the numbers of its source', () => {
  expect(createStoredRandom(countingRandom()).float()).toBe(0.25);
  expect(createStoredRandom(systemRandom).bytes(32)).not.toEqual(new Uint8Array(32));
});
