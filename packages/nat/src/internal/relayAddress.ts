import { toMultiaddr, toPeerId } from '@lloom/core';
import type { Multiaddr } from '@multiformats/multiaddr';
import { NatError } from '../errors.ts';
import type { CircuitWay } from './circuitNetwork.ts';

/**
 * The way to a peer through a relay whose address is given, with or without `/p2p-circuit` and the peer behind it.
 *
 * @throws {AddressError} when it cannot be read
 * @throws {NatError} `INVALID_RELAY_ADDRESS`
 */
export function relayWay(peerId: string, given: Multiaddr | string): CircuitWay {
  const address = toMultiaddr(given);
  const components = address.getComponents();
  const at = components.findIndex(({ name }) => name === 'p2p-circuit');
  const last = components.at(at === -1 ? -1 : at - 1);
  const behind = at === -1 ? [] : components.slice(at + 1);
  const [end, ...others] = behind;
  const isPeer = end === undefined || (end.name === 'p2p' && toPeerId(end.value ?? '').toString() === peerId);
  const relay = last?.name === 'p2p' && at !== 0 ? toPeerId(last.value ?? '').toString() : undefined;
  if (relay === undefined || relay === peerId || others.length > 0 || !isPeer) {
    const wanted = `the relay's address up to /p2p/<relay>, then /p2p-circuit/p2p/${peerId} or nothing`;
    throw new NatError('INVALID_RELAY_ADDRESS', { got: address.toString(), wanted });
  }
  const hop = relayPart(address.toString());
  return { peerId, relay, address: `${hop}/p2p-circuit/p2p/${peerId}` };
}

/** The address of the relay alone. */
export const relayPart = (address: string): string => address.split('/p2p-circuit')[0] ?? '';
