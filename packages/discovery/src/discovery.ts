import type { PeerId } from '@libp2p/interface';
import type { ServiceDescriptor, ServiceType } from '@lloom/codec';
import { EventHub, toPeerId } from '@lloom/core';
import type { Multiaddr } from '@multiformats/multiaddr';
import {
  createActor,
  fromPromise,
  type ActorOptions,
  type ActorRefFrom,
  type AnyStateMachine,
  type InputFrom,
} from 'xstate';
import type { ResolvedConfig } from './config.ts';
import { DiscoveryError } from './errors.ts';
import type { DiscoveryEvents } from './events.ts';
import { BootstrapPeers } from './internal/bootstrapPeers.ts';
import { Finder, type FinderPorts } from './internal/finder.ts';
import { OwnDescriptor } from './internal/ownDescriptor.ts';
import { publishKeys, retireKeys } from './internal/publishing.ts';
import { keysOf } from './internal/services.ts';
import type { Shared } from './internal/shared.ts';
import { Waiters } from './internal/waiters.ts';
import { advertisementMachine } from './machines/advertisement.machine.ts';
import { bootstrapMachine } from './machines/bootstrap.machine.ts';
import { refreshMachine } from './machines/refresh.machine.ts';
import type { Network, ResolvedPorts } from './ports.ts';
import type { Discovery, DiscoverySnapshot, FindConfig, Provider, ServiceKind, WaitConfig } from './types.ts';

type Advertisement = ActorRefFrom<typeof advertisementMachine>;

/** What runs between start and stop. */
interface Running {
  readonly abort: AbortController;
  readonly unwatch: () => void;
  readonly advertisements: Map<ServiceKind, Advertisement>;
  readonly bootstrap: ActorRefFrom<typeof bootstrapMachine>;
  readonly refresh: ActorRefFrom<typeof refreshMachine>;
  /** Whether machines may act: everything else of the node is started. */
  ready: boolean;
  /** The own addresses that offers were published with. */
  addresses: string;
}

/** The discovery service. Users hold it as {@link Discovery}; libp2p starts and stops it. */
export class DiscoveryService extends EventHub<DiscoveryEvents> implements Discovery {
  readonly [Symbol.toStringTag] = '@lloom/discovery';
  readonly #ports: ResolvedPorts;
  readonly #shared: Shared;
  readonly #descriptor: OwnDescriptor;
  readonly #peers: BootstrapPeers;
  readonly #finder: Finder;
  readonly #joining = new Waiters('bootstrap');
  readonly #refreshing = new Waiters('refreshServices');
  /** Offers that the DHT has taken since the start. */
  #advertised = new WeakSet<ServiceType>();
  #running: Running | undefined;

  constructor({ config, ports }: { config: ResolvedConfig; ports: ResolvedPorts }, network: Network) {
    super((error, type) => network.logError(`a listener of "${type}" failed`, error));
    this.#ports = ports;
    this.#shared = { ...ports, dialer: ports.dialer ?? network, network, config };
    this.#descriptor = new OwnDescriptor(this.#shared);
    this.#peers = new BootstrapPeers(this.#shared);
    const stop = (): AbortSignal | undefined => this.#running?.abort.signal;
    const onDiscovered: FinderPorts['onDiscovered'] = (service, providers) =>
      this.emit('service:discovered', { service, providers });
    this.#finder = new Finder({ ...this.#shared, stop, onDiscovered });
  }

