import type { PeerId } from '@libp2p/interface';
import type { ServiceDescriptor, ServiceType } from '@lloom/codec';
import { EventHub, toPeerId } from '@lloom/core';
import type { Multiaddr } from '@multiformats/multiaddr';
import { Advertising } from './advertising.ts';
import type { ResolvedConfig } from './config.ts';
import { DiscoveryError } from './errors.ts';
import type { DiscoveryEvents } from './events.ts';
import { Alternatives } from './internal/alternatives.ts';
import { BootstrapPeers } from './internal/bootstrapPeers.ts';
import { Finder, type FinderPorts } from './internal/finder.ts';
import { OwnDescriptor } from './internal/ownDescriptor.ts';
import type { Shared } from './internal/shared.ts';
import { Joining } from './joining.ts';
import type { Network, ResolvedPorts } from './ports.ts';
import { Refreshing } from './refreshing.ts';
import type {
  AlternativeQuery,
  Discovery,
  DiscoverySnapshot,
  FindConfig,
  Provider,
  ServiceKind,
  WaitConfig,
} from './types.ts';

/** What runs between start and stop. */
interface Running {
  readonly abort: AbortController;
  readonly unwatch: () => void;
  readonly advertising: Advertising;
  readonly joining: Joining;
  readonly refreshing: Refreshing;
  /** Whether machines may act: everything else of the node is started. */
  ready: boolean;
  /** The own addresses that offers were published with. */
  addresses: string;
}

/** The discovery service. Users hold it as {@link Discovery}; libp2p starts and stops it. */
export class DiscoveryService extends EventHub<DiscoveryEvents> implements Discovery {
  readonly [Symbol.toStringTag] = '@lloom/discovery';
  readonly #shared: Shared;
  readonly #descriptor: OwnDescriptor;
  readonly #peers: BootstrapPeers;
  readonly #finder: Finder;
  readonly #alternatives: Alternatives;
  #running: Running | undefined;

  constructor({ config, ports }: { config: ResolvedConfig; ports: ResolvedPorts }, network: Network) {
    super((error, type) => network.logError(`a listener of "${type}" failed`, error));
    this.#shared = { ...ports, dialer: ports.dialer ?? network, network, config, events: this };
    this.#descriptor = new OwnDescriptor(this.#shared);
    this.#peers = new BootstrapPeers(this.#shared);
    const stop = (): AbortSignal | undefined => this.#running?.abort.signal;
    const onDiscovered: FinderPorts['onDiscovered'] = (service, providers) =>
      this.emit('service:discovered', { service, providers });
    this.#finder = new Finder({ ...this.#shared, stop, onDiscovered });
    this.#alternatives = new Alternatives({ ...this.#shared, finder: this.#finder });
  }

