import { hash } from 'node:crypto';
import { createRequire } from 'node:module';

import { fc } from '@fast-check/vitest';
import { generateKeyPair, privateKeyFromRaw, publicKeyFromRaw } from '@libp2p/crypto/keys';
import { fromHex, toHex } from '@lloom/core';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { afterEach, describe, expect, test, vi } from 'vitest';

import { cryptoBackend, Identity, messageKeys } from '../src/index.ts';
import { knownKey } from './support/world.ts';

const key = privateKeyFromRaw(fromHex(knownKey.privateKey));
const stranger = privateKeyFromRaw(new Uint8Array(32).fill(3));
const order = secp256k1.Point.Fn.ORDER;
const { sign, verify } = fastKeys();
const { curve } = await cryptoBackend();

/** What libp2p's keys call. In tests their calls go through the addon: see `@lloom/simkit/remember-keys`. */
const libp2p = {
  sign: (bytes: Uint8Array, { raw } = key) =>
    secp256k1.sign(hash('sha256', bytes, 'buffer'), raw, { prehash: false, format: 'der' }),
  verify: (bytes: Uint8Array, signature: Uint8Array, { raw } = key.publicKey) =>
    secp256k1.verify(signature, hash('sha256', bytes, 'buffer'), raw, { prehash: false, format: 'der' }),
};

const message = fc.uint8Array({ maxLength: 1_000 });
const text = new TextEncoder().encode('What is a loom?');
const pair = secp256k1.Signature.fromBytes(key.sign(text) as Uint8Array, 'der');

/** The fast forms for the known key, or libp2p's own where there are none, as a caller has them. */
function fastKeys() {
  const keys = messageKeys();
  return {
    sign: keys.signerOf(key) ?? ((bytes: Uint8Array) => key.sign(bytes)),
    verify:
      keys.verifierOf(key.publicKey) ??
      ((bytes: Uint8Array, signature: Uint8Array) => key.publicKey.verify(bytes, signature)),
  };
}

/** A number as an integer in DER, with bytes before it that need not be there. */
function integerOf(number: bigint, before: readonly number[] = []): readonly number[] {
  const hex = number.toString(16);
  const bytes = fromHex(`0x${hex.length % 2 === 0 ? hex : `0${hex}`}`);
  const padding = (bytes[0] ?? 0) >= 0x80 ? [0] : [];
  return [0x02, before.length + padding.length + bytes.length, ...before, ...padding, ...bytes];
}

const sequenceOf = (...parts: readonly (readonly number[])[]): Uint8Array =>
  Uint8Array.from([0x30, parts.flat().length, ...parts.flat()]);

describe('signing', () => {
  test('gives the same bytes as libp2p', async () => {
    await fc.assert(
      fc.asyncProperty(message, async (bytes) => {
        expect(toHex(await sign(bytes))).toBe(toHex(libp2p.sign(bytes)));
      }),
      { numRuns: 300, seed: 1 },
    );
  });

  test('gives the same bytes as libp2p when a number is short', async () => {
    const short: Uint8Array[] = [];
    for (let index = 0; short.length < 3; index++) {
      const bytes = Uint8Array.of(index >> 8, index);
      const signature = await sign(bytes);
      if (signature.length >= 70) continue;
      short.push(signature);
      expect(toHex(signature)).toBe(toHex(libp2p.sign(bytes)));
      expect(await verify(bytes, signature)).toBe(true);
    }
  });

  test('does not change a signature that it gave while it goes on', async () => {
    const given = await Promise.all(
      Array.from({ length: 150 }, async (_, index) => sign(Uint8Array.of(index))),
    );
    const asGiven = given.map((signature) => toHex(signature));
    for (let index = 0; index < 150; index++) await sign(Uint8Array.of(index, index));
    expect(given.map((signature) => toHex(signature))).toEqual(asGiven);
  });
});

