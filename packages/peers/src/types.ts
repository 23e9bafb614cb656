import type { Ban, ConnectionEndpoint } from './events.ts';

export type { Ban };

/** An open connection, as it was when it was asked for. */
export interface ConnectionInfo extends ConnectionEndpoint {
  /** When it was opened, in ms since 1970. */
  readonly openedAt: number;
  /** The latest round trip, in ms; absent until libp2p has measured one. */
  readonly rttMs?: number;
}

/** What is known of a peer. What the peer said itself (addresses, protocols, agentVersion) is not proven. */
export interface PeerInfo {
  readonly peerId: string;
  /** Addresses that the peer announced or that were added, without `/p2p/<peer id>`. */
  readonly addresses: readonly string[];
  /** Protocols that the peer says to speak; empty until it was identified. */
  readonly protocols: readonly string[];
  /** The program that the peer says to be; absent until it was identified. Cut to 256 characters. */
  readonly agentVersion?: string;
  /** What the port `services` knows of it; empty without that port. */
  readonly services: readonly unknown[];
  /** Its open connections; empty when it is not connected. */
  readonly connections: readonly ConnectionInfo[];
  /** What it is to this node, see {@link PeerRole}. */
  readonly roles: readonly PeerRole[];
  /** From -100 to 100; 0 of whom nothing is known. */
  readonly reputation: number;
  /** Whether `maintainConnection` was called for it. */
  readonly isMaintained: boolean;
  /** Absent when it is not banned. */
  readonly ban?: Ban;
}

/** A peer in short. */
export interface PeerSummary extends Pick<
  PeerInfo,
  'peerId' | 'roles' | 'reputation' | 'isMaintained' | 'connections' | 'ban'
> {}

/** The peers that are known, in short. */
export interface PeersSnapshot {
  /** The connected first, then the banned, the maintained, and those of whom something was heard last. */
  readonly peers: readonly PeerSummary[];
  /** How many are known, those included that are left out. */
  readonly known: number;
  /** How many connections are open, to those included that are left out. */
  readonly openConnections: number;
}

/** What a peer is to this node: what it offers, as the port `roles` knows, or that it relays, as it says itself. */
export type PeerRole = 'executor' | 'validator' | 'relay';

/** Something that a peer did, and that counts for its reputation. */
export type PeerFact =
  /** It answered a request, in time and proven. */
  | 'SERVED'
  /** A request to it failed, for whatever reason: it may be busy or gone. */
  | 'REQUEST_FAILED'
  /** It could not be dialled, or stopped answering. */
  | 'UNREACHABLE'
  /** Its answer was not signed as it must be, or not the answer. */
  | 'INVALID_ANSWER'
  /** Its request was not signed as it must be. */
  | 'INVALID_REQUEST'
  /** It handed over a message that is invalid by itself, or not of who signed it. */
  | 'INVALID_MESSAGE'
  /** What it says of itself is not signed as it must be. */
  | 'INVALID_DESCRIPTOR'
  /** It says more than it may. */
  | 'FLOOD'
  /** What it sent is nothing that the protocol knows. */
  | 'PROTOCOL_VIOLATION';

/** What one kind of fact has done to a reputation. */
export interface FactExplanation {
  readonly fact: PeerFact;
  /** How often it was reported since the reputation was last at rest. */
  readonly count: number;
  /** What is left of it, with its sign; what is older weighs less. */
  readonly points: number;
  /** When it was last reported, in ms since 1970. */
  readonly lastAt: number;
}

/** Why a peer is treated as it is. Plain data. */
export interface PeerExplanation {
  readonly peerId: string;
  readonly reputation: number;
  /** What made the reputation, the weightiest first. */
  readonly facts: readonly FactExplanation[];
  /** Below which reputation it is disconnected, and banned. */
  readonly thresholds: { readonly disconnectBelow: number; readonly banBelow: number };
  readonly ban?: Ban;
  readonly roles: readonly PeerRole[];
  readonly isConnected: boolean;
  /** What its machine is in: `absent` when the peer is neither connected, dialled, maintained nor being closed. */
  readonly state: 'absent' | 'disconnected' | 'resting' | 'dialing' | 'connected' | 'closing' | 'banned';
  /**
   * Until when neither side gets a connection through because it was disconnected, by the user or for its reputation, in ms since
   * 1970; absent when it is not kept away.
   */
  readonly awayUntil?: number;
  /** Absent when its connection is not maintained. */
  readonly maintained?: {
    /** How many dials in a row have failed; 0 while it is connected. */
    readonly failures: number;
    /** Why the last one failed; absent when none did. */
    readonly lastError?: string;
  };
  /** Why its connections are kept, see {@link Protection}; empty when nothing speaks for it. */
  readonly protectedBy: readonly Protection[];
  /** What the pool makes of it; absent without a pool. */
  readonly pool?: PoolExplanation;
  /** The same in words, several lines. */
  readonly text: string;
}

