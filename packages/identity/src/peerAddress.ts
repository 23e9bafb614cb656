import { toPeerId, type EvmAddress } from '@lloom/core';

import { selectBackend } from './adapters/backend.ts';
import { addressOfKey } from './internal/addresses.ts';
import { BoundedMap } from './internal/boundedMap.ts';

const known = new BoundedMap<string, EvmAddress | undefined>(4_096);

/**
 * The EVM address that belongs to a peer id. The peer id holds the public key, so nothing has to be asked or
 * proven; the last 4,096 answers are kept.
 *
 * @returns `undefined` when the key is not secp256k1, as that of an Ed25519 peer
 * @throws {AddressError} `INVALID_PEER_ID`
 * @example
 * ```ts
 * evmAddressOf('16Uiu2HAmMUjGmiUhJeiZgu6ZZnLRkE2VViR2JgjqtW9aTZnHQqgg');
 * // '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'
 * ```
 */
export function evmAddressOf(peerId: string): EvmAddress | undefined {
  return known.getOrMake(peerId, () => {
    const { publicKey } = toPeerId(peerId);
    if (publicKey?.type !== 'secp256k1') return undefined;
    const backend = selectBackend();
    return addressOfKey(backend.expand(publicKey.raw), backend);
  });
}