describe('verifying', () => {
  test('accepts what libp2p signs, and what it signs itself is accepted by libp2p', async () => {
    await fc.assert(
      fc.asyncProperty(message, async (bytes) => {
        const signature = await sign(bytes);
        expect(libp2p.verify(bytes, signature)).toBe(true);
        expect(await verify(bytes, libp2p.sign(bytes))).toBe(true);
      }),
      { numRuns: 100, seed: 2 },
    );
  });

  test('refuses, as libp2p does, when a byte of the message or of the signature is another', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 1, maxLength: 100 }),
        fc.record({ isMessage: fc.boolean(), at: fc.nat(99), by: fc.integer({ min: 1, max: 255 }) }),
        async (bytes, { isMessage, at, by }) => {
          const signature = Uint8Array.from(await sign(bytes));
          const changed = isMessage ? bytes : signature;
          const place = at % changed.length;
          changed[place] = (changed[place] ?? 0) ^ by;
          expect(await key.publicKey.verify(bytes, signature)).toBe(false);
          expect(await verify(bytes, signature)).toBe(false);
        },
      ),
      { numRuns: 300, seed: 3 },
    );
  });

  test('refuses what another key signed', async () => {
    await fc.assert(
      fc.asyncProperty(message, async (bytes) => {
        expect(await verify(bytes, await stranger.sign(bytes))).toBe(false);
      }),
      { numRuns: 50, seed: 4 },
    );
  });

  test('refuses garbage as libp2p does, and never throws', async () => {
    const framed = fc
      .tuple(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 40 }))
      .map(([r, s]) => sequenceOf([0x02, r.length, ...r], [0x02, s.length, ...s]));
    await fc.assert(
      fc.asyncProperty(
        message,
        fc.oneof(fc.uint8Array({ maxLength: 200 }), framed),
        async (bytes, garbage) => {
          expect(await verify(bytes, garbage)).toBe(await key.publicKey.verify(bytes, garbage));
        },
      ),
      { numRuns: 500, seed: 5 },
    );
  });

  const { r, s } = pair;
  const good = sequenceOf(integerOf(r), integerOf(s));
  const whole = [...integerOf(r), ...integerOf(s)];
  test.for<[string, Uint8Array]>([
    ['an s in the upper half', sequenceOf(integerOf(r), integerOf(order - s))],
    ['no bytes', new Uint8Array(0)],
    ['a sequence tag only', Uint8Array.of(0x30)],
    ['an empty sequence', Uint8Array.of(0x30, 0)],
    ['one integer only', sequenceOf(integerOf(r))],
    ['three integers', sequenceOf(integerOf(r), integerOf(s), integerOf(1n))],
    ['empty integers', sequenceOf([0x02, 0], [0x02, 0])],
    ['an empty r', sequenceOf([0x02, 0], integerOf(s))],
    ['an empty s', sequenceOf(integerOf(r), [0x02, 0])],
    ['a byte after the sequence', Uint8Array.from([...good, 0])],
    ['a byte after the integers', sequenceOf(whole, [0])],
    ['the last byte missing', good.subarray(0, -1)],
    ['a length that says more', Uint8Array.from([0x30, whole.length + 1, ...whole])],
    ['a length that says less', Uint8Array.from([0x30, whole.length - 1, ...whole])],
    ['a length of two bytes', Uint8Array.from([0x30, 0x81, whole.length, ...whole])],
    ['a length without end', Uint8Array.from([0x30, 0x80, ...whole, 0, 0])],
    [
      'an integer whose length has two bytes',
      sequenceOf([0x02, 0x81, ...integerOf(r).slice(1)], integerOf(s)),
    ],
    [
      'an integer that reaches beyond the end',
      sequenceOf([0x02, 0xff, ...integerOf(r).slice(2)], integerOf(s)),
    ],
    ['another tag than that of a sequence', Uint8Array.from([0x31, ...good.subarray(1)])],
    ['another tag than that of an integer', sequenceOf([0x03, ...integerOf(r).slice(1)], integerOf(s))],
    ['another tag than that of an integer for s', sequenceOf(integerOf(r), [0x03, ...integerOf(s).slice(1)])],
    ['a zero before r that need not be there', sequenceOf(integerOf(r, [0]), integerOf(s))],
    ['a zero before s that need not be there', sequenceOf(integerOf(r), integerOf(s, [0]))],
    [
      'an r that is negative without its padding',
      sequenceOf([0x02, 32, ...integerOf(r).slice(3)], integerOf(s)),
    ],
    ['a negative s', sequenceOf(integerOf(r), [0x02, 32, ...integerOf(order - s).slice(3)])],
    ['zero for r', sequenceOf(integerOf(0n), integerOf(s))],
    ['zero for s', sequenceOf(integerOf(r), integerOf(0n))],
    ['the order of the curve for r', sequenceOf(integerOf(order), integerOf(s))],
    ['the order of the curve for s', sequenceOf(integerOf(r), integerOf(order))],
    ['r with the order added', sequenceOf(integerOf(r + order), integerOf(s))],
    ['s with the order added', sequenceOf(integerOf(r), integerOf(s + order))],
    [
      'the largest number of 256 bits for both',
      sequenceOf(integerOf(2n ** 256n - 1n), integerOf(2n ** 256n - 1n)),
    ],
    ['an r of 40 bytes', sequenceOf(integerOf(2n ** 316n), integerOf(s))],
    ['r and s as 64 bytes', pair.toBytes('compact')],
    ['100,000 bytes', new Uint8Array(100_000).fill(0x30)],
  ])('refuses %s', async ([, signature]) => {
    expect(await verify(text, good)).toBe(true);
    expect(await key.publicKey.verify(text, signature)).toBe(false);
    expect(await verify(text, signature)).toBe(false);
  });

  // Numbers that are small enough, with the order added, to be the x of a point; of others there is no such signature.
  test.for([2n, 4n, 6n, 7n])(
    'accepts, as libp2p does, an r of %d that stands for an x beyond the order of the curve',
    async (beyond) => {
      const signature = new secp256k1.Signature(beyond, 5n, 2);
      const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', text));
      const owner = publicKeyFromRaw(signature.recoverPublicKey(digest).toBytes());
      const der = signature.toBytes('der');
      expect([libp2p.verify(text, der, owner), await owner.verify(text, der)]).toEqual([true, true]);
      expect(messageKeys().verifierOf(owner)?.(text, der)).toBe(curve === 'native' ? true : undefined);
    },
  );

  test('takes bytes that are part of something larger', async () => {
    const around = (bytes: Uint8Array): Uint8Array =>
      Uint8Array.from([1, ...bytes, 2]).subarray(1, bytes.length + 1);
    expect(await verify(around(text), around(good))).toBe(true);
  });
});

