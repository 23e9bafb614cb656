import { generateKeyPair } from '@libp2p/crypto/keys';
import type { PrivateKey } from '@libp2p/interface';
import * as fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { nodeKeys } from '../src/adapters/nodeKeys.ts';

const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

const keys = new Map<string, PrivateKey>();
beforeAll(async () => {
  for (const kind of ['Ed25519', 'secp256k1'] as const) keys.set(kind, await generateKeyPair(kind));
});

/** What libp2p says: a throw is a no. */
function libp2pSays(key: PrivateKey, bytes: Uint8Array, signature: Uint8Array): boolean {
  try {
    return key.publicKey.verify(bytes, signature) as boolean;
  } catch {
    return false;
  }
}

/** The other signature that the curve takes as well. */
function withHighS(signature: Uint8Array): Uint8Array {
  const rEnd = 4 + signature[3]!;
  const s = order - BigInt(`0x${Buffer.from(signature.subarray(rEnd + 2)).toString('hex')}`);
  const hex = s.toString(16).padStart(64, '0');
  const value = Buffer.from(Number.parseInt(hex[0]!, 16) >= 8 ? `00${hex}` : hex, 'hex');
  const body = Buffer.concat([signature.subarray(2, rEnd), Buffer.from([0x02, value.length]), value]);
  return Buffer.concat([Buffer.from([0x30, body.length]), body]);
}

describe("Node's own cryptography", () => {
  for (const kind of ['Ed25519', 'secp256k1'] as const) {
    test(`says of ${kind} signatures what libp2p says`, () => {
      const key = keys.get(kind)!;
      const verify = nodeKeys.verifierOf(key.publicKey)!;
      const change = fc.oneof(
        fc.constant({ at: -1, by: 0, cut: 0 }),
        fc.record({ at: fc.nat(71), by: fc.integer({ min: 1, max: 255 }), cut: fc.constant(0) }),
        fc.record({ at: fc.constant(-1), by: fc.constant(0), cut: fc.integer({ min: -3, max: 72 }) }),
      );
      fc.assert(
        fc.property(
          fc.uint8Array({ maxLength: 64 }),
          change,
          fc.boolean(),
          (bytes, { at, by, cut }, isHigh) => {
            const good = key.sign(bytes) as Uint8Array;
            const form = isHigh && kind === 'secp256k1' ? withHighS(good) : good;
            const signature = Buffer.concat([form, Buffer.alloc(Math.max(0, -cut))]);
            if (at >= 0 && at < signature.length) signature[at]! ^= by;
            const given = signature.subarray(0, signature.length - Math.max(0, cut));
            expect(verify(bytes, given)).toBe(libp2pSays(key, bytes, given));
          },
        ),
        { numRuns: kind === 'Ed25519' ? 200 : 100 },
      );
    });

    test(`takes good ${kind} signatures and no others`, () => {
      const key = keys.get(kind)!;
      const verify = nodeKeys.verifierOf(key.publicKey)!;
      const bytes = Buffer.from('hello');
      const good = key.sign(bytes) as Uint8Array;
      expect(verify(bytes, good)).toBe(true);
      expect(verify(Buffer.from('hullo'), good)).toBe(false);
      for (const wrong of [new Uint8Array(0), new Uint8Array(64), new Uint8Array(1_000), good.subarray(1)])
        expect(verify(bytes, wrong)).toBe(false);
    });
  }

  test('takes one of the two forms of a secp256k1 signature, as libp2p does', () => {
    const key = keys.get('secp256k1')!;
    const high = withHighS(key.sign(Buffer.from('hello')) as Uint8Array);
    expect(nodeKeys.verifierOf(key.publicKey)!(Buffer.from('hello'), high)).toBe(false);
  });

  test('signs with Ed25519 byte for byte as libp2p does', () => {
    const key = keys.get('Ed25519')!;
    const bytes = Buffer.from('hello');
    expect(Buffer.from(nodeKeys.signerOf(key)!(bytes))).toEqual(Buffer.from(key.sign(bytes) as Uint8Array));
  });

  test('knows nothing of RSA and ECDSA, and signs with secp256k1 as libp2p itself does', async () => {
    for (const key of [await generateKeyPair('ECDSA'), await generateKeyPair('RSA', 1_024)]) {
      expect(nodeKeys.verifierOf(key.publicKey)).toBeUndefined();
      expect(nodeKeys.signerOf(key)).toBeUndefined();
    }
    expect(nodeKeys.signerOf(keys.get('secp256k1')!)).toBeUndefined();
  });
});
