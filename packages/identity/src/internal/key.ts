import { fromHex } from '@lloom/core';

import { IdentityError } from '../errors.ts';
import type { CryptoBackend, DigestSigner } from '../ports.ts';
import { addressOfKey } from './addresses.ts';

// Order of the curve: private keys are from 1 up to, not including, it.
const order = Buffer.from('fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141', 'hex');

/**
 * The 32 bytes of a private key.
 * @throws {IdentityError} `INVALID_KEY`; the text is not repeated in it
 */
export function readPrivateKey(hex: string): Uint8Array {
  if (typeof hex !== 'string' || !/^(?:0x)?[0-9a-fA-F]{64}$/.test(hex)) {
    throw new IdentityError('INVALID_KEY', { reason: 'format' });
  }
  const bytes = fromHex(hex.startsWith('0x') ? hex : `0x${hex}`);
  if (!isPrivateKey(bytes)) throw new IdentityError('INVALID_KEY', { reason: 'range' });
  return bytes;
}

/** Whether 32 bytes are a private key. */
export function isPrivateKey(bytes: Uint8Array): boolean {
  return Buffer.compare(bytes, order) < 0 && bytes.some((byte) => byte !== 0);
}

/** Signs with a private key that only this function's result knows. */
export function digestSignerOf(privateKey: Uint8Array, backend: CryptoBackend): DigestSigner {
  return Object.freeze({
    address: addressOfKey(backend.publicKeyOf(privateKey), backend),
    signDigest(digest: Uint8Array, by: CryptoBackend) {
      const signature = by.sign(digest, privateKey);
      signature[64] = (signature[64] ?? 0) + 27;
      return signature;
    },
  });
}
