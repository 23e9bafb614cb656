import {
  ConfigError,
  integer,
  listOf,
  oneOf,
  optional,
  resolveConfig,
  text,
  type Check,
  type Checks,
} from '@lloom/core';

import type { ConnectionLimits, ConnectionPoolConfig } from './types.ts';

/**
 * Which addresses may be dialled, by anybody in the node.
 *
 * - `public`: those of the internet
 * - `lan`: those and the private ones of local networks
 * - `loopback`: 127.0.0.0/8 and ::1 only, without exception; nor does anything else come in
 *
 * Under `public` and `lan` the rule is for what others tell: an address that the user gives to `dialPeer` or
 * `addPeerAddr` may be any.
 */
export type AddressPolicy = 'public' | 'lan' | 'loopback';

/** How connections are opened and kept. Every field is optional for users. */
export interface PeersConfig {
  /**
   * Which addresses may be dialled.
   * @default 'public' - an address that a stranger tells must not reach into the local network
   */
  readonly addressPolicy?: AddressPolicy;
  /**
   * How many connections are kept in all. Replaces what libp2p's `connectionManager` was given.
   * @default 200 - the specification's `max_connections`
   */
  readonly maxConnections?: number;
  /**
   * How many of them others may have opened.
   * @default maxConnections - a node that others join through is full of them; less leaves room for those of its own choice
   */
  readonly maxInboundConnections?: number;
  /**
   * How many of them this node may have opened.
   * @default maxConnections
   */
  readonly maxOutboundConnections?: number;
  /**
   * How many connections others may open from one IP address: of IPv6, from one network of 64 bits. Loopback addresses are not
   * counted, nor those that come through a relay.
   * @default 64 - room for an office behind one address, and no room for one machine that fills a node of 200
   */
  readonly maxConnectionsPerIp?: number;
  /**
   * How many connections are kept to one peer.
   * @default 3 - the specification's `max_connections_per_peer`
   */
  readonly maxConnectionsPerPeer?: number;
  /**
   * How many connections may be under way: dials of this package, and separately inbound handshakes.
   * @default 30 - the specification's `max_pending_connections`
   */
  readonly maxPendingConnections?: number;
  /**
   * How long one dial may take, in ms, all its addresses together.
   * @default 10_000 - libp2p's own limit of a dial
   */
  readonly dialTimeoutMs?: number;
  /**
   * How long a peer stays away after `disconnectPeer`, in ms.
   * @default 10_000 - outlasts the first three attempts of a peer that reconnects after 1, 2 and 4 s
   */
  readonly disconnectCooldownMs?: number;
  /**
   * How many peers are remembered for `peerInfo`, and as many with addresses from `addPeerAddr`. The oldest that are
   * not connected go first.
   * @default 1_000 - about 2 KiB each
   */
  readonly maxKnownPeers?: number;
  /**
   * How many peers may be banned at the same time, those included that lost their reputation. Of these the one whose ban
   * ends first makes room. Those that the user banned under a higher limit stay banned.
   * @default 10_000 - about 300 bytes each
   */
  readonly maxBans?: number;
  /**
   * To how many peers connections may be maintained. Those that were under a higher limit still are.
   * @default 128 - of 200 connections in all
   */
  readonly maxMaintainedPeers?: number;
  /**
   * After how long a maintained peer is dialled again for the first time, in ms, give or take a quarter. The pause doubles
   * with each failure.
   * @default 5_000 - libp2p tries five times within the first half minute by itself
   */
  readonly redialMinDelayMs?: number;
  /**
   * The longest of these pauses, in ms.
   * @default 300_000 - a machine that is back is found within five minutes
   */
  readonly redialMaxDelayMs?: number;
  /**
   * How often each connection is pinged, in ms. In place of libp2p's connection monitor, which is stopped; 0 leaves the
   * connections to that.
   * @default 15_000 - with three misses a dead peer is found within a minute
   */
  readonly pingIntervalMs?: number;
  /**
   * How long the answer to a ping may take, in ms.
   * @default 10_000 - a program that computes answers nothing meanwhile
   */
  readonly pingTimeoutMs?: number;
  /**
   * After how many pings in a row without an answer a connection is dead.
   * @default 3 - a peer that is busy for ten seconds misses one
   */
  readonly maxMissedPings?: number;
  /**
   * After how long half of a reputation is forgotten, in ms.
   * @default 600_000
   */
  readonly reputationHalfLifeMs?: number;
  /**
   * Whose reputation falls below this is disconnected. From -100 to 0.
   * @default -20
   */
  readonly disconnectBelow?: number;
  /**
   * Whose reputation falls below this is banned. From -100 to 0.
   * @default -50
   */
  readonly banBelow?: number;
  /**
   * For how long, in ms.
   * @default 1_800_000 - three half-lives: when it ends, an eighth of what led to it is left
   */
  readonly reputationBanMs?: number;
  /**
   * Beginnings of the protocols whose streams are no use of a connection: they run as long as it is open.
   * @default identify, ping, the DHT, gossip, AutoNAT, hole punching, and the sessions of `@lloom/rpc`, which tells by the
   *   port `usage` when it has requests under way
   */
  readonly backgroundProtocols?: readonly string[];
}

