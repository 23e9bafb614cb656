import type { Address, PeerId } from '@libp2p/interface';
import { toMultiaddr, withPeerId } from '@lloom/core';
import { CODE_P2P } from '@multiformats/multiaddr';
import type { Multiaddr } from '@multiformats/multiaddr';
import type { Relocation } from '../ports.ts';

/** Addresses of one peer that are kept when it moves: its own first. */
const maxKept = 32;

/**
 * The addresses of a peer that says where it is: its own, and those that others or the user have told, without what it has
 * given up. `undefined` when these are what is known.
 *
 * @param known what the peer store holds of it
 */
export function relocated(
  peerId: PeerId,
  known: readonly Address[],
  { addresses, former }: Pick<Relocation, 'addresses' | 'former'>,
): Address[] | undefined {
  const full = (address: Multiaddr | string): string => withPeerId(toMultiaddr(address), peerId).toString();
  const own = new Set(addresses.map(full));
  const gone = new Set(former.map(full)).difference(own);
  const isOwn = ({ multiaddr }: Address): boolean => own.has(full(multiaddr));
  const left = known.filter(({ multiaddr }) => !gone.has(full(multiaddr)));
  const stored = new Set(left.map(({ multiaddr }) => full(multiaddr)));
  // Written as identify writes them, or each would be there twice.
  const added = [...own.difference(stored)].map((address) => ({
    multiaddr: toMultiaddr(address).decapsulateCode(CODE_P2P),
    isCertified: false,
  }));
  if (added.length === 0 && left.length === known.length) return undefined;
  const others = left.filter((address) => !isOwn(address));
  return [...added, ...left.filter(isOwn), ...others].slice(0, maxKept);
}
