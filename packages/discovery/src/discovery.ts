import type { PeerId } from '@libp2p/interface';
import {
  decodeDescriptorRequest,
  type RegistryQuery,
  type ServiceDescriptor,
  type ServiceType,
} from '@lloom/codec';
import { EventHub, toPeerId } from '@lloom/core';
import type { Multiaddr } from '@multiformats/multiaddr';
import { Advertising } from './advertising.ts';
import { Announcing } from './announcing.ts';
import type { Discovery } from './api.ts';
import type { ResolvedConfig } from './config.ts';
import { DiscoveryError } from './errors.ts';
import type { DiscoveryEvents } from './events.ts';
import { Alternatives } from './internal/alternatives.ts';
import { BootstrapPeers } from './internal/bootstrapPeers.ts';
import type { DescriptorStore } from './internal/descriptorStore.ts';
import { Finder, type FinderPorts } from './internal/finder.ts';
import { Turns } from './internal/ranking.ts';
import { RegistryClient } from './internal/registryClient.ts';
import { Selecting, type SelectConfig } from './internal/selecting.ts';
import { OwnDescriptor } from './internal/ownDescriptor.ts';
import { checkModels } from './internal/services.ts';
import type { Shared } from './internal/shared.ts';
import { Joining } from './joining.ts';
import { LocalPeers } from './localPeers.ts';
import type { Network, ResolvedPorts } from './ports.ts';
import { Pruning } from './pruning.ts';
import { Refreshing } from './refreshing.ts';
import { Registry } from './registry.ts';
import type {
  AlternativeQuery,
  DiscoverySnapshot,
  FindConfig,
  Provider,
  RegistryAnswer,
  Selection,
  SelectionQuery,
  ServiceKind,
  WaitConfig,
} from './types.ts';

/** What runs between start and stop. */
interface Running {
  readonly abort: AbortController;
  readonly unwatch: () => void;
  readonly advertising: Advertising;
  readonly announcing: Announcing;
  readonly joining: Joining;
  readonly localPeers: LocalPeers;
  readonly pruning: Pruning;
  readonly refreshing: Refreshing;
  readonly registry: Registry;
  /** Whether machines may act: everything else of the node is started. */
  ready: boolean;
  /** The own addresses that offers were published with. */
  addresses: string;
}

/** The discovery service. Users hold it as {@link Discovery}; libp2p starts and stops it. */
export class DiscoveryService extends EventHub<DiscoveryEvents> implements Discovery {
  readonly [Symbol.toStringTag] = '@lloom/discovery';
  readonly #shared: Shared;
  readonly #store: DescriptorStore;
  readonly #descriptor: OwnDescriptor;
  readonly #peers: BootstrapPeers;
  readonly #finder: Finder;
  readonly #alternatives: Alternatives;
  readonly #selecting: Selecting;
  readonly #registries: RegistryClient;
  #running: Running | undefined;