  /** Answers peers from now on. Called by libp2p. */
  async start(): Promise<void> {
    if (this.#running !== undefined) return;
    const { network } = this.#shared;
    const unwatch = network.watch({
      onPeer: (peer) => {
        this.emit('routing:updated', peer);
        this.#wakeAdvertisements();
      },
      onDisconnect: (peerId) => this.#onDisconnect(peerId),
      onAddresses: () => this.#onAddresses(),
    });
    const [bootstrap, refresh] = [this.#createBootstrap(), this.#createRefresh()];
    const machines = { bootstrap, refresh, advertisements: new Map() };
    this.#advertised = new WeakSet();
    this.#running = { ...machines, abort: new AbortController(), unwatch, ready: false, addresses: '' };
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
    running.refresh.start();
    running.bootstrap.start();
    if (!this.#peers.isEmpty) running.bootstrap.send({ type: 'bootstrap.run' });
    for (const offer of this.#descriptor.offers) this.#advertise(offer);
  }

  /** Ends everything that is under way. Offers and bootstrap peers are kept for the next start. Called by libp2p. */
  async stop(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    running.unwatch();
    for (const actor of [running.bootstrap, running.refresh, ...running.advertisements.values()])
      actor.stop();
    running.abort.abort();
    this.#joining.stop();
    this.#refreshing.stop();
    this.close();
    await this.#shared.network.unserve();
  }

  async advertiseService(service: ServiceType): Promise<void> {
    this.#advertise(this.#descriptor.put(service));
  }

  readonly updateServiceInfo = (service: ServiceType): Promise<void> => this.advertiseService(service);

  readonly servicesOf = (peerId: string): readonly ServiceType[] => this.#finder.known.of(peerId);

  async withdrawService(kind: ServiceKind): Promise<void> {
    const service = this.#descriptor.remove(kind);
    if (service === undefined) return;
    const advertisement = this.#running?.advertisements.get(kind);
    if (advertisement !== undefined) await this.#withdraw(advertisement);
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

  async describeService(
    peerId: PeerId | string,
    config?: WaitConfig,
  ): Promise<ServiceDescriptor | undefined> {
    const id = toPeerId(peerId).toString();
    if (id === this.#shared.network.peerId) return this.#descriptor.current();
    return this.#finder.describe({ peerId: id, addresses: [] }, config);
  }

  async refreshServices({ signal }: WaitConfig = {}): Promise<void> {
    const { refresh } = this.#ready('refreshServices');
    await this.#refreshing.next(signal, () => refresh.send({ type: 'refresh.run' }));
  }

  addBootstrapPeer(address: Multiaddr | string): void {
    this.#peers.add(address);
  }

  bootstrapPeers(): readonly string[] {
    return this.#peers.addresses;
  }

  async bootstrap({ signal }: WaitConfig = {}): Promise<void> {
    const { bootstrap } = this.#ready('bootstrap');
    this.#peers.requireSome();
    await this.#joining.next(signal, () => {
      // A round that is under way is shared, unless it cannot know the newest peers.
      const isUnderWay = !['idle', 'joined', 'backingOff'].includes(bootstrap.getSnapshot().value);
      if (!isUnderWay || this.#peers.hasNew) bootstrap.send({ type: 'bootstrap.run' });
    });
  }

  async kadBootstrap(config?: WaitConfig): Promise<void> {
    await this.#finder.findSelf('kadBootstrap', config);
  }

  snapshot(): DiscoverySnapshot {
    const running = this.#running;
    const stateOf = (actor: { getSnapshot(): { readonly value: string } } | undefined): string =>
      actor?.getSnapshot().value ?? 'stopped';
    return {
      running: running !== undefined,
      advertisements: this.#descriptor.offers.map((service) => ({
        service,
        state: stateOf(running?.advertisements.get(service.kind)),
      })),
      bootstrap: { state: stateOf(running?.bootstrap), peers: this.#peers.addresses },
      refresh: { state: stateOf(running?.refresh), interests: this.#finder.interests.all },
    };
  }

  #ready(act: string): Running {
    if (this.#running?.ready !== true) throw new DiscoveryError('STOPPED', { act });
    return this.#running;
  }

  #advertise(offer: ServiceType): void {
    const running = this.#running;
    if (running?.ready !== true) return;
    const keys = keysOf(offer);
    const present = running.advertisements.get(offer.kind);
    if (present !== undefined) return present.send({ type: 'advertisement.update', keys });
    const advertisement = this.#createAdvertisement(offer.kind, keys);
    running.advertisements.set(offer.kind, advertisement);
    advertisement.subscribe({ complete: () => running.advertisements.delete(offer.kind) });
    advertisement.start();
  }

  /** Resolves when the keys are taken back, or the service stops. */
  async #withdraw(advertisement: Advertisement): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const end = (): void => resolve();
    const stop = this.#running?.abort.signal;
    stop?.addEventListener('abort', end, { once: true });
    const subscription = advertisement.on('advertisement.withdrawn', end);
    advertisement.send({ type: 'advertisement.withdraw' });
    await promise;
    subscription.unsubscribe();
    stop?.removeEventListener('abort', end);
  }

  #createAdvertisement(kind: ServiceKind, keys: readonly string[]): Advertisement {
    const machine = advertisementMachine.provide({
      actors: {
        publish: fromPromise(({ input, signal }) => publishKeys(this.#shared, input, signal)),
        retire: fromPromise(({ input, signal }) => retireKeys(this.#shared, input.keys, signal)),
      },
    });
    const { network, config } = this.#shared;
    const { republishIntervalMs } = config;
    const actor = this.#create(machine, `advertisement:${kind}`, { keys, republishIntervalMs });
    actor.on('advertisement.published', () => {
      const service = this.#descriptor.offer(kind);
      if (service === undefined || this.#advertised.has(service)) return;
      this.#advertised.add(service);
      network.log('advertised a service', { kind });
      this.emit('service:advertised', { service });
    });
    actor.on('advertisement.retrying', ({ problem, delayMs }) => {
      const service = this.#descriptor.offer(kind);
      const error = new DiscoveryError('PUBLISH_FAILED', { kind, reason: problem });
      network.log('could not advertise a service', { kind, problem, delayMs });
      if (service !== undefined) this.emit('service:retrying', { service, delayMs, error });
    });
    return actor;
  }

  #createBootstrap(): Running['bootstrap'] {
    const machine = bootstrapMachine.provide({
      actors: {
        dial: fromPromise(({ signal }) => this.#peers.dialAll(signal)),
        lookUp: fromPromise(({ signal }) => this.#finder.findSelf('bootstrap', { signal })),
      },
    });
    const { network, config } = this.#shared;
    const { bootstrapIntervalMs } = config;
    const actor = this.#create(machine, 'bootstrap', { bootstrapIntervalMs });
    actor.on('bootstrap.joined', ({ peerIds, foundPeers }) => {
      if (foundPeers > 0) this.#wakeAdvertisements();
      network.log('joined', { answered: peerIds.length, foundPeers });
      this.emit('bootstrap:joined', { peerIds, foundPeers });
      this.#joining.settle();
    });
    actor.on('bootstrap.failed', ({ failures, delayMs }) => {
      const error = new DiscoveryError('BOOTSTRAP_FAILED', { failures });
      network.log('could not join', { failures: failures.length, delayMs });
      this.emit('bootstrap:retrying', { delayMs, error });
      this.#joining.settle(error);
    });
    return actor;
  }

  #createRefresh(): Running['refresh'] {
    const machine = refreshMachine.provide({
      actors: { query: fromPromise(({ signal }) => this.#finder.refresh(signal)) },
    });
    const { discoveryIntervalMs } = this.#shared.config;
    const actor = this.#create(machine, 'refresh', { discoveryIntervalMs });
    actor.on('refresh.done', () => this.#refreshing.settle());
    actor.on('refresh.failed', () => {
      const data = { key: 'all interests', reason: 'not one search worked' };
      this.#refreshing.settle(new DiscoveryError('QUERY_FAILED', data));
    });
    return actor;
  }

  /** The one place where actors are made: with the ports of the service, and with their errors heard. */
  #create<M extends AnyStateMachine>(
    machine: M,
    id: string,
    input: Omit<InputFrom<M>, 'retry' | 'seed'>,
  ): ActorRefFrom<M> {
    const { clock, inspect, random } = this.#ports;
    const { retryDelayMs, maxRetryDelayMs } = this.#shared.config;
    const seed = Math.floor(random.float() * 2 ** 32);
    const complete = { ...input, retry: { retryDelayMs, maxRetryDelayMs }, seed };
    const options = { id, clock, input: complete, ...(inspect !== undefined && { inspect }) };
    const actor = createActor(machine, options as unknown as ActorOptions<M>);
    actor.subscribe({ error: (error) => this.#shared.network.logError(`machine ${id} failed`, error) });
    return actor as unknown as ActorRefFrom<M>;
  }

  #wakeAdvertisements(): void {
    for (const actor of this.#running?.advertisements.values() ?? []) actor.send({ type: 'peers.found' });
  }

  #onDisconnect(peerId: string): void {
    if (this.#peers.hasLostLast(peerId)) this.#running?.bootstrap.send({ type: 'bootstrap.lost' });
  }

  /** Others know this node by its addresses: they are in the descriptor, and in what the DHT holds. */
  #onAddresses(): void {
    const running = this.#running;
    const addresses = this.#shared.network.addresses().join();
    if (running?.ready !== true || running.addresses === addresses) return;
    running.addresses = addresses;
    this.#descriptor.touch();
    for (const actor of running.advertisements.values()) actor.send({ type: 'advertisement.republish' });
  }
}
