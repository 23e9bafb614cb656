import type { PeerRole } from '../types.ts';
import type { ConnectionPlan, KnownPeer, OpenReason, PlannedDial, PlanView, Shortage } from './poolView.ts';
import { allRoles, compareIds, countOf, lowestReputation } from './worth.ts';

/** At most so many places are kept free for roles, and half of all. */
const maxReserved = 4;

/** How a role stands. */
export interface RoleCount {
  readonly role: PeerRole;
  readonly connected: number;
  readonly target: number;
  /** Beyond those that are being dialled. */
  readonly missing: number;
}

/** How the roles stand that have a target. */
export function countRoles(view: PlanView): RoleCount[] {
  const targets = view.pool?.roles ?? {};
  return allRoles
    .map((role) => ({ role, target: targets[role] ?? 0 }))
    .filter(({ target }) => target > 0)
    .map(({ role, target }) => {
      const connected = countOf(role, view);
      let underWay = 0;
      for (const roles of view.dialing.values()) underWay += Number(roles.includes(role));
      return { role, connected, target, missing: Math.max(0, target - connected - underWay) };
    });
}

/** How many places peers of no role must leave free, so that those of a role are not kept out by them. */
export function reservedPlaces(roles: readonly RoleCount[], limit: number): number {
  const missing = roles.reduce((sum, role) => sum + role.missing, 0);
  return Math.min(missing, maxReserved, Math.floor(limit / 2));
}

/** What the rest of the plan comes to. */
export interface Standing {
  readonly connections: number;
  /** The same as the pool's maximum counts them. */
  readonly pooled: number;
  readonly outbound: number;
  /** Peers that stay. */
  readonly peers: number;
  /** Dials that the plan has decided on already. */
  readonly renewals: number;
  readonly roles: readonly RoleCount[];
}

type Opening = Pick<ConnectionPlan, 'missing' | 'open' | 'search'>;

/** Whom to dial: those that are missing, as far as there is room. */
export function planOpening(view: PlanView, standing: Standing): Opening {
  const { pool, limits, dialing } = view;
  const none: Opening = { missing: [], open: [], search: [] };
  if (pool === undefined) return none;
  const pending = dialing.size + view.renewing.size + standing.renewals;
  const { maxConnections, maxOutboundConnections, maxPendingConnections } = limits;
  let room = Math.min(
    maxConnections - standing.connections - pending,
    maxOutboundConnections - standing.outbound - pending,
    maxPendingConnections - pending,
  );
  const take = (wanted: number, most: number): number => {
    const taken = Math.max(0, Math.min(wanted, most));
    room -= taken;
    return taken;
  };
  const missing: Shortage[] = [];
  for (const { role, connected, target, missing: wanted } of standing.roles) {
    const count = take(wanted, room);
    if (count > 0) missing.push({ count, reason: { kind: 'role', role, connected, target } });
  }
  const forRoles = missing.reduce((sum, { count }) => sum + count, 0);
  const target = pool.minConnections;
  const count = take(
    target - standing.peers - dialing.size - forRoles,
    // Beyond its own maximum the pool would close them again; those of a role are then kept instead.
    Math.min(room, pool.maxConnections - standing.pooled - dialing.size - forRoles),
  );
  if (count > 0) missing.push({ count, reason: { kind: 'minimum', connected: standing.peers, target } });
  return missing.length === 0 ? none : { missing, ...choose(view, missing) };
}

/** The best of those that are known. */
function choose(view: PlanView, missing: readonly Shortage[]): Omit<Opening, 'missing'> {
  const candidates = candidatesOf(view);
  const chosen = new Map<string, PlannedDial>();
  const search: { role: PeerRole; count: number }[] = [];
  for (const { count, reason } of missing) {
    const left = count - pick(candidates, { count, reason, chosen });
    if (left > 0 && reason.kind === 'role') search.push({ role: reason.role, count: left });
  }
  return { open: [...chosen.values()], search };
}

interface Wish {
  readonly count: number;
  readonly reason: OpenReason;
  readonly chosen: Map<string, PlannedDial>;
}

function pick(candidates: readonly KnownPeer[], { count, reason, chosen }: Wish): number {
  let found = 0;
  for (const { peerId, roles } of candidates) {
    if (found === count) break;
    if (reason.kind === 'role' && !roles.includes(reason.role)) continue;
    // One that is dialled for another role counts here as well, and takes no second place.
    if (reason.kind === 'minimum' && chosen.has(peerId)) continue;
    found++;
    if (!chosen.has(peerId)) chosen.set(peerId, { peerId, roles, reason });
  }
  return found;
}

/** Who may be dialled, the best first; of equals a different one first at each node. */
function candidatesOf(view: PlanView): readonly KnownPeer[] {
  const { dialing, restingUntil, now, salt } = view;
  return view.known
    .filter(
      ({ peerId, reputation }) =>
        reputation >= lowestReputation && !dialing.has(peerId) && (restingUntil.get(peerId) ?? 0) <= now,
    )
    .map((peer) => ({ peer, points: Math.round(peer.reputation), chance: hash(peer.peerId, salt) }))
    .toSorted(
      (a, b) =>
        b.points - a.points ||
        Number(b.peer.roles.length > 0) - Number(a.peer.roles.length > 0) ||
        a.chance - b.chance ||
        compareIds(a.peer.peerId, b.peer.peerId),
    )
    .map(({ peer }) => peer);
}

/** The last characters of a peer id differ the most. */
function hash(peerId: string, salt: number): number {
  let mixed = salt | 0;
  for (let at = Math.max(0, peerId.length - 12); at < peerId.length; at++) {
    mixed = Math.imul(mixed ^ peerId.charCodeAt(at), 0x01000193);
  }
  return (mixed ^ (mixed >>> 15)) >>> 0;
}