  constructor(
    { config, ports }: { config: ResolvedConfig; ports: ResolvedPorts },
    network: Network,
    store: DescriptorStore,
  ) {
    super((error, type) => network.logError(`a listener of "${type}" failed`, error));
    this.#shared = { ...ports, dialer: ports.dialer ?? network, network, config, events: this };
    this.#store = store;
    this.#descriptor = new OwnDescriptor(this.#shared, store);
    this.#peers = new BootstrapPeers({ ...this.#shared, others: () => this.#finder.reachable() });
    const stop = (): AbortSignal | undefined => this.#running?.abort.signal;
    const onDiscovered: FinderPorts['onDiscovered'] = (service, providers) =>
      this.emit('service:discovered', { service, providers });
    const onTaken: FinderPorts['onTaken'] = (message) => store.keep(message);
    this.#finder = new Finder({ ...this.#shared, stop, onDiscovered, onTaken });
    // One order of equals for both, or failover would differ from choice.
    const choosing = { ...this.#shared, finder: this.#finder, turns: new Turns(ports.random) };
    this.#alternatives = new Alternatives(choosing);
    this.#selecting = new Selecting(choosing);
    this.#registries = new RegistryClient({ ...this.#shared, finder: this.#finder, stop });
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
      onListener: (peerId) => void this.#running?.announcing.greet(peerId),
      onDisconnect: (peerId) => this.#onDisconnect(peerId),
      onAddresses: () => this.#onAddresses(),
    });
    const running = { ...this.#createMachines(), unwatch, ready: false, addresses: '' };
    this.#running = running;
    try {
      await this.#restore();
      await network.serve('descriptor', async (_, frame) => {
        decodeDescriptorRequest(frame);
        return this.#descriptor.frame();
      });
      await network.serve('registry', (peerId, frame) => running.registry.answer(peerId, frame));
      await network.serve('announce', (peerId, frame) => running.announcing.hear(peerId, frame));
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
    running.announcing.start();
    running.pruning.start();
    running.registry.setOpen(this.#descriptor.offer('validator') !== undefined);
    running.registry.start();
    running.localPeers.start();
    for (const offer of this.#descriptor.offers) running.advertising.advertise(offer);
  }

  /** Ends everything that is under way. Offers and bootstrap peers are kept for the next start. Called by libp2p. */
  async stop(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    running.unwatch();
    const { advertising, announcing, joining, pruning, refreshing, registry } = running;
    for (const part of [registry, joining, refreshing, advertising, announcing, pruning]) part.stop();
    running.abort.abort();
    this.close();
    await running.localPeers.stop();
    await this.#shared.network.unserve();
    await this.#store.settled();
  }

  async advertiseService(service: ServiceType): Promise<void> {
    const offer = this.#descriptor.put(service);
    if (this.#running?.ready !== true) return;
    const { advertising, announcing, registry } = this.#running;
    advertising.advertise(offer);
    announcing.change();
    if (offer.kind === 'validator') registry.setOpen(true);
  }

  readonly updateServiceInfo = (service: ServiceType): Promise<void> => this.advertiseService(service);

  readonly servicesOf = (peerId: string): readonly ServiceType[] => this.#finder.known.services(peerId);

  async withdrawService(kind: ServiceKind): Promise<void> {
    const service = this.#descriptor.remove(kind);
    if (service === undefined) return;
    const running = this.#running;
    if (kind === 'validator') running?.registry.setOpen(false);
    await Promise.all([running?.advertising.withdraw(kind), running?.announcing.withdraw()]);
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

  updateExecutorInfo(peerId: PeerId | string, models: readonly string[]): void {
    const id = toPeerId(peerId).toString();
    const checked = checkModels(models);
    // What a peer has proven is worth more than what is said of it.
    if (this.#finder.known.get(id) === undefined) this.#finder.hints.note(id, checked);
  }

  async selectExecutor(query: SelectionQuery, config?: SelectConfig): Promise<Selection> {
    return this.#selecting.select(query, config);
  }

  async queryRegistry(
    peerId: PeerId | string,
    query: RegistryQuery,
    config?: WaitConfig,
  ): Promise<RegistryAnswer> {
    return this.#registries.query(peerId, query, config);
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
      announcement: { state: running?.announcing.state ?? stopped },
      descriptors: this.#finder.intake.counts,
      bootstrap: { state: running?.joining.state ?? stopped, peers: this.#peers.addresses },
      registry: { state: running?.registry.state ?? stopped },
      localPeers: running?.localPeers.peerIds ?? [],
      refresh: { state: running?.refreshing.state ?? stopped, interests: this.#finder.interests.all },
    };
  }

  #ready(act: string): Running {
    if (this.#running?.ready !== true) throw new DiscoveryError('STOPPED', { act });
    return this.#running;
  }

  #createMachines(): Omit<Running, 'unwatch' | 'ready' | 'addresses'> {
    const abort = new AbortController();
    const finder = this.#finder;
    const descriptor = this.#descriptor;
    const onFound = (): void => {
      this.#running?.advertising.wake();
      this.#running?.registry.onFound();
    };
    const onRejoined = (): void => this.#running?.advertising.republish();
    return {
      abort,
      announcing: new Announcing({ ...this.#shared, descriptor, intake: finder.intake }),
      joining: new Joining({ ...this.#shared, peers: this.#peers, finder, onFound, onRejoined }),
      localPeers: new LocalPeers(this.#shared),
      pruning: new Pruning(this.#shared),
      refreshing: new Refreshing({ ...this.#shared, finder }),
      registry: new Registry({ ...this.#shared, finder }),
      advertising: new Advertising({ ...this.#shared, descriptor, stop: abort.signal }),
    };
  }

  /** Takes up what was known before a restart. Without it everything works, only slower. */
  async #restore(): Promise<void> {
    const { network } = this.#shared;
    try {
      const { usedSequence, messages, damaged } = await this.#store.load();
      this.#descriptor.continueAfter(usedSequence);
      for (const message of messages) this.#finder.known.restore(message);
      if (damaged > 0) network.log('dropped damaged records', { damaged });
    } catch (error) {
      network.logError('could not read what was known before', error);
    }
  }

  #onDisconnect(peerId: string): void {
    this.#finder.known.doubt(peerId);
    this.#running?.joining.onDisconnect(peerId);
    this.#running?.pruning.onDisconnect(peerId);
  }

  /** Others know this node by its addresses: they are in the descriptor, and in what the DHT holds. */
  #onAddresses(): void {
    const running = this.#running;
    const addresses = this.#shared.network.addresses().join();
    if (running?.ready !== true || running.addresses === addresses) return;
    running.addresses = addresses;
    this.#descriptor.touch();
    running.advertising.republish();
    if (this.#descriptor.offers.length > 0) running.announcing.change();
  }
}