/** What the pool makes of a peer, as far as its latest plan says. */
export interface PoolExplanation {
  /**
   * Whether it dials the peer; absent while that is connected.
   *
   * - `dialing`: that is being done
   * - `wanted`: peers like it are missing, so it may be dialled
   * - `resting`: so it is, but not before `restMs` are over: the last connection failed or did not last
   * - `enough`: nobody is missing, or limits leave no room
   * - `otherRole`: only peers of other roles are missing
   * - `reputation`: it has too little of it
   */
  readonly dial?: 'dialing' | 'wanted' | 'resting' | 'enough' | 'otherRole' | 'reputation';
  readonly restMs?: number;
  /**
   * Why its connection is still open although it is past its lifetime; absent when it is not.
   *
   * - `inUse`: it has been replaced, and is in use still
   * - `renewing`: another one is being opened
   * - `queued`: others are being replaced first
   * - `backOff`: the last attempt to replace it failed, or did not last
   * - `noRoom`: a limit leaves no room for another one, or the one before it is in use still
   */
  readonly overdue?: 'inUse' | 'renewing' | 'queued' | 'backOff' | 'noRoom';
  /** Limits that are exceeded because all connections beyond them are protected, or were used a moment ago; absent when none is. */
  readonly exceeded?: readonly {
    readonly limit: string;
    readonly connections: number;
    readonly allowed: number;
  }[];
}

/**
 * Why a connection is kept.
 *
 * - `maintained`: `maintainConnection` was called. Neither limits nor disuse close it
 * - `inUse`: requests or streams are under way. Neither limits nor disuse nor age close it
 * - `role`: the peer counts towards a target of the pool. Neither limits nor disuse close it
 * - `needed`: another service of the node needs it, whatever is sent to it: it is in a mesh of gossip, say. Disuse does not close
 *   it; when there are too many it is one of the last to go
 * - `minimum`: the pool would fall below its minimum. Disuse does not close it; limits do
 *
 * Of whom any of them speaks, a connection that is too old is replaced before it is closed.
 */
export type Protection = 'maintained' | 'inUse' | 'role' | 'needed' | 'minimum';

/**
 * How many connections this node keeps. A maintained peer that is not connected passes the first three, in both directions; the
 * least valuable connection that is not in use is closed for it.
 */
export interface ConnectionLimits {
  /** In all. Beyond it inbound connections are refused, and the least valuable ones that are not in use are closed. */
  readonly maxConnections: number;
  /** Those that others opened: what was given, but no more than `maxConnections`; as much as that when nothing was. */
  readonly maxInboundConnections: number;
  /** Those that this node opened, in the same way. */
  readonly maxOutboundConnections: number;
  /**
   * To one peer, both directions together. One that is past its lifetime, see {@link ConnectionPoolConfig}, does not count while
   * it is replaced. That holds for this node: a peer that lets no more in keeps the old one, and is asked again later and
   * later. What has been open for 5 s does not go for a newcomer; when the limit falls, what is in use goes when it is not
   * any more.
   */
  readonly maxConnectionsPerPeer: number;
  /** Opened by others from one IP address, or one IPv6 network of 64 bits; loopback and relayed ones are not counted. */
  readonly maxConnectionsPerIp: number;
  /**
   * Not yet established: dials of this package under way, and separately inbound handshakes. Of the latter one IP address, or
   * one IPv6 network of 64 bits, may have a quarter, and one in any case; of loopback and relayed ones no address is known that
   * would tell strangers apart, so each of these may have all.
   */
  readonly maxPendingConnections: number;
}

/** How many peers of each role a pool keeps connected, as far as they can be found. An absent one is not looked after. */
export type RoleTargets = { readonly [R in PeerRole]?: number };

/** Which connections are kept open by themselves, and which are closed. */
export interface ConnectionPoolConfig {
  /**
   * To how many peers there are connections at least: known ones are dialled when there are fewer, and none is closed for
   * being idle.
   * @default 10 - the specification's `min_connections`
   */
  readonly minConnections?: number;
  /**
   * How many connections there are at most, as far as those beyond are not in use. Of those beyond it the least valuable are
   * closed, each when it was unused for 15 s, so that what it was opened for can be done; that time doubles in the same way
   * as that of `idleTimeoutMs`. An old connection and the one that replaces it count as one. Limits, see
   * {@link ConnectionLimits}, act at once.
   * @default 100 - the specification's `max_connections`
   */
  readonly maxConnections?: number;
  /**
   * After how long without use a connection is closed, in ms. Use is every stream but those of `backgroundProtocols`, and
   * what the port `usage` knows; whom that port calls needed is not closed. A peer that comes back within that time, or six
   * minutes, after it was closed because of this or because there were too many, may be idle for twice as long the next
   * time, up to 64 times.
   * @default 300_000 - the specification's `idle_timeout`
   */
  readonly idleTimeoutMs?: number;
  /**
   * How old a connection may be, in ms. One that is needed is replaced before it is closed, and not closed in the middle of
   * a request.
   * @default 3_600_000 - the specification's `connection_ttl`
   */
  readonly connectionTtlMs?: number;
  /**
   * Of which roles peers are kept connected, and how many.
   * @default {} - none
   */
  readonly roles?: RoleTargets;
}

/** How to dial. */
export interface DialConfig {
  /** Gives up waiting when it aborts; the dial goes on for others who wait for the same peer. */
  readonly signal?: AbortSignal;
  /**
   * Who told the addresses, and wants the connection.
   *
   * - `user`: they may be private under any policy but `loopback`, and a peer that was disconnected may be dialled at once
   * - `neighbours`: the local network did; they may be private as well, but a peer that was disconnected stays away
   * - `peers`: strangers did; the policy applies, and a peer that was disconnected stays away
   * @default 'user'
   */
  readonly toldBy?: 'user' | 'neighbours' | 'peers';
}
