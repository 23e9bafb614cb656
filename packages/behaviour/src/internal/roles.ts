import type { Discovery, Provider } from '@lloom/discovery';
import type { PeerRole, RoleSource } from '@lloom/peers';

/** How old a peer's word may be to count without the peer being asked again, in ms: an announcement of a node. */
const maxAgeMs = 30_000;

/** Who offers what, as discovery has it proven. Relays say so themselves: `@lloom/peers` sees it. */
export function rolesOf(
  discovery: () => Pick<Discovery, 'servicesOf' | 'executors' | 'validators'>,
): RoleSource {
  const search = (
    role: PeerRole,
    config: { readonly signal: AbortSignal; readonly maxAgeMs: number },
  ): AsyncIterable<Provider> | readonly Provider[] => {
    if (role === 'executor') return discovery().executors(config);
    return role === 'validator' ? discovery().validators(config) : [];
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