/** A complete configuration. */
export type ResolvedPeersConfig = Readonly<Required<PeersConfig>>;

/** What holds when a field is not given; each has its source beside it in {@link PeersConfig}. */
export const peersDefaults: ResolvedPeersConfig = Object.freeze({
  addressPolicy: 'public',
  maxConnections: 200,
  maxInboundConnections: 200,
  maxOutboundConnections: 200,
  maxConnectionsPerPeer: 3,
  maxConnectionsPerIp: 64,
  maxPendingConnections: 30,
  dialTimeoutMs: 10_000,
  disconnectCooldownMs: 10_000,
  maxKnownPeers: 1_000,
  maxBans: 10_000,
  maxMaintainedPeers: 128,
  redialMinDelayMs: 5_000,
  redialMaxDelayMs: 300_000,
  pingIntervalMs: 15_000,
  pingTimeoutMs: 10_000,
  maxMissedPings: 3,
  reputationHalfLifeMs: 600_000,
  disconnectBelow: -20,
  banBelow: -50,
  reputationBanMs: 1_800_000,
  backgroundProtocols: Object.freeze([
    '/ipfs/',
    '/libp2p/autonat/',
    '/libp2p/dcutr',
    '/meshsub/',
    '/floodsub/',
    '/lloom/kad/',
    '/lloom/rpc/',
  ]),
});

/** What a pool keeps when a field is not given: the specification's `ConnectionPoolConfig`. */
export const poolDefaults: Required<ConnectionPoolConfig> = Object.freeze({
  minConnections: 10,
  maxConnections: 100,
  idleTimeoutMs: 300_000,
  connectionTtlMs: 3_600_000,
  roles: Object.freeze({}),
});

const dayMs = 86_400_000;

const limitChecks: Checks<ConnectionLimits> = {
  maxConnections: integer(1, 100_000),
  maxInboundConnections: integer(0, 100_000),
  maxOutboundConnections: integer(0, 100_000),
  maxConnectionsPerPeer: integer(1, 1_000),
  maxConnectionsPerIp: integer(1, 100_000),
  maxPendingConnections: integer(1, 10_000),
};

