/**
 * Advertises services in a libp2p DHT and finds those of others. The DHT only hints: every provider is asked itself,
 * and counts when its signed descriptor proves what it offers.
 *
 * @example
 * ```ts
 * const node = await createLibp2p({
 *   ...rest,
 *   services: { identify: identify(), ping: ping(), dht: kadDHT(dhtConfig), discovery: discovery({ signer, verifier }) },
 * });
 * await node.services.discovery.advertiseService({ kind: 'executor', models: ['demo-small'], capacity: 4 });
 * ```
 *
 * @packageDocumentation
 */
import { Libp2pNetwork, type DiscoveryComponents } from './adapters/libp2p.ts';
import { resolveDiscoveryConfig, type DiscoveryConfig } from './config.ts';
import { DiscoveryService } from './discovery.ts';
import type { DiscoveryPorts } from './ports.ts';
import type { Discovery } from './types.ts';

/**
 * The discovery service, for libp2p's `services`.
 *
 * @param config configuration, and ports: `signer` to advertise, `verifier` to find
 * @throws {ConfigError} `INVALID_CONFIG`, listing every problem
 * @throws {AddressError} when a bootstrap address cannot be used; the node is not created
 */
export const discovery = (
  config: DiscoveryConfig & DiscoveryPorts = {},
): ((components: DiscoveryComponents) => Discovery) => {
  const resolved = resolveDiscoveryConfig(config);
  return (components) =>
    new DiscoveryService(resolved, new Libp2pNetwork(components, resolved.config, resolved.ports.clock));
};

export type { DiscoveryComponents } from './adapters/libp2p.ts';
export type { DiscoveryConfig } from './config.ts';
export { DiscoveryError, type DiscoveryErrorCode } from './errors.ts';
export type { DiscoveryEvents } from './events.ts';
export type { Dialer, DiscoveryPorts, LoadSource } from './ports.ts';
export type { AlternativeQuery, Discovery, FindConfig, Provider, ServiceQuery } from './types.ts';
