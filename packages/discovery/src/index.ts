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
import { openStore } from './adapters/store.ts';
import { resolveDiscoveryConfig, type DiscoveryConfig } from './config.ts';
import { DiscoveryService } from './discovery.ts';
import type { DiscoveryPorts } from './ports.ts';
import type { Discovery } from './api.ts';

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
  return (components) => {
    const { clock, datastore } = resolved.ports;
    const network = new Libp2pNetwork(components, resolved.config, resolved.ports);
    const onError = (text: string, error: unknown): void => network.logError(text, error);
    return new DiscoveryService(resolved, network, openStore(datastore, { clock, onError }));
  };
};

export { boundedDhtDatastore, type BoundedDhtDatastore } from './adapters/dhtDatastore.ts';
export { guardedDht, type DhtComponents } from './adapters/dhtGuard.ts';
export { dhtRecords, type DhtRecords, type DhtRecordsPorts } from './adapters/dhtRecords.ts';
export type { DiscoveryComponents } from './adapters/libp2p.ts';
export type { DiscoveryConfig } from './config.ts';
export {
  DiscoveryError,
  type DiscoveryErrorCode,
  type DiscoveryErrorData,
  type PublishProblem,
} from './errors.ts';
export type { DiscoveryEvents } from './events.ts';
export { dhtClientProtocol } from './internal/dhtClient.ts';
export type { DhtDatastoreConfig, DhtDatastoreStats } from './internal/dhtQuota.ts';
export type { Discovery } from './api.ts';
export type {
  ChannelVerdict,
  DescriptorChannel,
  DialCall,
  Dialer,
  DiscoveryPorts,
  LoadSource,
  LocalDiscovery,
  LocalDiscoveryComponents,
  PeerFact,
  PeerPerformance,
  PerformanceSource,
  ReputationSink,
  RoutingTable,
} from './ports.ts';
export type {
  AddressFailure,
  AlternativeQuery,
  DescriptorCounts,
  DiscoverySnapshot,
  DropReason,
  FindConfig,
  FoundPeer,
  Preference,
  PreferenceWeights,
  Provider,
  RankedCandidate,
  RankedFigure,
  RegisteredExecutor,
  RegistryAnswer,
  Rejection,
  Selection,
  SelectionExplanation,
  SelectionQuery,
  ServiceKind,
  ServiceQuery,
  Unsuitable,
  WaitConfig,
} from './types.ts';
