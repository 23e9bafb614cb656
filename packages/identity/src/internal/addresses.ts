import { toHex, type EvmAddress } from '@lloom/core';

import type { CryptoBackend } from '../ports.ts';
import { BoundedMap } from './boundedMap.ts';

const checksummed = new BoundedMap<string, EvmAddress>(4_096);

/** The address of a public key of 65 bytes, in mixed case as EIP-55 wants it. */
export function addressOfKey(publicKey: Uint8Array, backend: CryptoBackend): EvmAddress {
  return checksum(toHex(backend.keccak256(publicKey.subarray(1)).subarray(12)), backend);
}

/** Whether two addresses are the same, however they are written. */
export function sameAddress(a: string, b: string): boolean {
  return a === b || a.toLowerCase() === b.toLowerCase();
}

function checksum(address: EvmAddress, backend: CryptoBackend): EvmAddress {
  return checksummed.getOrMake(address, () => {
    const digits = address.slice(2);
    const hash = Buffer.from(backend.keccak256(Buffer.from(digits, 'ascii'))).toString('hex');
    const cased = Array.from(digits, (digit, index) =>
      Number.parseInt(hash.charAt(index), 16) >= 8 ? digit.toUpperCase() : digit,
    );
    return `0x${cased.join('')}`;
  });
}
