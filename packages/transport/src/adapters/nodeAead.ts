import { createCipheriv, createDecipheriv, createSecretKey, getCiphers } from 'node:crypto';
import type { Cipheriv, Decipheriv, KeyObject } from 'node:crypto';
import { Uint8ArrayList } from 'uint8arraylist';
import type { Aead, OpenInput, SealInput } from '../ports.ts';

const cipher = 'chacha20-poly1305';
const tag = { authTagLength: 16 } as const;

/** Whether this runtime has the cipher: Electron's has not. */
export const hasNodeAead = (): boolean => getCiphers().includes(cipher);

/**
 * Noise passes the same array with each record of a connection and never writes to it. Held weakly: the second copy of
 * a key goes when the first one does.
 */
const keyObjects = new WeakMap<Uint8Array, KeyObject>();

/** Node makes such an object anew for each record that is given a bare key, which takes longer than the cipher. */
export function keyObjectOf(key: Uint8Array): KeyObject {
  let known = keyObjects.get(key);
  if (known === undefined) {
    known = createSecretKey(key);
    keyObjects.set(key, known);
  }
  return known;
}

/** From this size on a call for each part costs less than joining them; measured with records of 64 KiB. */
const partBytes = 16_384;

/** What is to be put through a cipher, in as few calls as is worth it. */
function partsOf(data: Uint8Array | Uint8ArrayList): Iterable<Uint8Array> {
  if (data instanceof Uint8Array) return [data];
  const parts = [...data];
  return data.byteLength < parts.length * partBytes ? [data.subarray()] : parts;
}

function through(stream: Cipheriv | Decipheriv, data: Uint8Array | Uint8ArrayList): Uint8ArrayList {
  const result = new Uint8ArrayList();
  for (const part of partsOf(data)) result.append(stream.update(part));
  stream.final();
  return result;
}

/** Node's own cipher, with its form of each key kept. */
export const nodeAead: Aead = {
  chaCha20Poly1305Encrypt(...[text, nonce, beside, key]: SealInput) {
    const sealing = createCipheriv(cipher, keyObjectOf(key), nonce, tag);
    if (beside.byteLength > 0) sealing.setAAD(beside, { plaintextLength: text.byteLength });
    const sealed = through(sealing, text);
    sealed.append(sealing.getAuthTag());
    return sealed;
  },
  chaCha20Poly1305Decrypt(...[sealed, nonce, beside, key]: OpenInput) {
    const end = sealed.byteLength - tag.authTagLength;
    if (end < 0) throw new RangeError('Cannot open a record that is shorter than its tag');
    const opening = createDecipheriv(cipher, keyObjectOf(key), nonce, tag);
    if (beside.byteLength > 0) opening.setAAD(beside, { plaintextLength: end });
    opening.setAuthTag(sealed.subarray(end));
    return through(opening, sealed instanceof Uint8Array ? sealed.subarray(0, end) : sealed.sublist(0, end));
  },
};
