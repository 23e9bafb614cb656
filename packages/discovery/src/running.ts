import type { ServiceType } from '@lloom/codec';
import { Advertising } from './advertising.ts';
import { Announcing } from './announcing.ts';
import type { BootstrapPeers } from './internal/bootstrapPeers.ts';
import type { Finder } from './internal/finder.ts';
import type { OwnDescriptor } from './internal/ownDescriptor.ts';
import type { RendezvousNames } from './internal/rendezvousNames.ts';
import type { Shared } from './internal/shared.ts';
import { Joining } from './joining.ts';
import { LocalPeers } from './localPeers.ts';
import type { Watcher } from './ports.ts';
import { Pruning } from './pruning.ts';
import { Refreshing } from './refreshing.ts';
import { Registry } from './registry.ts';
import { Rendezvous } from './rendezvous.ts';
import type { FoundPeer, ServiceKind } from './types.ts';

/** What the parts need beside what is shared. All of it outlives them. */
export interface RunningPorts extends Shared {
  readonly descriptor: OwnDescriptor;
  readonly peers: BootstrapPeers;
  readonly finder: Finder;
  readonly names: RendezvousNames;
}

/** What runs from one start of the service to its stop: a part for each lifecycle. Told what the network reports. */
export class Running implements Watcher {
  readonly advertising: Advertising;
  readonly announcing: Announcing;
  readonly joining: Joining;
  readonly localPeers: LocalPeers;
  readonly refreshing: Refreshing;
  readonly registry: Registry;
  readonly rendezvous: Rendezvous;
  readonly #ports: RunningPorts;
  readonly #pruning: Pruning;
  readonly #abort = new AbortController();
  #isReady = false;
  /** The own addresses that offers were published with. */
  #addresses = '';

  constructor(ports: RunningPorts) {
    this.#ports = ports;
    ports.finder.awake();
    const onFound = (): void => {
      this.#wake();
      this.registry.onFound();
    };
    const onRejoined = (): void => this.#republish();
    this.advertising = new Advertising({ ...ports, stop: this.#abort.signal });
    this.announcing = new Announcing({ ...ports, intake: ports.finder.intake });
    this.joining = new Joining({ ...ports, onFound, onRejoined });
    this.localPeers = new LocalPeers(ports);
    this.refreshing = new Refreshing(ports);
    this.registry = new Registry(ports);
    this.rendezvous = new Rendezvous(ports);
    this.#pruning = new Pruning(ports);
  }

  /** Whether parts may act: everything else of the node is started. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** Fires when the service stops. */
  get stopSignal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Everything else of the node is started. */
  begin(): void {
    if (this.#isReady) return;
    const { descriptor, network } = this.#ports;
    this.#isReady = true;
    this.#addresses = network.addresses().join();
    this.registry.setOpen(descriptor.offer('validator') !== undefined);
    const { announcing, joining, refreshing, registry, rendezvous } = this;
    for (const part of [refreshing, joining, announcing, this.#pruning, registry, rendezvous]) part.start();
    this.localPeers.start();
    for (const offer of descriptor.offers) this.advertising.advertise(offer);
  }

  /** An offer is new, or has changed. */
  offer(offer: ServiceType): void {
    if (!this.#isReady) return;
    this.advertising.advertise(offer);
    this.announcing.change();
    if (offer.kind === 'validator') this.registry.setOpen(true);
  }

  /** An offer was taken back. Resolves when its keys are not renewed any more and connected peers were told. */
  async withdraw(kind: ServiceKind): Promise<void> {
    if (kind === 'validator') this.registry.setOpen(false);
    await Promise.all([this.advertising.withdraw(kind), this.announcing.withdraw()]);
  }

  /** Ends everything that is under way. */
  async stop(): Promise<void> {
    this.#isReady = false;
    const { advertising, announcing, joining, refreshing, registry, rendezvous } = this;
    const parts = [registry, joining, refreshing, advertising, announcing, rendezvous, this.#pruning];
    for (const part of parts) part.stop();
    this.#abort.abort();
    await this.localPeers.stop();
  }

  onPeer(peer: FoundPeer): void {
    this.#ports.events.emit('routing:updated', peer);
    this.#pruning.onConnect(peer.peerId);
    this.#wake();
  }

  onListener(peerId: string): void {
    this.announcing.greet(peerId);
  }

  onDisconnect(peerId: string): void {
    this.#ports.finder.known.doubt(peerId);
    this.joining.onDisconnect(peerId);
    this.#pruning.onDisconnect(peerId);
  }

  /** Others know this node by its addresses: they are in the descriptor, and in what the DHT holds. */
  onAddresses(): void {
    const { descriptor, network } = this.#ports;
    const addresses = network.addresses().join();
    if (!this.#isReady || this.#addresses === addresses) return;
    this.#addresses = addresses;
    descriptor.touch();
    this.#republish();
    if (descriptor.offers.length > 0) this.announcing.change();
  }

  /** There are peers that could take what is to be in the DHT. */
  #wake(): void {
    this.advertising.wake();
    this.rendezvous.wake();
  }

  /** What others hold of this node may be wrong, or gone. */
  #republish(): void {
    this.advertising.republish();
    this.rendezvous.republish();
  }
}
