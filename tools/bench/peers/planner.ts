import { seededRandom } from '@lloom/simkit';

/** The planner is no part of what the package exports: its file is loaded by name. */
const planner = new URL('../../../packages/peers/src/internal/planConnections.ts', import.meta.url);

const rounds = 31;
const warmUpRounds = 5;
const connectedCount = 10_000;
const knownCount = 1_000;

const roles = ['executor', 'validator', 'relay'] as const;
/** The last moment, by a clock that began at 0: some connections are older than the pool wants them, most are not. */
const now = 4_000_000;

/**
 * A node with far more peers than it is to keep: a tenth has a second connection, a tenth is in use, a fifth has a role, some
 * are idle or old. Half of them must go.
 */
function viewOf(seed: number): object {
  const random = seededRandom(seed);
  const isOne = (outOf: number): boolean => random.float() < 1 / outOf;
  const rolesOf = () => (isOne(5) ? [roles[Math.floor(random.float() * roles.length)]!] : []);
  const peerIdOf = (kind: string, i: number): string => `12D3KooW${kind}${String(i).padStart(43, '0')}`;
  const connectionOf = (id: string) => {
    const openedAt = Math.floor(random.float() * now);
    return {
      id,
      direction: isOne(2) ? ('inbound' as const) : ('outbound' as const),
      relayed: isOne(20),
      openedAt,
      lastUsedAt: openedAt + Math.floor(random.float() * (now - openedAt)),
      isInUse: isOne(10),
    };
  };
  const connected = Array.from({ length: connectedCount }, (_, i) => ({
    peerId: peerIdOf('C', i),
    isMaintained: isOne(100),
    roles: rolesOf(),
    reputation: random.float() * 100 - 20,
    isNeeded: isOne(50),
    value: isOne(10) ? 50 : 0,
    patience: 1,
    connections: Array.from({ length: isOne(10) ? 2 : 1 }, (__, at) => connectionOf(`${i}.${at}`)),
  }));
  const known = Array.from({ length: knownCount }, (_, i) => ({
    peerId: peerIdOf('K', i),
    roles: rolesOf(),
    reputation: random.float() * 100 - 20,
  }));
  return {
    selfPeerId: peerIdOf('S', 0),
    now,
    salt: seed,
    limits: {
      maxConnections: 9_000,
      maxInboundConnections: 6_000,
      maxOutboundConnections: 6_000,
      maxConnectionsPerPeer: 3,
      maxConnectionsPerIp: 64,
      maxPendingConnections: 30,
    },
    pool: {
      idleTimeoutMs: 300_000,
      connectionTtlMs: 3_600_000,
      minConnections: 100,
      maxConnections: 5_000,
      roles: { executor: 900, validator: 200, relay: 50 },
    },
    connected,
    known,
    dialing: new Map(),
    renewing: new Set(),
    restingUntil: new Map(),
  };
}

/** How long one plan for 10,000 peers takes, in ms each. */
export async function plannerTimes(): Promise<number[]> {
  const { planConnections } = (await import(planner.href)) as {
    readonly planConnections: (view: object) => unknown;
  };
  const views = Array.from({ length: warmUpRounds + rounds }, (_, seed) => viewOf(seed));
  const times = views.map((view) => {
    const start = performance.now();
    planConnections(view);
    return performance.now() - start;
  });
  return times.slice(warmUpRounds);
}
