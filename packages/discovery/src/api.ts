import type { PeerId } from '@libp2p/interface';
import type { RegistryQuery, ServiceDescriptor, ServiceType } from '@lloom/codec';
import type { EventSource } from '@lloom/core';
import type { Multiaddr } from '@multiformats/multiaddr';
import type { DiscoveryEvents } from './events.ts';
import type {
  AlternativeQuery,
  DiscoverySnapshot,
  FindConfig,
  FoundPeer,
  Provider,
  RegistryAnswer,
  Selection,
  SelectionQuery,
  WaitConfig,
} from './types.ts';

/**
 * Advertises services of this node and finds those of others.
 *
 * Every call that queries or waits rejects with `STOPPED` when the service is not started or stops meanwhile, and with
 * `CANCELLED` when its signal fires, unless it says otherwise.
 */
export interface Discovery extends EventSource<DiscoveryEvents> {
  /**
   * Offers a service: signed to whoever asks this node from now on, announced to connected peers at once and every
   * `announcementIntervalMs`, and in the DHT when `service:advertised` tells so. Resolves when it is recorded. Replaces an
   * earlier offer of the same kind. Before the start it is recorded only; across `stop()` it is kept.
   *
   * @throws {DiscoveryError} `INVALID_SERVICE`, `MISSING_SIGNER`, `SIGNER_MISMATCH`; nothing was changed then
   */
  advertiseService(service: ServiceType): Promise<void>;
  /**
   * Replaces the offer of a kind: new models are published, gone ones are not renewed. The same as advertising again.
   *
   * @throws {DiscoveryError} as {@link Discovery.advertiseService}
   */
  updateServiceInfo(service: ServiceType): Promise<void>;
  /**
   * Takes an offer back: connected peers and whoever asks this node are told at once. Resolves when it is not renewed any
   * more. Other peers may name this node for it until their records expire. Does nothing when there is no such offer.
   */
  withdrawService(kind: ServiceType['kind']): Promise<void>;
  /**
   * Finds executors. Resolves at `limit`, or `settleMs` after the first confirmed one, or when everybody was asked. The
   * list may be empty. What peers have said within `maxAgeMs` counts without asking them; when the same was looked for
   * within that time, and somebody is known, resolves at once.
   *
   * @throws {DiscoveryError} `MISSING_VERIFIER`, `NO_DHT`; `QUERY_TIMEOUT` or `QUERY_FAILED` when nothing was confirmed
   * @throws {ConfigError} when `config` cannot be used
   * @example
   * ```ts
   * for (const { peerId, info } of await discovery.discoverExecutors({ limit: 5 })) console.log(peerId, info);
   * ```
   */
  discoverExecutors(config?: FindConfig): Promise<Provider[]>;
  /**
   * Finds executors of one model.
   *
   * @throws {DiscoveryError} as {@link Discovery.discoverExecutors}, and `INVALID_SERVICE` when the name cannot be used
   */
  findModelProviders(model: string, config?: FindConfig): Promise<Provider[]>;
  /**
   * Finds executors of one model, at least one.
   *
   * @throws {DiscoveryError} as {@link Discovery.findModelProviders}, and `NO_PROVIDERS` when nobody confirmed it
   */
  requireModelProviders(model: string, config?: FindConfig): Promise<Provider[]>;
  /**
   * Finds validators.
   *
   * @throws {DiscoveryError} as {@link Discovery.discoverExecutors}
   */
  discoverValidators(config?: FindConfig): Promise<Provider[]>;
  /**
   * Executors as they are confirmed, until everybody was asked. Leaving the loop ends the search.
   *
   * @throws {DiscoveryError} `MISSING_VERIFIER` at the call; the loop throws as {@link Discovery.discoverExecutors}
   */
  executors(config?: FindConfig): AsyncIterableIterator<Provider>;
  /**
   * Executors of one model as they are confirmed.
   *
   * @throws {DiscoveryError} as {@link Discovery.executors}, and `INVALID_SERVICE` at the call
   */
  modelProviders(model: string, config?: FindConfig): AsyncIterableIterator<Provider>;
  /**
   * Validators as they are confirmed.
   *
   * @throws {DiscoveryError} as {@link Discovery.executors}
   */
  validators(config?: FindConfig): AsyncIterableIterator<Provider>;
  /**
   * Asks one peer what it offers; proven. `undefined` when it never offered anything, no services when it has withdrawn
   * them all. The own peer id gives the own descriptor.
   *
   * @throws {DiscoveryError} `DESCRIPTOR_REFUSED`, `DESCRIPTOR_UNREACHABLE`, `MISSING_VERIFIER`
   * @throws {AddressError} `INVALID_PEER_ID`
   */
  describeService(peerId: PeerId | string, config?: WaitConfig): Promise<ServiceDescriptor | undefined>;
  /**
   * Looks again for everything that was looked for lately, at most 32 questions; each ends in `service:discovered`.
   * Happens by itself every `discoveryIntervalMs`; whoever asks while it happens shares it.
   *
   * @throws {DiscoveryError} `QUERY_FAILED` when not one search worked
   */
  refreshServices(config?: WaitConfig): Promise<void>;
  /**
   * Notes a peer through which the network can be joined. Nothing is dialled.
   *
   * @throws {AddressError} `INVALID_MULTIADDR`, with the nearest valid form when there is one, or `MISSING_PEER_ID`
   */
  addBootstrapPeer(address: Multiaddr | string): void;
  /** The addresses of all bootstrap peers. */
  bootstrapPeers(): readonly string[];
  /**
   * Joins the network: dials every bootstrap peer, then looks up the own id. Resolves when one answered, or, when none did,
   * one of the peers that were met before. From then on
   * the node stays joined by itself; when nobody answered it keeps trying.
   *
   * @throws {DiscoveryError} `BOOTSTRAP_FAILED` with a reason for each address, `NO_BOOTSTRAP_PEERS`
   */
  bootstrap(config?: WaitConfig): Promise<void>;
  /**
   * Looks up the own id in the DHT, which fills the routing tables here and at others. Dials no bootstrap peer.
   *
   * @throws {DiscoveryError} `NO_DHT`, `QUERY_TIMEOUT`, `QUERY_FAILED`
   */
  kadBootstrap(config?: WaitConfig): Promise<void>;
  /**
   * What a peer offers, by the last that was heard of it and proven; empty when nothing was heard for two of
   * `announcementIntervalMs`, or it offers nothing. Asks nobody.
   */
  servicesOf(peerId: string): readonly ServiceType[];
  /**
   * Notes that a peer is said to serve some models, by whoever says so. A hint: the peer is asked when one of them is
   * looked for, and stands in for another only when no proven executor is known. Gone after two announcements, and as soon
   * as the peer itself is heard. An empty list takes it back. At most 1,024 peers; the oldest goes first.
   *
   * @throws {DiscoveryError} `INVALID_SERVICE` when a name cannot be used
   * @throws {AddressError} `INVALID_PEER_ID`
   */
  updateExecutorInfo(peerId: PeerId | string, models: readonly string[]): void;
  /**
   * Selects the executor that suits best, of those that {@link Discovery.findModelProviders} finds: first who has free
   * slots, then by what is preferred. Among equals each node has an order of its own. `explain()` says why. When what is
   * known suits nobody, everybody is asked once more, within the same time.
   *
   * @throws {DiscoveryError} as {@link Discovery.findModelProviders}; `NO_PROVIDERS` when nobody suits, with a reason for
   * each who does not; `INVALID_QUERY` when the query cannot be used
   * @example
   * ```ts
   * const chosen = await discovery.selectExecutor({ model: 'demo-small', maxPrice: '1000000000000000', prefer: 'latency' });
   * console.log(chosen.peerId, chosen.explain().text);
   * ```
   */
  selectExecutor(query: SelectionQuery, config?: Omit<FindConfig, 'limit'>): Promise<Selection>;
  /**
   * Asks a validator what it knows of the network: models, executors, statistics. A convenience, never an authority: it
   * may leave out what it likes. What it shows of executors is proven by their own signatures, and remembered; what
   * proves nothing stands in `refused`.
   *
   * @throws {DiscoveryError} `REGISTRY_UNREACHABLE`, `REGISTRY_REFUSED`, `INVALID_QUERY`, `MISSING_VERIFIER`
   * @throws {AddressError} `INVALID_PEER_ID`
   * @example
   * ```ts
   * const [validator] = await discovery.discoverValidators({ limit: 1 });
   * const answer = await discovery.queryRegistry(validator!.peerId, { type: 'findModel', model: 'demo-small' });
   * ```
   */
  queryRegistry(peerId: PeerId | string, query: RegistryQuery, config?: WaitConfig): Promise<RegistryAnswer>;
  /**
   * Another executor of a model, of those that {@link Discovery.servicesOf} knows and that are connected or have named
   * an address: first who has free slots, then by price, latency and throughput alike. Among equals each node has an
   * order of its own, so that not all turn to the same one. `undefined` when nobody is known. Asks nobody.
   */
  alternativeTo(query: AlternativeQuery): string | undefined;
  /**
   * The same; when nobody is known, looks for somebody for at most five seconds, and resolves with the first who
   * confirms. libp2p then knows an address of it. `undefined` when nobody is found, for whatever reason, and also when the
   * service is not started. Calls for one model share a search; beyond 16 models at a time nobody is looked for.
   *
   * @throws {DiscoveryError} `CANCELLED` when the signal fires; nothing else
   */
  findAlternative(query: AlternativeQuery, config?: WaitConfig): Promise<string | undefined>;
  /**
   * Names this node in the DHT, so that others who join the name can find it: from now on, over restarts of the service,
   * renewed as offers are, until the returned function is called; calling that twice does no harm. Who joins a name several
   * times is named until all of them have left. Others may go on to name this node until their records expire. Nothing is
   * signed: what a peer really does, others learn when they connect to it. At most 256 names at a time, of 1 to 256
   * characters (UTF-16 code units).
   *
   * @throws {DiscoveryError} `INVALID_NAME`, `TOO_MANY_NAMES`; nothing was changed then
   * @example
   * ```ts
   * const leave = discovery.joinRendezvous('demo/1.0.0');
   * for await (const { peerId, addresses } of discovery.rendezvousPeers('demo/1.0.0')) consider(peerId, addresses);
   * leave();
   * ```
   */
  joinRendezvous(name: string): () => void;
  /**
   * Those whom the DHT names for a rendezvous, as it names them: hints, some of them gone, each once, without this node, at
   * most 64. The DHT itself ends at `kadReplicationFactor` names, not always different ones. Whoever looks need not have
   * joined. The loop never throws: it ends with the query, after `queryTimeoutMs`, when the signal fires, when the service
   * stops, and at once when that is not started or there is no DHT. Leaving the loop ends the query.
   *
   * @throws {DiscoveryError} `INVALID_NAME` at the call
   * @throws {ConfigError} when `config` cannot be used, at the call
   */
  rendezvousPeers(name: string, config?: Pick<FindConfig, 'signal'>): AsyncIterableIterator<FoundPeer>;
  /** Everything that is under way, as plain JSON. */
  snapshot(): DiscoverySnapshot;
}
