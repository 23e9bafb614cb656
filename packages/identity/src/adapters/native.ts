import { createRequire } from 'node:module';

import type * as Secp256k1 from 'secp256k1';

import type { CurveBackend } from '../ports.ts';

/**
 * libsecp256k1 through its addon. Asks for the binding itself: the package's own entry point would quietly use a
 * slow implementation in JavaScript where the addon is missing.
 * @throws what loading the addon threw
 */
export function createNativeCurve(): CurveBackend {
  const addon = createRequire(import.meta.url)('secp256k1/bindings.js') as typeof Secp256k1;
  // Blinds the multiplications against observers of their timing.
  addon.contextRandomize(crypto.getRandomValues(new Uint8Array(32)));
  return {
    curve: 'native',
    sign(digest, privateKey) {
      const whole = pieceOf65();
      whole[64] = addon.ecdsaSign(digest, privateKey, {}, whole.subarray(0, 64)).recid;
      return whole;
    },
    recover(digest, signature) {
      try {
        const publicKey = pieceOf65();
        return addon.ecdsaRecover(signature.subarray(0, 64), signature[64] ?? 4, digest, false, publicKey);
      } catch {
        return undefined;
      }
    },
    verify(signature, digest, publicKey) {
      try {
        return addon.ecdsaVerify(signature, digest, publicKey);
      } catch {
        return false;
      }
    },
    publicKeyOf: (privateKey) => addon.publicKeyCreate(privateKey, false),
    expand: (publicKey) => addon.publicKeyConvert(publicKey, false),
  };
}

let block = new Uint8Array(0);
let used = 0;

/** 65 bytes, never given twice, of a larger block: above 64 bytes an array of its own takes 0.4 us to make. */
function pieceOf65(): Uint8Array {
  if (used === block.length) {
    block = new Uint8Array(64 * 65);
    used = 0;
  }
  used += 65;
  return block.subarray(used - 65, used);
}
