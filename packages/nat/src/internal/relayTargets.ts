import { AddressError, ConfigError, toPeerAddress } from '@lloom/core';
import type { RelayCandidate } from '../ports.ts';

const maxRelays = 16;
const circuitCode = 290;

/**
 * The relays that some addresses name, each once, with its addresses in the order given.
 *
 * @throws {AddressError} for an address that ends in no peer id, goes through a relay itself, or is that of this node
 * @throws {ConfigError} `INVALID_CONFIG` for too many relays
 */
export function relaysOf(addresses: readonly string[], self: string): readonly RelayCandidate[] {
  const relays = new Map<string, string[]>();
  for (const got of addresses) {
    const { peerId, address } = toPeerAddress(got);
    const relay = peerId.toString();
    if (relay === self)
      throw new AddressError('INVALID_MULTIADDR', { got, reason: 'it is this node itself' });
    if (address.getComponents().some(({ code }) => code === circuitCode))
      throw new AddressError('INVALID_MULTIADDR', { got, reason: 'a relay is not reached through a relay' });
    const known = relays.get(relay) ?? [];
    known.push(address.toString());
    relays.set(relay, known);
  }
  if (relays.size > maxRelays) {
    throw new ConfigError([
      {
        path: 'relayClient.relays',
        got: `${relays.size} relays`,
        wanted: `addresses of at most ${maxRelays} relays`,
      },
    ]);
  }
  return Array.from(relays, ([peerId, own]) => ({ peerId, addresses: own }));
}

/** Addresses of all relays together go into messages of 8 KiB at most, twice. */
const maxAnnounced = 32;
const maxAnnouncedOfRelay = 8;

/** How many addresses may be announced for one of so many relays. */
export const addressesOfEach = (relays: number): number =>
  Math.min(maxAnnouncedOfRelay, Math.floor(maxAnnounced / Math.max(1, relays)));
