import { toPeerId, withPeerId } from '@lloom/core';
import type { Multiaddr } from '@multiformats/multiaddr';

import { PeersError } from '../errors.ts';
import { peerAtEnd } from './endpoint.ts';

/**
 * Those of the user's addresses that may be used, in full.
 *
 * @param refuses why an address may not be used; `undefined` when it may
 * @throws {PeersError} `WRONG_PEER` when one names another peer, `ADDRESS_REFUSED` when none may be used
 */
export function usableAddresses(
  peerId: string,
  addresses: readonly Multiaddr[],
  refuses: (address: Multiaddr) => string | undefined,
): string[] {
  const refusals: { readonly address: string; readonly reason: string }[] = [];
  const usable: string[] = [];
  for (const address of addresses) {
    const named = peerAtEnd(address);
    if (named !== undefined && toPeerId(named).toString() !== peerId) {
      throw new PeersError('WRONG_PEER', { peerId, address: address.toString(), foundPeerId: named });
    }
    const reason = refuses(address);
    if (reason === undefined) usable.push(withPeerId(address, toPeerId(peerId)).toString());
    else refusals.push({ address: address.toString(), reason });
  }
  if (usable.length === 0 && refusals.length > 0) {
    throw new PeersError('ADDRESS_REFUSED', { peerId, refusals });
  }
  return usable;
}
