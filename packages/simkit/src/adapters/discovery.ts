import { peerDiscoverySymbol } from '@libp2p/interface';
import { TypedEventEmitter } from 'main-event';
import type { Multiaddr } from '@multiformats/multiaddr';
import type { PeerDiscovery, PeerDiscoveryEvents, PeerId, Startable } from '@libp2p/interface';
import type { Fabric, Host } from '../internal/fabric.ts';

/** What libp2p lends a discovery. */
export interface DiscoveryComponents {
  readonly peerId: PeerId;
  readonly addressManager: { getAddresses(): Multiaddr[] };
}

/** Where a discovery works. */
export interface DiscoveryParts {
  readonly fabric: Fabric;
  readonly host: Host;
  /** Everybody who listens to the local network. */
  readonly listeners: Set<LocalDiscovery>;
}

/** How often a node asks who is there: as mDNS of libp2p does. */
const intervalMs = 10_000;

/** What mDNS is on a real network: everybody who can hear a node learns its addresses. */
export class LocalDiscovery
  extends TypedEventEmitter<PeerDiscoveryEvents>
  implements PeerDiscovery, Startable
{
  readonly [Symbol.toStringTag] = '@lloom/sim-discovery';
  readonly #parts: DiscoveryParts;
  readonly #components: DiscoveryComponents;
  #isStarted = false;

  constructor(parts: DiscoveryParts, components: DiscoveryComponents) {
    super();
    this.#parts = parts;
    this.#components = components;
  }

  get [peerDiscoverySymbol](): PeerDiscovery {
    return this;
  }

  /** Ends it without a word when it runs on `host`, whose process has died. */
  endOn(host: Host): void {
    if (this.#parts.host === host) this.stop();
  }

  start(): void {
    this.#isStarted = true;
    this.#parts.listeners.add(this);
    this.#ask();
  }

  stop(): void {
    this.#isStarted = false;
    this.#parts.listeners.delete(this);
  }

  /** A question to everybody; whoever hears it answers, and the answer may be lost as well. */
  #ask(): void {
    if (!this.#isStarted) return;
    for (const other of this.#parts.listeners) {
      if (other !== this) this.#send(other, () => other.#send(this, () => this.#found(other)));
    }
    const { clock } = this.#parts.fabric;
    clock.at(clock.elapsed() + intervalMs, () => this.#ask());
  }

  /** A datagram: it arrives late, or never. */
  #send(to: LocalDiscovery, arrive: () => void): void {
    const { fabric, host } = this.#parts;
    const lane = fabric.lane(host, to.#parts.host);
    if (!lane.isOpen || (lane.link.lossRatio > 0 && fabric.random.float() < lane.link.lossRatio)) return;
    fabric.clock.at(fabric.clock.elapsed() + lane.link.delayMs, () => {
      if (to.#isStarted) arrive();
    });
  }

  #found(other: LocalDiscovery): void {
    const { peerId, addressManager } = other.#components;
    const multiaddrs = addressManager.getAddresses();
    this.safeDispatchEvent('peer', { detail: { id: peerId, multiaddrs } });
  }
}
