import type { PeerId } from '@libp2p/interface';
import {
  decodeDescriptorRequest,
  type RegistryQuery,
  type ServiceDescriptor,
  type ServiceType,
} from '@lloom/codec';
import { EventHub, safeMeter, toPeerId } from '@lloom/core';
import type { Multiaddr } from '@multiformats/multiaddr';
import type { Discovery } from './api.ts';
import { resolveWaitConfig, type ResolvedConfig } from './config.ts';
import { DiscoveryError } from './errors.ts';
import type { DiscoveryEvents } from './events.ts';
import { Alternatives } from './internal/alternatives.ts';
import { within } from './internal/deadline.ts';
import { BootstrapPeers } from './internal/bootstrapPeers.ts';
import type { DescriptorStore } from './internal/descriptorStore.ts';
import { Finder, type FinderPorts } from './internal/finder.ts';
import { showGauges } from './internal/gauges.ts';
import { Turns } from './internal/ranking.ts';
import { RegistryClient } from './internal/registryClient.ts';
import { checkName, RendezvousNames } from './internal/rendezvousNames.ts';
import { rendezvousPeers } from './internal/rendezvousPeers.ts';
import { Selecting, type SelectConfig } from './internal/selecting.ts';
import { OwnDescriptor } from './internal/ownDescriptor.ts';
import { checkModels } from './internal/services.ts';
import type { Shared } from './internal/shared.ts';
import type { Network, ResolvedPorts } from './ports.ts';
import { Running } from './running.ts';
import type {
  AlternativeQuery,
  DiscoverySnapshot,
  FindConfig,
  FoundPeer,
  Provider,
  RegistryAnswer,
  Selection,
  SelectionQuery,
  ServiceKind,
  WaitConfig,
} from './types.ts';

