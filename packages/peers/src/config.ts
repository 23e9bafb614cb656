import { integer, oneOf, resolveConfig, type Checks } from '@lloom/core';

import type { ConnectionLimits } from './types.ts';

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
}

/** What holds when a field is not given; each has its source beside it in {@link PeersConfig}. */
export const peersDefaults: Required<PeersConfig> = Object.freeze({
  addressPolicy: 'public',
  maxConnections: 200,
  maxConnectionsPerPeer: 3,
  maxPendingConnections: 30,
  dialTimeoutMs: 10_000,
  disconnectCooldownMs: 10_000,
  maxKnownPeers: 1_000,
});

const dayMs = 86_400_000;

const limitChecks: Checks<ConnectionLimits> = {
  maxConnections: integer(1, 100_000),
  maxConnectionsPerPeer: integer(1, 1_000),
  maxPendingConnections: integer(1, 10_000),
};

const checks: Checks<Required<PeersConfig>> = {
  ...limitChecks,
  addressPolicy: oneOf('public', 'lan', 'loopback'),
  dialTimeoutMs: integer(1, dayMs),
  disconnectCooldownMs: integer(0, dayMs),
  maxKnownPeers: integer(1, 1_000_000),
};

/**
 * A complete configuration from a partial one.
 * @throws {ConfigError} listing every problem
 */
export function resolvePeersConfig(config: PeersConfig = {}): Readonly<Required<PeersConfig>> {
  return resolveConfig('peers', { checks, defaults: peersDefaults }, config);
}

/**
 * Limits in which some have changed.
 * @throws {ConfigError} listing every problem
 */
export function resolveLimits(
  current: ConnectionLimits,
  changes: Partial<ConnectionLimits>,
): ConnectionLimits {
  return resolveConfig('peers.limits', { checks: limitChecks, defaults: current }, changes);
}
