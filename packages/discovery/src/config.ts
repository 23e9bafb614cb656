import { integer, listOf, resolveConfig, systemClock, systemRandom, text, type Checks } from '@lloom/core';
import { maxProviders } from './internal/search.ts';
import type { DiscoveryPorts, ResolvedPorts } from './ports.ts';
import type { FindConfig } from './types.ts';

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
   * How long a search goes on after the first confirmed provider, in ms, so that there is a choice.
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
  queryTimeoutMs: 60_000,
  discoveryIntervalMs: 300_000,
  descriptorTimeoutMs: 5_000,
  descriptorTtlMs: 90_000,
  dialTimeoutMs: 10_000,
  republishIntervalMs: 1_200_000,
  bootstrapIntervalMs: 900_000,
  retryDelayMs: 1_000,
  maxRetryDelayMs: 30_000,
  settleMs: 300,
  concurrency: 8,
});

const dayMs = 86_400_000;
const duration = integer(1, dayMs);

const checks: Checks<Required<DiscoveryConfig>> = {
  bootstrapPeers: listOf(text(/^\//, 'an address that begins with "/"'), 256),
  kadProtocol: text(/^\/.{1,255}$/, 'a protocol name that begins with "/"'),
  queryTimeoutMs: duration,
  discoveryIntervalMs: duration,
  descriptorTimeoutMs: duration,
  // Others refuse a descriptor that is valid for longer than ten minutes.
  descriptorTtlMs: integer(1_000, 600_000),
  dialTimeoutMs: duration,
  republishIntervalMs: duration,
  bootstrapIntervalMs: duration,
  retryDelayMs: duration,
  maxRetryDelayMs: duration,
  settleMs: integer(0, dayMs),
  concurrency: integer(1, maxProviders),
};

/**
 * A complete configuration and complete ports from what the user gave, mixed.
 * @throws {ConfigError} listing every problem
 */
export function resolveDiscoveryConfig(input: DiscoveryConfig & DiscoveryPorts = {}): {
  readonly config: ResolvedConfig;
  readonly ports: ResolvedPorts;
} {
  const { inspect, clock = systemClock, random = systemRandom, ...rest } = input;
  const { signer, verifier, dialer, load, ...given } = rest;
  const config = resolveConfig('discovery', { checks, defaults: discoveryDefaults }, given);
  return { config, ports: { inspect, clock, random, signer, verifier, dialer, load } };
}

/**
 * How one search is made, complete but for its signal.
 * @throws {ConfigError} listing every problem
 */
export function resolveFindConfig(
  { signal: _, ...given }: FindConfig,
  { queryTimeoutMs }: ResolvedConfig,
): { readonly limit: number; readonly timeoutMs: number } {
  const defaults = { limit: maxProviders, timeoutMs: queryTimeoutMs };
  const find = { limit: integer(1, maxProviders), timeoutMs: duration };
  return resolveConfig('find', { checks: find, defaults }, given);
}