/** How long the start and the stop wait for what is kept, in ms. */
const storeTimeoutMs = 10_000;

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
  readonly #names = new RendezvousNames();
  #running: { readonly parts: Running; readonly unwatch: () => void } | undefined;

  constructor(
    { config, ports }: { config: ResolvedConfig; ports: ResolvedPorts },
    network: Network,
    store: DescriptorStore,
  ) {
    super((error, type) => network.logError('a listener failed', error, { type }));
    const meter =
      ports.meter && safeMeter(ports.meter, (error) => network.logError('the meter failed', error));
    this.#shared = { ...ports, meter, dialer: ports.dialer ?? network, network, config, events: this };
    this.#store = store;
    this.#descriptor = new OwnDescriptor(this.#shared, store);
    this.#peers = new BootstrapPeers({ ...this.#shared, others: () => this.#finder.reachable() });
    const stop = (): AbortSignal | undefined => this.#running?.parts.stopSignal;
    const onDiscovered: FinderPorts['onDiscovered'] = (service, providers) =>
      this.emit('service:discovered', { service, providers });
    const onTaken: FinderPorts['onTaken'] = (message) => store.keep(message);
    this.#finder = new Finder({ ...this.#shared, stop, onDiscovered, onTaken });
    // One order of equals for both, or failover would differ from choice.
    const choosing = { ...this.#shared, finder: this.#finder, turns: new Turns(ports.random) };
    this.#alternatives = new Alternatives(choosing);
    this.#selecting = new Selecting(choosing);
    this.#registries = new RegistryClient({ ...this.#shared, finder: this.#finder, stop });
    const isJoined = (): boolean => this.#running?.parts.joining.isJoined === true;
    if (meter !== undefined) showGauges(meter, { known: this.#finder.known, isJoined });
  }

  /** Answers peers from now on. Called by libp2p. */
  async start(): Promise<void> {
    if (this.#running !== undefined) return;
    const { network } = this.#shared;
    const parts = new Running({
      ...this.#shared,
      descriptor: this.#descriptor,
      peers: this.#peers,
      finder: this.#finder,
      names: this.#names,
    });
    const unwatch = network.watch(parts);
    this.#running = { parts, unwatch };
    try {
      await this.#restore();
      await network.serve('descriptor', async (_, frame) => {
        decodeDescriptorRequest(frame);
        return this.#descriptor.frame();
      });
      await network.serve('registry', (peerId, frame) => parts.registry.answer(peerId, frame));
      await network.serve('announce', (peerId, frame) => parts.announcing.hear(peerId, frame));
    } catch (error) {
      // Another service answers already: it must not be disturbed.
      this.#running = undefined;
      unwatch();
      throw error;
    }
  }

  /** Joins, publishes and refreshes from now on. Called by libp2p when everything else is started. */
  afterStart(): void {
    this.#running?.parts.begin();
  }

  /** Ends everything that is under way. Offers, names and bootstrap peers are kept for the next start. Called by libp2p. */
  async stop(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    const { clock, network } = this.#shared;
    this.#running = undefined;
    running.unwatch();
    const stopping = running.parts.stop();
    this.close();
    await stopping;
    await network.unserve();
    const fail = (error: unknown): void => network.logError('what is kept is not written yet', error);
    await within(clock, storeTimeoutMs, this.#store.settled()).catch(fail);
  }

  async advertiseService(service: ServiceType): Promise<void> {
    const offer = this.#descriptor.put(service);
    this.#running?.parts.offer(offer);
  }

  readonly updateServiceInfo = (service: ServiceType): Promise<void> => this.advertiseService(service);

  readonly servicesOf = (peerId: string): readonly ServiceType[] => this.#finder.known.services(peerId);

  async withdrawService(kind: ServiceKind): Promise<void> {
    const service = this.#descriptor.remove(kind);
    if (service === undefined) return;
    await this.#running?.parts.withdraw(kind);
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
    return this.#registries.query(peerId, query, resolveWaitConfig(config));
  }

  alternativeTo(query: AlternativeQuery): string | undefined {
    return this.#alternatives.find(query);
  }

  async findAlternative(query: AlternativeQuery, config?: WaitConfig): Promise<string | undefined> {
    return this.#alternatives.search(query, resolveWaitConfig(config));
  }

  async describeService(
    peerId: PeerId | string,
    config?: WaitConfig,
  ): Promise<ServiceDescriptor | undefined> {
    const id = toPeerId(peerId).toString();
    const wait = resolveWaitConfig(config);
    if (id === this.#shared.network.peerId) return this.#descriptor.current();
    return this.#finder.describe({ peerId: id, addresses: [] }, wait);
  }

  joinRendezvous(name: string): () => void {
    if (this.#names.join(name)) this.#running?.parts.rendezvous.update(name);
    let isJoined = true;
    return () => {
      if (!isJoined) return;
      isJoined = false;
      if (this.#names.leave(name)) this.#running?.parts.rendezvous.update(name);
    };
  }

  rendezvousPeers(name: string, config?: Pick<FindConfig, 'signal'>): AsyncIterableIterator<FoundPeer> {
    const {
      clock,
      config: { queryTimeoutMs: timeoutMs },
      network,
    } = this.#shared;
    const stop = (): AbortSignal | undefined => this.#running?.parts.stopSignal;
    const { signal } = resolveWaitConfig(config);
    return rendezvousPeers({ clock, network, timeoutMs, stop }, checkName(name), signal);
  }

  async refreshServices(config?: WaitConfig): Promise<void> {
    const { signal } = resolveWaitConfig(config);
    await this.#ready('refreshServices').refreshing.refresh(signal);
  }

  addBootstrapPeer(address: Multiaddr | string): void {
    this.#peers.add(address);
  }

  bootstrapPeers(): readonly string[] {
    return this.#peers.addresses;
  }

  async bootstrap(config?: WaitConfig): Promise<void> {
    const { signal } = resolveWaitConfig(config);
    const { joining } = this.#ready('bootstrap');
    this.#peers.requireSome();
    await joining.join(signal);
  }

  async kadBootstrap(config?: WaitConfig): Promise<void> {
    await this.#finder.findSelf('kadBootstrap', resolveWaitConfig(config));
  }

  snapshot(): DiscoverySnapshot {
    const running = this.#running?.parts;
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
      rendezvous: this.#names.all.map((name) => ({
        name,
        state: running?.rendezvous.stateOf(name) ?? stopped,
      })),
      localPeers: running?.localPeers.peerIds ?? [],
      refresh: { state: running?.refreshing.state ?? stopped, interests: this.#finder.interests.all },
    };
  }

  #ready(act: string): Running {
    const parts = this.#running?.parts;
    if (parts?.isReady !== true) throw new DiscoveryError('STOPPED', { act });
    return parts;
  }

  /** Takes up what was known before a restart. Without it everything works, only slower. */
  async #restore(): Promise<void> {
    // Each for itself: what is known of others can be learned again, the own number cannot.
    await Promise.all([
      this.#takeUp(this.#store.loadSequence(), (used) => this.#descriptor.continueAfter(used)),
      this.#takeUp(this.#store.loadPeers(), ({ messages, damaged }) => {
        for (const message of messages) this.#finder.restore(message);
        if (damaged > 0) this.#shared.network.log('dropped damaged records', { damaged });
      }),
    ]);
  }

  /** Uses what is loaded, also when it comes after the time for which the start waits. Never rejects. */
  async #takeUp<T>(loading: Promise<T>, use: (loaded: T) => void): Promise<void> {
    const { clock, network } = this.#shared;
    const running = this.#running;
    const take = async (): Promise<void> => {
      const loaded = await loading;
      if (this.#running === running) use(loaded);
    };
    const fail = (error: unknown): void => network.logError('could not read what was known before', error);
    await within(clock, storeTimeoutMs, take()).catch(fail);
  }
}
