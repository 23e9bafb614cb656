import { defaultCrypto } from '@libp2p/noise/crypto';
import { errorText } from '@lloom/core';
import type { ICryptoInterface } from '@libp2p/noise';
import { resolveEnvironment, resolveNoiseCryptoConfig, type NoiseCryptoConfig } from '../config.ts';
import type { Aead } from '../ports.ts';
import { hasNodeAead, nodeAead } from './nodeAead.ts';
import { createSodiumAead } from './sodiumAead.ts';

/** Which cipher seals small records, and why not the fastest. */
export interface NoiseCryptoInfo {
  /** `sodium` is the addon, `library` what Noise brings along. Large records are sealed by Node.js. */
  readonly smallRecords: 'sodium' | 'library';
  /** Why it is not the addon. */
  readonly reason?: string;
}

interface Selected extends NoiseCryptoInfo {
  readonly crypto: ICryptoInterface;
}

// Where Node.js overtakes, measured: WebAssembly needs less to begin and more for each byte, libsodium much less to begin.
const libraryBytes = 512;
const sodiumBytes = 16_384;

const selected: { auto?: Selected; pure?: Selected } = {};

/**
 * What Noise computes with, for `noise({ crypto })`: each record by the cipher that is the fastest for its size. All else
 * is the library's.
 *
 * @throws {ConfigError} `INVALID_CONFIG`, also when the variable `LLOOM_CRYPTO` is neither `auto` nor `pure`
 */
export function noiseCrypto(config: NoiseCryptoConfig = {}): ICryptoInterface {
  return select(config).crypto;
}

/**
 * Which cipher is in use for small records, and why not the addon.
 *
 * @throws {ConfigError} `INVALID_CONFIG`, also when the variable `LLOOM_CRYPTO` is neither `auto` nor `pure`
 * @example
 * ```ts
 * const { smallRecords, reason } = noiseCryptoInfo();
 * ```
 */
export function noiseCryptoInfo(config: NoiseCryptoConfig = {}): NoiseCryptoInfo {
  const { smallRecords, reason } = select(config);
  return { smallRecords, ...(reason !== undefined && { reason }) };
}

function select(config: NoiseCryptoConfig): Selected {
  const { crypto } = resolveNoiseCryptoConfig(config);
  if (crypto === 'pure') {
    return (selected.pure ??= { ...withoutAddon(), reason: 'the configuration asks for "pure"' });
  }
  return (selected.auto ??= chooseCrypto({ LLOOM_CRYPTO: process.env['LLOOM_CRYPTO'] }, createSodiumAead));
}

/** The ciphers that an environment and a loader give; `load` throws where the addon is missing. */
export function chooseCrypto(
  environment: { readonly LLOOM_CRYPTO?: string | undefined },
  load: () => Aead,
): Selected {
  if (resolveEnvironment(environment) === 'pure')
    return { ...withoutAddon(), reason: 'LLOOM_CRYPTO is "pure"' };
  try {
    return { smallRecords: 'sodium', crypto: compose(load(), { sealed: sodiumBytes, opened: Infinity }) };
  } catch (error) {
    return { ...withoutAddon(), reason: errorText(error) };
  }
}

const withoutAddon = (): Selected => ({
  smallRecords: 'library',
  crypto: compose(defaultCrypto, { sealed: libraryBytes, opened: libraryBytes }),
});

/**
 * Records from so many bytes on are for Node.js, where it has the cipher. libsodium opens all of them: it does so in
 * place, and memory that is not used need not be collected, which for large bodies costs more than the cipher.
 */
function compose(
  small: Aead,
  border: { readonly sealed: number; readonly opened: number },
): ICryptoInterface {
  if (!hasNodeAead()) return { ...defaultCrypto, ...pick(small) };
  return {
    ...defaultCrypto,
    chaCha20Poly1305Encrypt: (...record) =>
      (record[0].byteLength < border.sealed ? small : nodeAead).chaCha20Poly1305Encrypt(...record),
    chaCha20Poly1305Decrypt: (...record) =>
      (record[0].byteLength < border.opened ? small : nodeAead).chaCha20Poly1305Decrypt(...record),
  };
}

const pick = ({ chaCha20Poly1305Encrypt, chaCha20Poly1305Decrypt }: Aead): Aead => ({
  chaCha20Poly1305Encrypt,
  chaCha20Poly1305Decrypt,
});
