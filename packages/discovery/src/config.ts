import {
  ConfigError,
  integer,
  listOf,
  optional,
  resolveConfig,
  systemClock,
  systemRandom,
  text,
  type Checks,
} from '@lloom/core';
import { maxProviders } from './internal/search.ts';
import type { DiscoveryPorts, ResolvedPorts } from './ports.ts';
import type { FindConfig, WaitConfig } from './types.ts';

/** How services are advertised and found. Every field is optional for users. */
export interface DiscoveryConfig {
  /**
   * Addresses of the peers through which the network is joined, each ending in `/p2p/<peer id>`. When there are any,
   * the node joins by itself after its start and keeps trying. At most 256.
   * @default [] - nobody; see `addBootstrapPeer`
   */
  readonly bootstrapPeers?: readonly string[];
  /**
   * The protocol by which a peer is known to take part in the DHT. Give the DHT service the same.
   * @default '/lloom/kad/1.0.0' - the specification's `kad_protocol`
   */
  readonly kadProtocol?: string;
  /**
   * How many providers the DHT names for one key, and on how many peers it puts one. Give the DHT service the same.
   * @default 20 - the specification's `kad_replication_factor`
   */
  readonly kadReplicationFactor?: number;
  /**
   * How long one query of the DHT may take, in ms.
   * @default 60_000 - the specification's `kad_query_timeout`
   */
  readonly queryTimeoutMs?: number;
  /**
   * How often the services that were looked for are looked for again, in ms, give or take a tenth.
   * @default 300_000 - the specification's continuous discovery
   */
  readonly discoveryIntervalMs?: number;
  /**
   * How long one peer may take to hand over its descriptor, in ms, dialling included.
   * @default 5_000 - a dial and three round trips over a slow link
   */
  readonly descriptorTimeoutMs?: number;
  /**
   * How often this node announces its offers, in ms, or up to a fifth sooner. Of whom nothing was heard for twice as long,
   * nothing is believed. Nodes of one network have the same.
   * @default 30_000 - a dead executor is forgotten within a minute
   */
  readonly announcementIntervalMs?: number;
  /**
   * How long a peer on the local network counts as there after it was sighted, in ms.
   * @default 120_000 - the lifetime of what mDNS announces
   */
  readonly localPeerTtlMs?: number;
  /**
   * How long a peer may be disconnected before it is dialled, and, when that fails, taken out of the routing table of the
   * DHT, in ms.
   * @default 30_000 - longer than a restart
   */
  readonly deadPeerGraceMs?: number;
  /**
   * How long a descriptor of this node stays valid after it was signed, in ms.
   * @default 90_000 - three announcements of 30 s
   */
  readonly descriptorTtlMs?: number;
  /**
   * How long dialling one bootstrap peer may take, in ms.
   * @default 10_000 - what libp2p gives a dial
   */
  readonly dialTimeoutMs?: number;
  /**
   * How often the keys of an offer are put into the DHT again, in ms, give or take a tenth. Peers forget the addresses
   * of a provider after an hour without contact, so stay well below.
   * @default 1_200_000 - three chances an hour
   */
  readonly republishIntervalMs?: number;
  /**
   * How often a node that has joined dials its bootstrap peers again, in ms, give or take a tenth. It keeps their
   * addresses from expiring and finds those that were down.
   * @default 900_000 - four chances in the hour after which libp2p forgets an address
   */
  readonly bootstrapIntervalMs?: number;
  /**
   * The wait before the first retry of a publication, a bootstrap or a refresh, in ms; it doubles each time.
   * @default 1_000 - the specification's `initial_delay`
   */
  readonly retryDelayMs?: number;
  /**
   * The longest wait before a retry, in ms.
   * @default 30_000 - the specification's `max_delay`
   */
  readonly maxRetryDelayMs?: number;
  /**
   * How long a search goes on after the first confirmed provider, in ms, so that there is a choice; for a selection after
   * the first that suits.
   * @default 300 - in a network of 30 nodes the first answer takes 10 ms, all of them about 1 s
   */
  readonly settleMs?: number;
  /**
   * How many providers are asked for their descriptor at the same time, in one search.
   * @default 8 - one round for most searches, and few connections
   */
  readonly concurrency?: number;
}

/** A complete configuration. */
export type ResolvedConfig = Readonly<Required<DiscoveryConfig>>;

