import { errorText, oneOf, resolveConfig } from '@lloom/core';

import type { CryptoBackend, CurveBackend, KeccakBackend } from '../ports.ts';
import type { CryptoInfo } from '../types.ts';
import { createWasmKeccak, pureKeccak } from './keccak.ts';
import { createNativeCurve } from './native.ts';
import { pureCurve } from './pure.ts';

interface Selected {
  readonly backend: CryptoBackend;
  readonly reason?: string;
}

const selected: { auto?: Selected; pure?: Selected } = {};

/**
 * The cryptography to use, chosen at its first use and kept: native where the addon loads, else pure.
 * @throws {ConfigError} `INVALID_CONFIG` when the variable `LLOOM_CRYPTO` is neither `auto` nor `pure`
 */
export function selectBackend(choice: 'auto' | 'pure' = 'auto'): CryptoBackend {
  return select(choice).backend;
}

/**
 * Which cryptography is in use, and why not the native one.
 *
 * @param choice what a configuration would say in `crypto`
 * @throws {ConfigError} `INVALID_CONFIG` when the variable `LLOOM_CRYPTO` is neither `auto` nor `pure`
 * @example
 * ```ts
 * const { curve, reason } = await cryptoBackend();
 * if (curve === 'pure') console.warn(`signatures are slow here: ${reason}`);
 * ```
 */
export async function cryptoBackend(choice: 'auto' | 'pure' = 'auto'): Promise<CryptoInfo> {
  const { backend, reason } = select(choice);
  await backend.ready;
  return { curve: backend.curve, keccak: backend.keccak, ...(reason !== undefined && { reason }) };
}

/** The cryptography that an environment and a loader give; `load` throws where the addon is missing. */
export function chooseBackend(
  environment: { readonly LLOOM_CRYPTO?: string | undefined },
  load: () => CurveBackend,
): Selected {
  const checks = { LLOOM_CRYPTO: oneOf('auto', 'pure') };
  const asked = { LLOOM_CRYPTO: environment.LLOOM_CRYPTO || undefined };
  const rules = { checks, defaults: { LLOOM_CRYPTO: 'auto' } };
  const { LLOOM_CRYPTO: choice } = resolveConfig<{ LLOOM_CRYPTO: string }>('environment', rules, asked);
  if (choice === 'pure') return { backend: compose(pureCurve), reason: 'LLOOM_CRYPTO is "pure"' };
  try {
    return { backend: compose(load(), createWasmKeccak) };
  } catch (error) {
    return { backend: compose(pureCurve, createWasmKeccak), reason: errorText(error) };
  }
}

function select(choice: 'auto' | 'pure'): Selected {
  if (choice === 'pure') {
    return (selected.pure ??= { backend: compose(pureCurve), reason: 'the configuration asks for "pure"' });
  }
  return (selected.auto ??= chooseBackend({ LLOOM_CRYPTO: process.env['LLOOM_CRYPTO'] }, createNativeCurve));
}

/** Joins a curve with a hash; a faster hash takes over when it has loaded, and is done without when it cannot. */
function compose(curve: CurveBackend, loadFaster?: () => Promise<KeccakBackend>): CryptoBackend {
  let hash = pureKeccak;
  let isReady = false;
  const takeOver = async (): Promise<void> => {
    hash = (await loadFaster?.().catch(() => undefined)) ?? hash;
    isReady = true;
  };
  return {
    ...curve,
    ready: takeOver(),
    get isReady() {
      return isReady;
    },
    get keccak() {
      return hash.keccak;
    },
    keccak256: (bytes) => hash.keccak256(bytes),
    startKeccak: () => hash.startKeccak(),
  };
}
