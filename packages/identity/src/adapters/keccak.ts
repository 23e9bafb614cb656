import { keccak_256 } from '@noble/hashes/sha3.js';
import { createKeccak } from 'hash-wasm';

import type { KeccakBackend } from '../ports.ts';

/** keccak-256 in JavaScript. */
export const pureKeccak: KeccakBackend = {
  keccak: 'pure',
  keccak256: (bytes) => keccak_256(bytes),
  startKeccak() {
    const state = keccak_256.create();
    return { update: (bytes) => void state.update(bytes), digest: () => state.clone().digest() };
  },
};

/**
 * keccak-256 in WebAssembly. All digests share one instance: each call puts its state in, works, and takes it out
 * again before anything else can run.
 */
export async function createWasmKeccak(): Promise<KeccakBackend> {
  const hasher = await createKeccak(256);
  return {
    keccak: 'wasm',
    keccak256: (bytes) => hasher.init().update(bytes).digest('binary'),
    startKeccak() {
      let state = hasher.init().save();
      return {
        update(bytes) {
          state = hasher.load(state).update(bytes).save();
        },
        digest: () => hasher.load(state).digest('binary'),
      };
    },
  };
}
