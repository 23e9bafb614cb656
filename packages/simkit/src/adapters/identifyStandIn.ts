import { publicKeyToProtobuf } from '@libp2p/crypto/keys';
import { serviceCapabilities } from '@libp2p/interface';
import type {
  Connection,
  IdentifyResult,
  Libp2pEvents,
  Peer,
  PeerId,
  PeerStore,
  PublicKey,
  Startable,
} from '@libp2p/interface';
import { CODE_P2P, type Multiaddr } from '@multiformats/multiaddr';
import type { TypedEventTarget } from 'main-event';
import type { Host } from '../internal/fabric.ts';
import type { SelfDescription, StandInRegister, Told } from '../internal/standInRegister.ts';
import { keepInMemory } from './peerStoreStandIn.ts';

/** What libp2p lends {@link IdentifyStandIn}. */
export interface IdentifyComponents {
  readonly peerId: PeerId;
  readonly nodeInfo: { readonly userAgent: string };
  readonly peerStore: PeerStore;
  readonly registrar: { getProtocols(): string[] };
  readonly addressManager: { getAddresses(): Multiaddr[] };
  readonly connectionManager: { getConnections(peerId?: PeerId): Connection[] };
  readonly events: TypedEventTarget<Libp2pEvents>;
}

/** In place of what `identify()` makes. */
export interface IdentifyService {
  /** Learns once more who is at the other end. Rejects when its process is dead. */
  identify(connection: Connection): Promise<IdentifyResult>;
  /** Tells connected peers what has changed. */
  push(): Promise<void>;
}

/** How long a change waits for the next one before peers are told: as `identifyPush()` does. */
const pushDelayMs = 1_000;
const protocolVersion = 'ipfs/0.1.0';
const textEncoder = new TextEncoder();

/**
 * Both ends of a connection know one another from the register of the network, in the moment in which it opens, without a
 * stream and without a signature. Changes are told to connected peers a second later, and arrive when the link has brought
 * them. Who has crashed tells nothing. What the node knows of peers it keeps in memory.
 */
export class IdentifyStandIn implements IdentifyService, Startable, Told {
  readonly [Symbol.toStringTag] = '@lloom/sim-identify';
  readonly [serviceCapabilities]: string[] = ['@libp2p/identify', '@libp2p/identify-push'];
  readonly peerId: PeerId;
  readonly host: Host;
  readonly #register: StandInRegister;
  readonly #components: IdentifyComponents;
  readonly #boot: number;
  readonly #known: (peerId: PeerId) => Peer | undefined;
  /** What each connected peer has said last. */
  readonly #heard = new Map<string, SelfDescription>();
  #self: SelfDescription | undefined;
  /** Whether that may have changed. */
  #isStale = true;
  #isPushing = false;
  #leave: (() => void) | undefined;

  constructor(parts: { register: StandInRegister; host: Host }, components: IdentifyComponents) {
    this.#register = parts.register;
    this.host = parts.host;
    this.#components = components;
    this.#boot = parts.register.fabric.bootOf(parts.host);
    this.peerId = components.peerId;
    this.#known = keepInMemory(components);
    const { events } = components;
    events.addEventListener(
      'connection:open',
      ({ detail }) => void this.identify(detail).catch(() => undefined),
    );
    events.addEventListener('peer:disconnect', ({ detail }) => void this.#heard.delete(detail.toString()));
    const onChange = (): void => {
      this.#isStale = true;
      void this.push();
    };
    events.addEventListener('self:peer:update', onChange);
    events.addEventListener('transport:listening', onChange);
    events.addEventListener('transport:close', onChange);
  }

  start(): void {
    this.#leave ??= this.#register.add(this);
  }

  stop(): void {
    this.#leave?.();
    this.#leave = undefined;
  }

  describe(): SelfDescription {
    if (this.#self !== undefined && !this.#isStale) return this.#self;
    const { addressManager, nodeInfo, registrar } = this.#components;
    const addresses = addressManager.getAddresses().map((address) => address.decapsulateCode(CODE_P2P));
    const protocols = registrar.getProtocols();
    const text = [...addresses, ...protocols].join(' ');
    this.#isStale = false;
    if (this.#self?.text !== text)
      this.#self = { text, addresses, protocols, agentVersion: nodeInfo.userAgent };
    return this.#self;
  }

  async identify(connection: Connection): Promise<IdentifyResult> {
    const told = this.#register.find(connection.remotePeer.toString());
    if (told === undefined || !this.#isUp)
      throw new Error(`${connection.remotePeer.toString()} does not say who it is`);
    return this.#learn(connection, told);
  }

  async push(): Promise<void> {
    if (this.#isPushing) return;
    this.#isPushing = true;
    this.#after(pushDelayMs, () => {
      this.#isPushing = false;
      for (const remote of new Set(this.#open().map(({ remotePeer }) => remotePeer.toString())))
        this.#tell(remote);
    });
  }

  hear(from: Told): void {
    const name = from.peerId.toString();
    if (!this.#isUp || this.#heard.get(name) === from.describe()) return;
    const [connection] = this.#open().filter(({ remotePeer }) => remotePeer.equals(from.peerId));
    if (connection !== undefined) void this.#learn(connection, from).catch(() => undefined);
  }

  get #isUp(): boolean {
    return this.#leave !== undefined && this.#register.fabric.bootOf(this.host) === this.#boot;
  }

  #open(): Connection[] {
    return this.#components.connectionManager.getConnections().filter(({ status }) => status === 'open');
  }

  #tell(remote: string): void {
    const other = this.#register.find(remote);
    const { fabric } = this.#register;
    if (other === undefined || !fabric.isOpenBetween(this.host, other.host)) return;
    const { delayMs } = fabric.lane(this.host, other.host).link;
    this.#after(delayMs, () => other.hear(this));
  }

  /** Calls `act` after some virtual time, unless this process is dead by then. */
  #after(ms: number, act: () => void): void {
    const { clock } = this.#register.fabric;
    clock.at(clock.elapsed() + ms, () => {
      if (this.#isUp) act();
    });
  }

  async #learn(connection: Connection, told: Told): Promise<IdentifyResult> {
    const { peerStore, events } = this.#components;
    const said = told.describe();
    const { addresses, protocols, agentVersion } = said;
    const peerId = connection.remotePeer;
    const publicKey = publicKeyOf(told.peerId);
    this.#heard.set(peerId.toString(), said);
    const known = this.#known(peerId)?.metadata ?? [];
    await peerStore.patch(peerId, {
      addresses: addresses.map((multiaddr) => ({ multiaddr, isCertified: true })),
      protocols: [...protocols],
      publicKey,
      metadata: new Map([...known, ...versions(agentVersion)]),
    });
    const result: IdentifyResult = {
      peerId,
      protocolVersion,
      agentVersion,
      publicKey: publicKeyToProtobuf(publicKey),
      listenAddrs: [...addresses],
      observedAddr: connection.remoteAddr,
      protocols: [...protocols],
      connection,
    };
    events.safeDispatchEvent('peer:identify', { detail: result });
    return result;
  }
}

function publicKeyOf(peerId: PeerId): PublicKey {
  if (peerId.publicKey === undefined) throw new Error(`The id ${String(peerId)} holds no key`);
  return peerId.publicKey;
}

const versions = (agentVersion: string): [string, Uint8Array][] => [
  ['AgentVersion', textEncoder.encode(agentVersion)],
  ['ProtocolVersion', textEncoder.encode(protocolVersion)],
];
