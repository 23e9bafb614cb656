import { createHash } from 'node:crypto';
import { generateKeyPairFromSeed, privateKeyFromRaw } from '@libp2p/crypto/keys';
import type { PrivateKey } from '@libp2p/interface';
import type { NodePlan } from './node.ts';

/** The key of a node: the same one in each run. */
export async function keyOf({ keyType, number }: NodePlan): Promise<PrivateKey> {
  const seed = createHash('sha256').update(`bench ${keyType} ${number}`).digest();
  return keyType === 'Ed25519' ? generateKeyPairFromSeed('Ed25519', seed) : privateKeyFromRaw(seed);
}
