import type { PeerRole, Protection, RoleTargets } from '../types.ts';
import type { PlannedConnection, PlannedPeer, PlanView } from './poolView.ts';

/** In the order in which they are looked after. */
export const allRoles: readonly PeerRole[] = ['executor', 'validator', 'relay'];

/** Whose reputation is below this is neither dialled by the pool nor counted for a role, nor as needed: lower than failures alone lead. */
export const lowestReputation = -16;

/** Beyond all that reputation and role can make. */
const neededRank = 1_000;

/** A connected peer, and what speaks for it. */
export interface Assessed {
  readonly peer: PlannedPeer;
  /** The one connection that is kept when only one is. */
  readonly keeper: PlannedConnection;
  readonly isInUse: boolean;
  /** Whether others need it, and its reputation lets that count. */
  readonly isNeeded: boolean;
  /** In whole points: what is less decides nothing. */
  readonly points: number;
  /** Need, reputation and role in one number: what decides first. */
  readonly rank: number;
  readonly lastUsedAt: number;
  /** Whether it counts towards a target. */
  isCounted: boolean;
}

/** How old a connection may be; without a pool any age. */
export const ttlOf = ({ pool }: PlanView): number => pool?.connectionTtlMs ?? Infinity;

/** Whether a connection is too old. */
export const isExpired = (connection: PlannedConnection, view: PlanView): boolean =>
  view.now - connection.openedAt >= ttlOf(view);

/**
 * Which connection to a peer is kept when only one is: a direct one, one that is not too old, one in use; then the one that
 * the peer with the smaller id has dialled, then the older. Both sides come to the same result without talking, so that they
 * do not each close the other's.
 */
function keeperOf({ peerId, connections }: PlannedPeer, view: PlanView): PlannedConnection {
  const [first, ...others] = connections;
  if (first === undefined) throw new Error(`Cannot plan for "${peerId}": it has no connection`);
  if (others.length === 0) return first;
  const preferred = view.selfPeerId < peerId ? 'outbound' : 'inbound';
  const compare = (a: PlannedConnection, b: PlannedConnection): number =>
    Number(a.relayed) - Number(b.relayed) ||
    Number(isExpired(a, view)) - Number(isExpired(b, view)) ||
    Number(b.isInUse) - Number(a.isInUse) ||
    Number(a.direction !== preferred) - Number(b.direction !== preferred) ||
    a.openedAt - b.openedAt ||
    compareIds(a.id, b.id);
  return others.reduce((best, other) => (compare(other, best) < 0 ? other : best), first);
}

/** The order of ids, the same on every machine. */
export const compareIds = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

/** Those with the least worth first: the order in which they go when some must. */
const compareWorth = (a: Assessed, b: Assessed): number =>
  a.rank - b.rank ||
  a.peer.value - b.peer.value ||
  Number(b.keeper.relayed) - Number(a.keeper.relayed) ||
  a.lastUsedAt - b.lastUsedAt ||
  Number(a.keeper.direction === 'outbound') - Number(b.keeper.direction === 'outbound') ||
  b.keeper.openedAt - a.keeper.openedAt ||
  compareIds(a.peer.peerId, b.peer.peerId);

/** Every connected peer, the least valuable first, those marked that a target needs. */
export function assess(view: PlanView): Assessed[] {
  const assessed = view.connected.map((peer) => {
    const keeper = keeperOf(peer, view);
    const points = Math.round(peer.reputation);
    const isNeeded = peer.isNeeded && peer.reputation >= lowestReputation;
    const rank = neededRank * Number(isNeeded) + 2 * points + Number(peer.roles.length > 0);
    const isInUse = peer.connections.some((connection) => connection.isInUse);
    return { peer, keeper, isInUse, isNeeded, points, rank, lastUsedAt: keeper.lastUsedAt, isCounted: false };
  });
  assessed.sort(compareWorth);
  markCounted(assessed, view.pool?.roles ?? {});
  return assessed;
}

/** Those that stay in any case fill the targets first, then the best of the others. */
function markCounted(assessed: readonly Assessed[], targets: RoleTargets): void {
  const left = new Map(allRoles.map((role) => [role, targets[role] ?? 0]));
  if ([...left.values()].every((count) => count === 0)) return;
  for (const isFixed of [true, false]) {
    for (let at = assessed.length - 1; at >= 0; at--) {
      const one = assessed[at];
      if (one !== undefined && (one.peer.isMaintained || one.isInUse) === isFixed) fill(one, left);
    }
  }
}

function fill(one: Assessed, left: Map<PeerRole, number>): void {
  const { roles, reputation } = one.peer;
  if (reputation < lowestReputation || !roles.some((role) => (left.get(role) ?? 0) > 0)) return;
  one.isCounted = true;
  for (const role of roles) left.set(role, (left.get(role) ?? 0) - 1);
}

/** What speaks for a peer so much that a limit is exceeded for it. */
export function reasonsOf({ peer, isInUse, isCounted }: Assessed): Protection[] {
  const reasons: Protection[] = [];
  if (peer.isMaintained) reasons.push('maintained');
  if (isInUse) reasons.push('inUse');
  if (isCounted) reasons.push('role');
  return reasons;
}

/** Whether anything does. */
export const isKept = ({ peer, isInUse, isCounted }: Assessed): boolean =>
  peer.isMaintained || isInUse || isCounted;

/** How many connected peers count towards a role. */
export function countOf(role: PeerRole, { connected }: PlanView): number {
  let count = 0;
  for (const { roles, reputation } of connected) {
    if (reputation >= lowestReputation && roles.includes(role)) count++;
  }
  return count;
}
