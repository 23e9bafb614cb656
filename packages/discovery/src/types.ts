import type { PeerId } from '@libp2p/interface';
import type { ServiceDescriptor, ServiceType } from '@lloom/codec';
import type { EventSource } from '@lloom/core';
import type { Multiaddr } from '@multiformats/multiaddr';
import type { DiscoveryEvents } from './events.ts';

/** What one looks for: executors, executors of one model, or validators. */
export type ServiceQuery =
  | { readonly kind: 'executor'; readonly model?: string }
  | { readonly kind: 'validator' };

/** The two kinds of service. */
export type ServiceKind = ServiceType['kind'];

/** A peer that said, signed and just now, that it offers what was asked for. */
export interface Provider {
  readonly peerId: string;
  /** Where it can be reached, in its own words; what others say when it names nothing that can be used. */
  readonly addresses: readonly string[];
  /** Its offer. */
  readonly info: ServiceType;
  /** What it runs, in its own words. */
  readonly agentVersion?: string;
}

/** How one search is made. */
export interface FindConfig {
  /** Ends the search as soon as so many providers are confirmed, 1 to 64. @default 64 */
  readonly limit?: number;
  /** Gives up. */
  readonly signal?: AbortSignal;
  /** How long it may take, in ms. @default the service's `queryTimeoutMs` */
  readonly timeoutMs?: number;
}

/** How to wait for something that goes on without the one who waits. */
export interface WaitConfig {
  /** Stops the wait, not what is waited for. */
  readonly signal?: AbortSignal;
}

/** A provider that did not count, and why. */
export interface Rejection {
  readonly peerId: string;
  /** `NOT_OFFERED`, the reason of a `DESCRIPTOR_REFUSED`, or `UNREACHABLE`. */
  readonly reason: string;
}

/** A bootstrap address that did not work, and why. */
export interface AddressFailure {
  readonly address: string;
  readonly reason: string;
}

/** A peer that the DHT names: a hint, until the peer itself confirms it. */
export interface FoundPeer {
  readonly peerId: string;
  readonly addresses: readonly string[];
}

/** Who else is wanted. */
export interface AlternativeQuery {
  /** The peer for which somebody is to stand in. It is never the answer. */
  readonly peerId: string;
  /** What they must serve. @default any model that the peer is known to serve */
  readonly model?: string;
  /** Peers that are not wanted either. @default nobody */
  readonly exclude?: readonly string[];
}

/** Everything that is under way, as plain JSON. */
export interface DiscoverySnapshot {
  /** Whether the service is started. */
  readonly running: boolean;
  /** Every recorded offer with the state of its machine. */
  readonly advertisements: readonly { readonly service: ServiceType; readonly state: string }[];
  readonly bootstrap: { readonly state: string; readonly peers: readonly string[] };
  readonly refresh: { readonly state: string; readonly interests: readonly ServiceQuery[] };
}

/**
 * Advertises services of this node and finds those of others.
 *
 * Every call that queries or waits rejects with `STOPPED` when the service is not started or stops meanwhile, and with
 * `CANCELLED` when its signal fires.
 */
export interface Discovery extends EventSource<DiscoveryEvents> {
  /**
   * Offers a service: signed to whoever asks this node from now on, and in the DHT when `service:advertised` tells so.
   * Resolves when it is recorded. Replaces an earlier offer of the same kind. Before the start it is recorded only;
   * across `stop()` it is kept.
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
   * Takes an offer back: whoever asks this node is told at once. Resolves when it is not renewed any more. Other peers
   * may name this node for it until their records expire. Does nothing when there is no such offer.
   */
  withdrawService(kind: ServiceType['kind']): Promise<void>;
  /**
   * Finds executors. Resolves at `limit`, or `settleMs` after the first confirmed one, or when everybody was asked. The
   * list may be empty.
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
   * Joins the network: dials every bootstrap peer, then looks up the own id. Resolves when one answered. From then on
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
   * What a peer offered when it was asked last, proven then; empty when it was not asked within `descriptorTtlMs`, or
   * offers nothing. Asks nobody.
   */
  servicesOf(peerId: string): readonly ServiceType[];
  /**
   * Another executor of a model, of those that {@link Discovery.servicesOf} knows and that are connected or have named
   * an address: first who has free slots, then whose queue is shorter, then who is cheaper. Among equals each node has
   * an order of its own, so that not all turn to the same one. `undefined` when nobody is known. Asks nobody.
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
  /** Everything that is under way, as plain JSON. */
  snapshot(): DiscoverySnapshot;
}
