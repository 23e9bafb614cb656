import type { Discovery } from '@lloom/discovery';
import type { PeerRole, RoleCandidate, RoleSource } from '@lloom/peers';
import { relayRendezvous } from './relays.ts';

/** How old a peer's word may be to count without the peer being asked again, in ms: an announcement of a node. */
const maxAgeMs = 30_000;

/** Who offers what, as discovery has it proven. Relays say so themselves: `@lloom/peers` sees it, and the DHT names more. */
export function rolesOf(
  discovery: () => Pick<Discovery, 'servicesOf' | 'executors' | 'validators' | 'rendezvousPeers'>,
): RoleSource {
  const search = (
    role: PeerRole,
    config: { readonly signal: AbortSignal; readonly maxAgeMs: number },
  ): AsyncIterable<RoleCandidate> => {
    if (role === 'executor') return discovery().executors(config);
    if (role === 'validator') return discovery().validators(config);
    return discovery().rendezvousPeers(relayRendezvous, { signal: config.signal });
  };
  return {
    rolesOf: (peerId) => [
      ...new Set(
        discovery()
          .servicesOf(peerId)
          .map(({ kind }) => kind),
      ),
    ],
    async *find(role, { signal }) {
      for await (const { peerId, addresses } of search(role, { signal, maxAgeMs }))
        yield { peerId, addresses };
    },
  };
}