const checks: Checks<Required<PeersConfig>> = {
  ...limitChecks,
  addressPolicy: oneOf('public', 'lan', 'loopback'),
  dialTimeoutMs: integer(1, dayMs),
  disconnectCooldownMs: integer(0, dayMs),
  maxKnownPeers: integer(1, 1_000_000),
  maxBans: integer(1, 1_000_000),
  maxMaintainedPeers: integer(0, 100_000),
  redialMinDelayMs: integer(1, dayMs),
  redialMaxDelayMs: integer(1, dayMs),
  pingIntervalMs: integer(0, dayMs),
  pingTimeoutMs: integer(1, dayMs),
  maxMissedPings: integer(1, 100),
  reputationHalfLifeMs: integer(1, 365 * dayMs),
  disconnectBelow: integer(-100, 0),
  banBelow: integer(-100, 0),
  reputationBanMs: integer(1, 365 * dayMs),
  backgroundProtocols: listOf(text(/^\/.{1,255}$/, 'the beginning of a protocol, with "/"'), 64),
};

const roles = ['executor', 'validator', 'relay'];
const roleTargets: Check = (value) => {
  const wanted = `an object with ${roles.join(', ')}: a whole number from 0 to 1000 each`;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return wanted;
  const isFine = Object.entries(value).every(
    ([role, count]) => roles.includes(role) && optional(integer(0, 1_000))(count) === undefined,
  );
  return isFine ? undefined : wanted;
};

const poolChecks: Checks<Required<ConnectionPoolConfig>> = {
  minConnections: integer(0, 10_000),
  maxConnections: integer(1, 100_000),
  idleTimeoutMs: integer(1, 30 * dayMs),
  connectionTtlMs: integer(1, 365 * dayMs),
  roles: roleTargets,
};

/**
 * A complete configuration from a partial one.
 * @throws {ConfigError} listing every problem
 */
export function resolvePeersConfig(config: PeersConfig = {}): ResolvedPeersConfig {
  const resolved = resolveConfig('peers', { checks, defaults: peersDefaults }, config);
  const { maxInboundConnections, maxOutboundConnections } = limitsInEffect(wantedLimits(config));
  return Object.freeze({ ...resolved, maxInboundConnections, maxOutboundConnections });
}

/** The limits that a configuration asks for: a share that is not given has no bound of its own. */
export function wantedLimits(config: Partial<ConnectionLimits>): ConnectionLimits {
  const limitOf = (name: keyof ConnectionLimits): number => config[name] ?? peersDefaults[name];
  return Object.freeze({
    maxConnections: limitOf('maxConnections'),
    maxInboundConnections: config.maxInboundConnections ?? Infinity,
    maxOutboundConnections: config.maxOutboundConnections ?? Infinity,
    maxConnectionsPerPeer: limitOf('maxConnectionsPerPeer'),
    maxConnectionsPerIp: limitOf('maxConnectionsPerIp'),
    maxPendingConnections: limitOf('maxPendingConnections'),
  });
}

/**
 * The limits that are asked for when some have changed.
 * @throws {ConfigError} listing every problem
 */
export function resolveLimits(
  wanted: ConnectionLimits,
  changes: Partial<ConnectionLimits>,
): ConnectionLimits {
  return resolveConfig('peers.limits', { checks: limitChecks, defaults: wanted }, changes);
}

/** What holds of the limits that are asked for: no direction may have more than there is in all. */
export function limitsInEffect(wanted: ConnectionLimits): ConnectionLimits {
  const { maxConnections, maxInboundConnections, maxOutboundConnections } = wanted;
  return Object.freeze({
    ...wanted,
    maxInboundConnections: Math.min(maxInboundConnections, maxConnections),
    maxOutboundConnections: Math.min(maxOutboundConnections, maxConnections),
  });
}

/**
 * A complete pool from a partial one.
 * @throws {ConfigError} listing every problem, also a minimum above the maximum
 */
export function resolvePool(pool: ConnectionPoolConfig): Required<ConnectionPoolConfig> {
  const resolved = resolveConfig('peers.pool', { checks: poolChecks, defaults: poolDefaults }, pool);
  const { minConnections, maxConnections } = resolved;
  if (minConnections <= maxConnections) return resolved;
  const wanted = `at most maxConnections, ${maxConnections}`;
  throw new ConfigError([{ path: 'peers.pool.minConnections', got: String(minConnections), wanted }]);
}
