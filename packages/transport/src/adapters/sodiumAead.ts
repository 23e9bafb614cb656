import { createRequire } from 'node:module';
import type { Uint8ArrayList } from 'uint8arraylist';
import type { Aead, OpenInput, SealInput } from '../ports.ts';

/** What is used of the addon; decrypting throws when the tag does not fit. */
interface Sodium {
  crypto_aead_chacha20poly1305_ietf_encrypt(
    ...args: [Uint8Array, Uint8Array, Uint8Array, null, ...KeyPart]
  ): void;
  crypto_aead_chacha20poly1305_ietf_decrypt_detached(
    ...args: [Uint8Array, null, Uint8Array, Uint8Array, Uint8Array, ...KeyPart]
  ): void;
}
type KeyPart = [nonce: Uint8Array, key: Uint8Array];

const tagBytes = 16;

/**
 * libsodium through its addon.
 * @throws what loading the addon threw
 */
export function createSodiumAead(): Aead {
  const require = createRequire(import.meta.url);
  const sodium = require('sodium-native') as Sodium;
  return {
    chaCha20Poly1305Encrypt(...[text, nonce, beside, key]: SealInput) {
      const sealed = Buffer.allocUnsafe(text.byteLength + tagBytes);
      sodium.crypto_aead_chacha20poly1305_ietf_encrypt(sealed, text.subarray(), beside, null, nonce, key);
      return sealed;
    },
    chaCha20Poly1305Decrypt(...[sealed, nonce, beside, key, given]: OpenInput) {
      const length = sealed.byteLength - tagBytes;
      if (length < 0) throw new RangeError('Cannot open a record that is shorter than its tag');
      const tag = sealed.subarray(length);
      const text = given?.byteLength === length ? given : Buffer.allocUnsafe(length);
      // The tag is checked first, so that the place of the sealed bytes may be used again.
      copyInto(text, sealed);
      sodium.crypto_aead_chacha20poly1305_ietf_decrypt_detached(text, null, text, tag, beside, nonce, key);
      return text;
    },
  };
}

/** Gathers as many bytes as there is room for, and allocates nothing: memory that is not used need not be collected. */
function copyInto(target: Uint8Array, source: Uint8Array | Uint8ArrayList): void {
  let offset = 0;
  for (const part of source instanceof Uint8Array ? [source] : source) {
    const piece = part.subarray(0, target.length - offset);
    const isInPlace = piece.buffer === target.buffer && piece.byteOffset === target.byteOffset + offset;
    if (!isInPlace) target.set(piece, offset);
    offset += piece.length;
  }
}
