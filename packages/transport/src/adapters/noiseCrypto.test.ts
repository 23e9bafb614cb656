import { fc } from '@fast-check/vitest';
import { defaultCrypto } from '@libp2p/noise/crypto';
import { ConfigError } from '@lloom/core';
import { Uint8ArrayList } from 'uint8arraylist';
import { describe, expect, test } from 'vitest';

import rfc8439 from '../../test/vectors/rfc8439.json' with { type: 'json' };
import type { Aead } from '../ports.ts';
import { nodeAead } from './nodeAead.ts';
import { chooseCrypto, noiseCrypto, noiseCryptoInfo } from './noiseCrypto.ts';
import { createSodiumAead } from './sodiumAead.ts';

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));

const failing = (): never => {
  throw new Error('No addon was found for this platform');
};

/** The addon, where there is a build for this platform. */
function addon(): Aead | undefined {
  try {
    return createSodiumAead();
  } catch {
    return undefined;
  }
}
const sodium = addon();

/** Every cipher by itself, and as they are composed. */
const ciphers: { readonly name: string; readonly aead: Aead }[] = [
  { name: 'Node.js', aead: nodeAead },
  ...(sodium === undefined ? [] : [{ name: 'sodium-native', aead: sodium }]),
  { name: 'all, with the addon', aead: chooseCrypto({}, createSodiumAead).crypto },
  { name: 'all, without the addon', aead: chooseCrypto({}, failing).crypto },
];

/** A list of the same bytes, cut in places. */
function listOf(bytes: Uint8Array, cuts: readonly number[]): Uint8ArrayList {
  const list = new Uint8ArrayList();
  let start = 0;
  for (const cut of [...cuts.map((each) => each % (bytes.byteLength + 1)), bytes.byteLength].toSorted(
    (a, b) => a - b,
  )) {
    list.append(bytes.subarray(start, cut));
    start = cut;
  }
  return list;
}

/** What the ciphers say of bytes that nobody sealed. */
const refusal = /authenticate data|verify data|chacha20poly1305|shorter than its tag|must be|Invalid/;

/** Sizes on both sides of every border between ciphers, and what a record holds at most. */
const sizes = [0, 1, 495, 496, 511, 512, 1_199, 1_200, 16_367, 16_368, 16_383, 16_384, 65_519];
const size = fc.oneof(fc.constantFrom(...sizes), fc.integer({ min: 0, max: 70_000 }));
const array = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const input = fc.record({
  length: size,
  fill: fc.integer({ min: 0, max: 255 }),
  nonce: array(12),
  key: array(32),
  beside: fc.uint8Array({ maxLength: 32 }),
  cuts: fc.array(fc.nat(70_000), { maxLength: 6 }),
});

