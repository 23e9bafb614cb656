import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import type { PrivateKey, PublicKey } from '@libp2p/interface';
import type { MessageKeys } from '../ports.ts';

/** What stands before the raw key in a SubjectPublicKeyInfo, or PrivateKeyInfo. */
const ed25519Public = Buffer.from('302a300506032b6570032100', 'hex');
const ed25519Private = Buffer.from('302e020100300506032b657004220420', 'hex');
const secp256k1Public = Buffer.from('3036301006072a8648ce3d020106052b8104000a032200', 'hex');

/**
 * Node's own cryptography with keys that are read once, where libp2p reads them for every message. Of RSA and ECDSA keys it
 * knows nothing. secp256k1 is verified only: libp2p's signatures follow from the key and the bytes, OpenSSL's do not.
 */
export const nodeKeys: MessageKeys = {
  signerOf(key: PrivateKey) {
    if (key.type !== 'Ed25519') return undefined;
    const object = readPrivate(Buffer.concat([ed25519Private, key.raw.subarray(0, 32)]));
    return (bytes) => sign(null, bytes, object);
  },
  verifierOf(key: PublicKey) {
    if (key.type === 'Ed25519') {
      const object = readPublic(Buffer.concat([ed25519Public, key.raw]));
      return (bytes, signature) => signature.length === 64 && verify(null, bytes, object, signature);
    }
    if (key.type !== 'secp256k1') return undefined;
    const object = readPublic(Buffer.concat([secp256k1Public, key.raw]));
    return (bytes, signature) => hasLowS(signature) && verify('sha256', bytes, object, signature);
  },
};

const readPublic = (key: Buffer): KeyObject => createPublicKey({ key, format: 'der', type: 'spki' });
const readPrivate = (key: Buffer): KeyObject => createPrivateKey({ key, format: 'der', type: 'pkcs8' });

/** Half of the order of secp256k1. */
const halfOrder = Buffer.from('7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0', 'hex');

/**
 * Whether a DER signature is the one of its two forms that libp2p takes. OpenSSL takes both; all else that is wrong with it,
 * OpenSSL refuses.
 */
function hasLowS(signature: Uint8Array): boolean {
  const rLength = signature[3];
  if (rLength === undefined) return false;
  const sAt = 4 + rLength + 2;
  const s = signature.subarray(sAt, sAt + (signature[sAt - 1] ?? 0));
  if (s.length === 0 || s.length > 32) return false;
  return s.length < 32 || Buffer.compare(s, halfOrder) <= 0;
}
