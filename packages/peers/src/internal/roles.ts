import type { Log, PeerRecord, RoleCandidate, RoleSource } from '../ports.ts';
import type { PeerRole } from '../types.ts';

/** Spoken by whoever relays for others. */
const relayProtocol = '/libp2p/circuit/relay/0.2.0/hop';

/** What roles are known from. */
export interface KnownRoles {
  readonly given: RoleSource | undefined;
  record(peerId: string): PeerRecord | undefined;
  records(): Iterable<PeerRecord>;
  readonly log: Log;
}

/** All roles: those that the port knows, and relays by the protocol that they say to speak. A port that throws is told. */
export function allRoles(sources: KnownRoles): RoleSource {
  const { given } = sources;
  const relays = (peer: PeerRecord | undefined): boolean => peer?.protocols.includes(relayProtocol) === true;
  return {
    rolesOf: (peerId) => {
      let known: readonly PeerRole[] = [];
      try {
        known = given?.rolesOf(peerId) ?? [];
      } catch (error) {
        sources.log('the port roles failed', error, { peerId });
      }
      return relays(sources.record(peerId)) ? [...new Set([...known, 'relay' as const])] : known;
    },
    async *find(role, config): AsyncGenerator<RoleCandidate> {
      if (role === 'relay') {
        const found = [...sources.records()].filter((peer) => relays(peer));
        for (const { peerId } of found) yield { peerId, addresses: [] };
      }
      if (given !== undefined) yield* given.find(role, config);
    },
  };
}
