import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';
import { privateKeyFromRaw } from '@libp2p/crypto/keys';
import type { PrivateKey } from '@libp2p/interface';

/**
 * The key of the host of a name, as its `keyBytes` will be: known before the host is there. Never use it outside a simulation.
 *
 * @param seed that of the network
 */
export function hostKeyBytes(seed: number, name: string): Uint8Array {
  return new Uint8Array(createHash('sha256').update(`${seed}/${name}`).digest());
}

/** What stands before an Ed25519 seed in PKCS #8 (RFC 8410). */
const pkcs8Header = Buffer.from('302e020100300506032b657004220420', 'hex');
const publicKeyLength = 32;

/** The Ed25519 key of a seed, at once: libp2p's own function for it is asynchronous. */
export function hostPrivateKey(seed: Uint8Array): PrivateKey {
  const pair = createPrivateKey({ key: Buffer.concat([pkcs8Header, seed]), format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(pair).export({ format: 'der', type: 'spki' });
  return privateKeyFromRaw(Buffer.concat([seed, spki.subarray(-publicKeyLength)]));
}