describe.each(ciphers)('$name', ({ aead }) => {
  test.for(rfc8439.vectors)('seals and opens the vector of section $section', (vector) => {
    const [key, nonce, beside] = [hex(vector.key), hex(vector.nonce), hex(vector.beside)];
    const text = new TextEncoder().encode(vector.text);
    const sealed = aead.chaCha20Poly1305Encrypt(text, nonce, beside, key).subarray();
    expect(Buffer.from(sealed).toString('hex')).toBe(vector.sealed);
    const opened = aead.chaCha20Poly1305Decrypt(hex(vector.sealed), nonce, beside, key).subarray();
    expect(new TextDecoder().decode(opened)).toBe(vector.text);
  });

  test('seals as the library does, and opens what the library sealed, in one part or many', () => {
    fc.assert(
      fc.property(input, ({ length, fill, nonce, key, beside, cuts }) => {
        const text = new Uint8Array(length).map((_, at) => at * 13 + fill);
        const parts = (bytes: Uint8Array) => (cuts.length === 0 ? bytes : listOf(bytes, cuts));
        const theirs = defaultCrypto.chaCha20Poly1305Encrypt(text, nonce, beside, key).subarray();
        const ours = aead.chaCha20Poly1305Encrypt(parts(text), nonce, beside, key).subarray();
        expect(Buffer.compare(ours, theirs)).toBe(0);
        // As Noise asks for it: the place of the sealed bytes may be used for the text.
        const sealed = parts(Uint8Array.from(theirs));
        const place = sealed.subarray(0, length);
        const opened = aead.chaCha20Poly1305Decrypt(sealed, nonce, beside, key, place).subarray();
        expect(Buffer.compare(opened, text)).toBe(0);
        const alone = aead.chaCha20Poly1305Decrypt(Uint8Array.from(theirs), nonce, beside, key).subarray();
        expect(Buffer.compare(alone, text)).toBe(0);
      }),
      { numRuns: 150, seed: 8439 },
    );
  });

  test.for(sizes)('refuses %i bytes of which one bit was changed, wherever it is', (length) => {
    const [key, nonce, beside] = [new Uint8Array(32).fill(1), new Uint8Array(12), new Uint8Array(3)];
    const sealed = defaultCrypto
      .chaCha20Poly1305Encrypt(new Uint8Array(length), nonce, beside, key)
      .subarray();
    const open =
      (...changed: Parameters<Aead['chaCha20Poly1305Decrypt']>) =>
      () =>
        aead.chaCha20Poly1305Decrypt(...changed);
    const places = new Set([0, length >> 1, length, length + 15].filter((at) => at < sealed.byteLength));
    for (const at of places) {
      const changed = Uint8Array.from(sealed);
      changed[at]! ^= 1;
      expect(open(changed, nonce, beside, key)).toThrow(refusal);
      expect(open(listOf(changed, [at, 7]), nonce, beside, key)).toThrow(refusal);
    }
    const copy = (): Uint8Array => Uint8Array.from(sealed);
    expect(open(copy(), new Uint8Array(12).fill(1), beside, key)).toThrow(refusal);
    expect(open(copy(), nonce, new Uint8Array(3).fill(1), key)).toThrow(refusal);
    expect(open(copy(), nonce, new Uint8Array(), key)).toThrow(refusal);
    expect(open(copy(), nonce, beside, new Uint8Array(32).fill(2))).toThrow(refusal);
    expect(open(copy().subarray(0, -1), nonce, beside, key)).toThrow(refusal);
  });

  test.for([0, 1, 15])('refuses %i bytes, which are less than a tag', (length) => {
    const open = () =>
      aead.chaCha20Poly1305Decrypt(
        new Uint8Array(length),
        new Uint8Array(12),
        new Uint8Array(),
        new Uint8Array(32),
      );
    expect(open).toThrow(refusal);
  });
});

describe('the choice of a cipher', () => {
  test('takes the addon where it loads', () => {
    const { smallRecords, reason } = chooseCrypto({}, () => nodeAead);
    expect([smallRecords, reason]).toEqual(['sodium', undefined]);
  });

  test('does without the addon where it does not load, and says why', () => {
    const { smallRecords, reason } = chooseCrypto({}, failing);
    expect([smallRecords, reason]).toEqual(['library', 'No addon was found for this platform']);
  });

  test('does without it when LLOOM_CRYPTO says so, and does not try to load it', () => {
    const { smallRecords, reason } = chooseCrypto({ LLOOM_CRYPTO: 'pure' }, failing);
    expect([smallRecords, reason]).toEqual(['library', 'LLOOM_CRYPTO is "pure"']);
  });

  test('counts an empty LLOOM_CRYPTO as not set, and refuses any other value by name', () => {
    expect(chooseCrypto({ LLOOM_CRYPTO: '' }, () => nodeAead).smallRecords).toBe('sodium');
    expect(() => chooseCrypto({ LLOOM_CRYPTO: 'fast' }, failing)).toThrow(
      '"environment.LLOOM_CRYPTO" is "fast", want one of "auto", "pure"',
    );
  });

  test('does without it when the configuration says so, and says what is in use', () => {
    const reason = 'the configuration asks for "pure"';
    expect(noiseCryptoInfo({ crypto: 'pure' })).toEqual({ smallRecords: 'library', reason });
    expect(noiseCrypto({ crypto: 'pure' })).toBe(noiseCrypto({ crypto: 'pure' }));
    expect(noiseCryptoInfo().reason === undefined).toBe(noiseCryptoInfo().smallRecords === 'sodium');
  });

  test('refuses a configuration that it does not know', () => {
    expect(() => noiseCrypto({ crypto: 'fast' as 'auto' })).toThrow(ConfigError);
  });

  test('leaves all but the cipher to the library', () => {
    const own: unknown = expect.any(Function);
    const cipher = { chaCha20Poly1305Encrypt: own, chaCha20Poly1305Decrypt: own };
    expect(noiseCrypto()).toEqual({ ...defaultCrypto, ...cipher });
  });
});
