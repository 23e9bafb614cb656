import type { EvmAddress, Hex } from '@lloom/core';

import type { GuardedEnvelope } from '../../src/index.ts';
import type { FakeClock } from './world.ts';

export const signerOf = (number: number): EvmAddress => `0x${number.toString(16).padStart(40, '0')}`;
export const nonceOf = (number: number): Hex => `0x${number.toString(16).padStart(64, '0')}`;

/** An envelope that is signed now and valid for five minutes. */
export function envelopeAt(clock: FakeClock, change: Partial<GuardedEnvelope> = {}): GuardedEnvelope {
  const timestampMs = clock.now();
  return {
    signer: signerOf(1),
    nonce: nonceOf(1),
    timestampMs,
    expiresMs: timestampMs + 300_000,
    ...change,
  };
}
