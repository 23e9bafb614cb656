import type { Discovery } from '@lloom/discovery';
import type { RelaySource } from '@lloom/nat';

/** Under which name relays are found in the DHT. What is named there is a hint: a relay shows by what it speaks. */
export const relayRendezvous = 'lloom/relay/1.0.0';

/** Relays, as they name themselves in the DHT. */
export function relaysOf(
  discovery: () => Pick<Discovery, 'joinRendezvous' | 'rendezvousPeers'>,
): Required<RelaySource> {
  return {
    find: (config) => discovery().rendezvousPeers(relayRendezvous, config),
    announce: () => discovery().joinRendezvous(relayRendezvous),
  };
}
