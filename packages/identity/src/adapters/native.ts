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
      const { signature, recid } = addon.ecdsaSign(digest, privateKey);
      const whole = new Uint8Array(65);
      whole.set(signature);
      whole[64] = recid;
      return whole;
    },
    recover(digest, signature) {
      try {
        return addon.ecdsaRecover(signature.subarray(0, 64), signature[64] ?? 4, digest, false);
      } catch {
        return undefined;
      }
    },
    publicKeyOf: (privateKey) => addon.publicKeyCreate(privateKey, false),
    expand: (publicKey) => addon.publicKeyConvert(publicKey, false),
  };
}
