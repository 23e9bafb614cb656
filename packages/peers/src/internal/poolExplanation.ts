import type { PeerRole, PoolExplanation } from '../types.ts';
import type { ConnectionPlan } from './poolView.ts';
import { lowestReputation } from './worth.ts';

/** What is known of a peer besides the plan. */
export interface PlannedFor {
  readonly peerId: string;
  readonly isConnected: boolean;
  readonly isDialing: boolean;
  /** For how long it must not be dialled, in ms; 0 or less when it may be. */
  readonly restMs: number;
  readonly reputation: number;
  readonly roles: readonly PeerRole[];
}

/** What a plan says of a peer. */
export function explainPlan(plan: ConnectionPlan, peer: PlannedFor): PoolExplanation {
  if (!peer.isConnected) return dialOf(plan, peer);
  const overdue = plan.overdue.find(({ peerId }) => peerId === peer.peerId)?.waitsFor;
  const exceeded = plan.excess.map(({ limit, connections, allowed }) => ({ limit, connections, allowed }));
  return {
    ...(overdue !== undefined && { overdue }),
    ...(exceeded.length > 0 && { exceeded }),
  };
}

function dialOf({ missing }: ConnectionPlan, peer: PlannedFor): PoolExplanation {
  const { isDialing, reputation, restMs, roles } = peer;
  if (isDialing) return { dial: 'dialing' };
  if (missing.length === 0) return { dial: 'enough' };
  const isOne = missing.some(({ reason }) => reason.kind === 'minimum' || roles.includes(reason.role));
  if (!isOne) return { dial: 'otherRole' };
  if (reputation < lowestReputation) return { dial: 'reputation' };
  return restMs > 0 ? { dial: 'resting', restMs: Math.ceil(restMs) } : { dial: 'wanted' };
}

const dials: Record<NonNullable<PoolExplanation['dial']>, string> = {
  dialing: 'is dialling it',
  enough: 'does not dial it: nobody is missing, or there is no room',
  otherRole: 'does not dial it: only peers of other roles are missing',
  reputation: `does not dial it: its reputation is below ${lowestReputation}`,
  resting: 'does not dial it yet: the last connection failed or did not last',
  wanted: 'may dial it, for want of peers',
};

const waits: Record<NonNullable<PoolExplanation['overdue']>, string> = {
  inUse: 'it has been replaced, and is in use still',
  renewing: 'another one is being opened',
  queued: 'others are being replaced first',
  backOff: 'the last attempt to replace it failed',
  noRoom: 'a limit leaves no room for another one, or the one before is in use still',
};

/** The same in words. */
export function poolLines({ dial, restMs, overdue, exceeded = [] }: PoolExplanation): string[] {
  const lines: string[] = [];
  if (dial !== undefined)
    lines.push(`the pool ${dials[dial]}${restMs === undefined ? '' : `, ${restMs} ms to go`}`);
  if (overdue !== undefined) lines.push(`its connection is past its lifetime: ${waits[overdue]}`);
  for (const { limit, connections, allowed } of exceeded) {
    const why = limit === 'pool.maxConnections' ? 'protected, or were used a moment ago' : 'protected';
    lines.push(`${limit} is exceeded, ${connections} instead of ${allowed}: those beyond it are ${why}`);
  }
  return lines;
}
