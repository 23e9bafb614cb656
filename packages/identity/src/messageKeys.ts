import { hash } from 'node:crypto';

import { selectBackend } from './adapters/backend.ts';
import { fromDer, toDer } from './internal/der.ts';
import type { MessageKeys } from './ports.ts';

/**
 * Signs and verifies what libp2p signs and verifies with secp256k1 keys, such as the messages of gossipsub, many times
 * faster: with libsecp256k1 instead of JavaScript. Signatures are the same bytes, and verdicts are the same.
 *
 * @param choice `pure` never loads the addon, so that nothing is faster than libp2p and no key is known
 * @throws {ConfigError} `INVALID_CONFIG` when the variable `LLOOM_CRYPTO` is neither `auto` nor `pure`
 * @example
 * ```ts
 * const verify = messageKeys().verifierOf(publicKey);
 * const isProven = verify?.(bytes, signature) ?? (await publicKey.verify(bytes, signature));
 * ```
 */
export function messageKeys(choice: 'auto' | 'pure' = 'auto'): MessageKeys {
  const backend = selectBackend(choice);
  const { verify } = backend;
  if (verify === undefined) return { signerOf: () => undefined, verifierOf: () => undefined };
  return {
    signerOf({ type, raw }) {
      return type === 'secp256k1' ? (bytes) => toDer(backend.sign(sha256(bytes), raw)) : undefined;
    },
    verifierOf({ type, raw }) {
      if (type !== 'secp256k1') return undefined;
      // The short form would cost a square root each time.
      const publicKey = backend.expand(raw);
      return (bytes, signature) => {
        const pair = fromDer(signature);
        return pair !== undefined && verify(pair, sha256(bytes), publicKey);
      };
    },
  };
}

function sha256(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer');
}