describe.runIf(curve === 'native')('the keys of libp2p, as tests and simulations have them', () => {
  const addon = createRequire(import.meta.url)('secp256k1/bindings.js') as { ecdsaSign: () => unknown };

  test('sign with the addon', async () => {
    const signed = vi.spyOn(addon, 'ecdsaSign');
    await key.sign(text);
    expect(signed).toHaveBeenCalledTimes(1);
    signed.mockRestore();
  });

  test('are the same keys, sign with the same bytes and verify alike', async () => {
    const privateKey = fc
      .uint8Array({ minLength: 32, maxLength: 32 })
      .filter(secp256k1.utils.isValidSecretKey);
    await fc.assert(
      fc.asyncProperty(privateKey, message, async (bytes, said) => {
        const other = privateKeyFromRaw(bytes);
        expect(toHex(other.publicKey.raw)).toBe(toHex(secp256k1.getPublicKey(bytes, true)));
        const signature = await other.sign(said);
        expect(toHex(signature)).toBe(toHex(libp2p.sign(said, other)));
        // Twice: the second time it is remembered.
        for (const owner of [other, other, key, key]) {
          const isProven = libp2p.verify(said, signature, owner.publicKey);
          expect(await owner.publicKey.verify(said, signature)).toBe(isProven);
        }
      }),
      { numRuns: 40, seed: 6 },
    );
  });
});

describe('which keys are known', () => {
  test.runIf(curve === 'native')('are those of every identity', () => {
    const { libp2pKey } = Identity.generate();
    const signature = messageKeys().signerOf(libp2pKey)?.(text) ?? new Uint8Array();
    expect(messageKeys().verifierOf(libp2pKey.publicKey)?.(text, signature)).toBe(true);
    expect(messageKeys().verifierOf(key.publicKey)?.(text, signature)).toBe(false);
  });

  test.for(['Ed25519', 'RSA', 'ECDSA'] as const)('are none of type %s', async (type) => {
    const other = await generateKeyPair(type as 'Ed25519');
    const keys = messageKeys();
    expect([keys.signerOf(other), keys.verifierOf(other.publicKey)]).toEqual([undefined, undefined]);
  });

  test('are none where the pure form is asked for', () => {
    const keys = messageKeys('pure');
    expect([keys.signerOf(key), keys.verifierOf(key.publicKey)]).toEqual([undefined, undefined]);
  });
});

describe('the variable LLOOM_CRYPTO', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.resetModules();
  });

  test('as "pure" leaves all keys to libp2p', async () => {
    vi.stubEnv('LLOOM_CRYPTO', 'pure');
    vi.resetModules();
    const keys = (await import('../src/messageKeys.ts')).messageKeys();
    expect([keys.signerOf(key), keys.verifierOf(key.publicKey)]).toEqual([undefined, undefined]);
  });

  test('is refused by name when it says anything else', async () => {
    vi.stubEnv('LLOOM_CRYPTO', 'fast');
    vi.resetModules();
    const fresh = await import('../src/messageKeys.ts');
    expect(() => fresh.messageKeys()).toThrow('"environment.LLOOM_CRYPTO" is "fast"');
  });
});