/** What holds when a field is not given; each has its source beside it in {@link DiscoveryConfig}. */
export const discoveryDefaults: ResolvedConfig = Object.freeze({
  bootstrapPeers: [],
  kadProtocol: '/lloom/kad/1.0.0',
  kadReplicationFactor: 20,
  queryTimeoutMs: 60_000,
  discoveryIntervalMs: 300_000,
  descriptorTimeoutMs: 5_000,
  announcementIntervalMs: 30_000,
  localPeerTtlMs: 120_000,
  deadPeerGraceMs: 30_000,
  descriptorTtlMs: 90_000,
  dialTimeoutMs: 10_000,
  republishIntervalMs: 1_200_000,
  bootstrapIntervalMs: 900_000,
  retryDelayMs: 1_000,
  maxRetryDelayMs: 30_000,
  settleMs: 300,
  concurrency: 8,
});

/** A signature that is handed out when a third of its life is over has to cover the two announcements of belief. */
const announcementsCovered = 3;
const dayMs = 86_400_000;
const duration = integer(1, dayMs);

const checks: Checks<Required<DiscoveryConfig>> = {
  bootstrapPeers: listOf(text(/^\//, 'an address that begins with "/"'), 256),
  kadProtocol: text(/^\/.{1,255}$/, 'a protocol name that begins with "/"'),
  kadReplicationFactor: integer(1, 100),
  queryTimeoutMs: duration,
  discoveryIntervalMs: duration,
  descriptorTimeoutMs: duration,
  announcementIntervalMs: integer(1_000, 300_000),
  localPeerTtlMs: duration,
  deadPeerGraceMs: duration,
  // Others refuse a descriptor that is valid for longer than ten minutes.
  descriptorTtlMs: integer(1_000, 600_000),
  dialTimeoutMs: duration,
  republishIntervalMs: duration,
  bootstrapIntervalMs: duration,
  retryDelayMs: duration,
  maxRetryDelayMs: duration,
  settleMs: integer(0, dayMs),
  concurrency: integer(1, 64),
};

/**
 * A complete configuration and complete ports from what the user gave, mixed.
 * @throws {ConfigError} listing every problem
 */
export function resolveDiscoveryConfig(input: DiscoveryConfig & DiscoveryPorts = {}): {
  readonly config: ResolvedConfig;
  readonly ports: ResolvedPorts;
} {
  const { inspect, clock = systemClock, random = systemRandom, meter, ...rest } = input;
  const { signer, verifier, dialer, load, channel, experience, ...others } = rest;
  const { reputation, routingTable, localDiscovery, datastore, ...given } = others;
  const config = resolveConfig('discovery', { checks, defaults: discoveryDefaults }, given);
  const { announcementIntervalMs, descriptorTtlMs } = config;
  if (descriptorTtlMs < announcementsCovered * announcementIntervalMs) {
    const wanted = `at least ${announcementsCovered} times announcementIntervalMs, which is ${announcementIntervalMs}`;
    throw new ConfigError([{ path: 'discovery.descriptorTtlMs', got: String(descriptorTtlMs), wanted }]);
  }
  const common = { inspect, clock, random, meter };
  const wired = { signer, verifier, dialer, load, channel, experience, reputation };
  return { config, ports: { ...common, ...wired, routingTable, localDiscovery, datastore } };
}

const signal = optional((value) =>
  value instanceof AbortSignal ? undefined : 'an AbortSignal, such as the `signal` of an AbortController',
);

/** How one search is made, complete. */
export interface ResolvedFind extends Required<Omit<FindConfig, 'signal'>> {
  readonly signal: AbortSignal | undefined;
}

/**
 * How one search is made, complete.
 * @throws {ConfigError} listing every problem
 */
export function resolveFindConfig(
  given: FindConfig,
  { queryTimeoutMs }: ResolvedConfig,
  maxAgeMs: number,
): ResolvedFind {
  const defaults = { limit: maxProviders, timeoutMs: queryTimeoutMs, maxAgeMs, signal: undefined };
  const find = { limit: integer(1, maxProviders), timeoutMs: duration, maxAgeMs: integer(0, dayMs), signal };
  return resolveConfig<ResolvedFind>('find', { checks: find, defaults }, withSignal(given));
}

/**
 * How to wait, complete.
 * @throws {ConfigError} listing every problem
 */
export function resolveWaitConfig(given: WaitConfig = {}): WaitConfig {
  const rules = { checks: { signal }, defaults: { signal: undefined } };
  const resolved = resolveConfig<{ readonly signal: AbortSignal | undefined }>(
    'wait',
    rules,
    withSignal(given),
  );
  return resolved.signal === undefined ? {} : { signal: resolved.signal };
}

/** With its signal as a field of its own: that of an `AbortController` is none. */
function withSignal<C extends WaitConfig>(given: C): C {
  const isObject: boolean = typeof given === 'object' && given !== null && !Array.isArray(given);
  return isObject && given.signal !== undefined ? { ...given, signal: given.signal } : given;
}
