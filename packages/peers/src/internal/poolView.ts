import type { CloseCause } from '../events.ts';
import type {
  ConnectionLimits,
  ConnectionPoolConfig,
  PeerRole,
  PoolExplanation,
  Protection,
} from '../types.ts';

/** An open connection, as the planner sees it. Moments are elapsed time of one clock. */
export interface PlannedConnection {
  readonly id: string;
  readonly direction: 'inbound' | 'outbound';
  readonly relayed: boolean;
  readonly openedAt: number;
  /** When it or its peer was last in use; when it was opened, if never. */
  readonly lastUsedAt: number;
  /** Whether streams are open on it, or requests under way with its peer. */
  readonly isInUse: boolean;
}

/** A connected peer. */
export interface PlannedPeer {
  readonly peerId: string;
  readonly isMaintained: boolean;
  readonly roles: readonly PeerRole[];
  readonly reputation: number;
  /** Whether others need it to stay, whatever is sent to it: it is not closed for being idle. */
  readonly isNeeded: boolean;
  /** What other services of the node hold of it: the sum of its tags in the peer store. */
  readonly value: number;
  /** How many times as long as others it may be idle, or one too many for the pool; at least 1. */
  readonly patience: number;
  /** Never empty. */
  readonly connections: readonly PlannedConnection[];
}

/** A peer that could be dialled. */
export interface KnownPeer {
  readonly peerId: string;
  readonly roles: readonly PeerRole[];
  readonly reputation: number;
}

/** All that a plan is made from. */
export interface PlanView {
  readonly selfPeerId: string;
  /** The elapsed time of the clock. */
  readonly now: number;
  /** A number of this node's own, so that not all nodes dial the same peers first. */
  readonly salt: number;
  readonly limits: ConnectionLimits;
  /** `undefined`: only limits are kept. */
  readonly pool: Required<ConnectionPoolConfig> | undefined;
  readonly connected: readonly PlannedPeer[];
  /** May be left out when nothing is to be dialled: what is missing is told all the same. */
  readonly known: readonly KnownPeer[];
  /** Whom the pool is dialling, and as what. */
  readonly dialing: ReadonlyMap<string, readonly PeerRole[]>;
  /** To whom it is opening another connection. */
  readonly renewing: ReadonlySet<string>;
  /** Whom it must not dial before when. */
  readonly restingUntil: Pick<ReadonlyMap<string, number>, 'get'>;
}

/** A connection to close. */
export interface PlannedClosing {
  readonly peerId: string;
  readonly connectionId: string;
  readonly cause: CloseCause;
}

/** A connection that is too old, and whose peer gets another one before it is closed. */
export interface PlannedRenewal {
  readonly peerId: string;
  /** The old one. */
  readonly connectionId: string;
  readonly because: readonly Protection[];
}

/** What a dial is for. */
export type OpenReason =
  | { readonly kind: 'role'; readonly role: PeerRole; readonly connected: number; readonly target: number }
  | { readonly kind: 'minimum'; readonly connected: number; readonly target: number };

/** A peer to dial. */
export interface PlannedDial {
  readonly peerId: string;
  readonly roles: readonly PeerRole[];
  readonly reason: OpenReason;
}

/** Of which there are too few, as far as there is room for more. */
export interface Shortage {
  readonly count: number;
  readonly reason: OpenReason;
}

/** A limit that is exceeded because those beyond it are protected or, if it is the pool's own, were used a moment ago. */
export interface Excess {
  readonly limit:
    | 'maxConnections'
    | 'maxInboundConnections'
    | 'maxOutboundConnections'
    | 'pool.maxConnections';
  readonly connections: number;
  readonly allowed: number;
  /** Who keeps how many connections: a peer may count several times. */
  readonly keptBy: Readonly<Record<Protection, number>>;
}

/** A connection that is too old and stays for now. */
export interface Overdue {
  readonly peerId: string;
  readonly connectionId: string;
  readonly waitsFor: NonNullable<PoolExplanation['overdue']>;
}

/** What is to be done, and why. */
export interface ConnectionPlan {
  readonly close: readonly PlannedClosing[];
  readonly renew: readonly PlannedRenewal[];
  readonly open: readonly PlannedDial[];
  readonly missing: readonly Shortage[];
  /** Roles for which nobody known is left, and how many are missing beyond those in `open`. */
  readonly search: readonly { readonly role: PeerRole; readonly count: number }[];
  readonly excess: readonly Excess[];
  readonly overdue: readonly Overdue[];
  /** Why peers are kept; those that nothing speaks for are left out. */
  readonly protections: ReadonlyMap<string, readonly Protection[]>;
  /** In how many ms to look again, when nothing happens before: 1,000 to 60,000. */
  readonly nextLookMs: number;
}
