import { Uint8ArrayList } from 'uint8arraylist';
import type { MessageStream } from '@libp2p/interface';
import { expect, test } from 'vitest';
import { readLengthsQuietly } from './quietLengths.ts';

/** A connection with a decoder as Noise has it. */
function connection(): { readonly decoder: { lengthDecoder(data: Uint8ArrayList): number } } {
  return {
    decoder: {
      lengthDecoder: () => {
        throw new RangeError('too short');
      },
    },
  };
}

test('lengths are read across pieces, and what is too short is waited for', () => {
  const quiet = connection();
  readLengthsQuietly(quiet as unknown as MessageStream);
  const { decoder } = quiet;
  expect(decoder.lengthDecoder(new Uint8ArrayList(Uint8Array.of(1), Uint8Array.of(2, 3)))).toBe(258);
  expect(decoder.lengthDecoder(new Uint8ArrayList())).toBe(65_535);
  expect(decoder.lengthDecoder(new Uint8ArrayList(Uint8Array.of(1)))).toBe(65_535);
});

test('a connection that is built otherwise stays as it is', () => {
  for (const other of [{}, { decoder: undefined }, { decoder: {} }, { decoder: { lengthDecoder: 7 } }]) {
    const before = structuredClone(other);
    readLengthsQuietly(other as unknown as MessageStream);
    expect(other).toEqual(before);
  }
});