  /** Answers peers from now on. Called by libp2p. */
  async start(): Promise<void> {
    if (this.#running !== undefined) return;
    const { network } = this.#shared;
    const unwatch = network.watch({
      onPeer: (peer) => {
        this.emit('routing:updated', peer);
        this.#running?.advertising.wake();
      },
      onDisconnect: (peerId) => this.#running?.joining.onDisconnect(peerId),
      onAddresses: () => this.#onAddresses(),
    });
    this.#running = { ...this.#createMachines(), unwatch, ready: false, addresses: '' };
    try {
      await network.serve(() => this.#descriptor.frame());
    } catch (error) {
      // Another service answers already: it must not be disturbed.
      this.#running = undefined;
      unwatch();
      throw error;
    }
  }

  /** Joins, publishes and refreshes from now on. Called by libp2p when everything else is started. */
  afterStart(): void {
    const running = this.#running;
    if (running === undefined || running.ready) return;
    running.ready = true;
    running.addresses = this.#shared.network.addresses().join();
    running.refreshing.start();
    running.joining.start();
    for (const offer of this.#descriptor.offers) running.advertising.advertise(offer);
  }

  /** Ends everything that is under way. Offers and bootstrap peers are kept for the next start. Called by libp2p. */
  async stop(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    running.unwatch();
    for (const machines of [running.joining, running.refreshing, running.advertising]) machines.stop();
    running.abort.abort();
    this.close();
    await this.#shared.network.unserve();
  }

  async advertiseService(service: ServiceType): Promise<void> {
    const offer = this.#descriptor.put(service);
    if (this.#running?.ready === true) this.#running.advertising.advertise(offer);
  }

  readonly updateServiceInfo = (service: ServiceType): Promise<void> => this.advertiseService(service);

  readonly servicesOf = (peerId: string): readonly ServiceType[] => this.#finder.known.of(peerId);

  async withdrawService(kind: ServiceKind): Promise<void> {
    const service = this.#descriptor.remove(kind);
    if (service === undefined) return;
    await this.#running?.advertising.withdraw(kind);
    this.emit('service:withdrawn', { service });
  }

  async discoverExecutors(config?: FindConfig): Promise<Provider[]> {
    return this.#finder.find({ kind: 'executor' }, config);
  }

  async findModelProviders(model: string, config?: FindConfig): Promise<Provider[]> {
    return this.#finder.find({ kind: 'executor', model }, config);
  }

  async requireModelProviders(model: string, config?: FindConfig): Promise<Provider[]> {
    return this.#finder.require({ kind: 'executor', model }, config);
  }

  async discoverValidators(config?: FindConfig): Promise<Provider[]> {
    return this.#finder.find({ kind: 'validator' }, config);
  }

  executors(config?: FindConfig): AsyncIterableIterator<Provider> {
    return this.#finder.iterate({ kind: 'executor' }, config);
  }

  modelProviders(model: string, config?: FindConfig): AsyncIterableIterator<Provider> {
    return this.#finder.iterate({ kind: 'executor', model }, config);
  }

  validators(config?: FindConfig): AsyncIterableIterator<Provider> {
    return this.#finder.iterate({ kind: 'validator' }, config);
  }

  alternativeTo(query: AlternativeQuery): string | undefined {
    return this.#alternatives.find(query);
  }

  async findAlternative(query: AlternativeQuery, config?: WaitConfig): Promise<string | undefined> {
    return this.#alternatives.search(query, config);
  }

  async describeService(
    peerId: PeerId | string,
    config?: WaitConfig,
  ): Promise<ServiceDescriptor | undefined> {
    const id = toPeerId(peerId).toString();
    if (id === this.#shared.network.peerId) return this.#descriptor.current();
    return this.#finder.describe({ peerId: id, addresses: [] }, config);
  }

  async refreshServices({ signal }: WaitConfig = {}): Promise<void> {
    await this.#ready('refreshServices').refreshing.refresh(signal);
  }

  addBootstrapPeer(address: Multiaddr | string): void {
    this.#peers.add(address);
  }

  bootstrapPeers(): readonly string[] {
    return this.#peers.addresses;
  }

  async bootstrap({ signal }: WaitConfig = {}): Promise<void> {
    const { joining } = this.#ready('bootstrap');
    this.#peers.requireSome();
    await joining.join(signal);
  }

  async kadBootstrap(config?: WaitConfig): Promise<void> {
    await this.#finder.findSelf('kadBootstrap', config);
  }

  snapshot(): DiscoverySnapshot {
    const running = this.#running;
    const stopped = 'stopped';
    return {
      running: running !== undefined,
      advertisements: this.#descriptor.offers.map((service) => ({
        service,
        state: running?.advertising.stateOf(service.kind) ?? stopped,
      })),
      bootstrap: { state: running?.joining.state ?? stopped, peers: this.#peers.addresses },
      refresh: { state: running?.refreshing.state ?? stopped, interests: this.#finder.interests.all },
    };
  }

  #ready(act: string): Running {
    if (this.#running?.ready !== true) throw new DiscoveryError('STOPPED', { act });
    return this.#running;
  }

  #createMachines(): Pick<Running, 'abort' | 'joining' | 'refreshing' | 'advertising'> {
    const abort = new AbortController();
    const finder = this.#finder;
    const onFound = (): void => this.#running?.advertising.wake();
    return {
      abort,
      joining: new Joining({ ...this.#shared, peers: this.#peers, finder, onFound }),
      refreshing: new Refreshing({ ...this.#shared, finder }),
      advertising: new Advertising({ ...this.#shared, descriptor: this.#descriptor, stop: abort.signal }),
    };
  }

  /** Others know this node by its addresses: they are in the descriptor, and in what the DHT holds. */
  #onAddresses(): void {
    const running = this.#running;
    const addresses = this.#shared.network.addresses().join();
    if (running?.ready !== true || running.addresses === addresses) return;
    running.addresses = addresses;
    this.#descriptor.touch();
    running.advertising.republish();
  }
}
