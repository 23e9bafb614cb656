import { AbortError, serviceCapabilities, transportSymbol, UnexpectedPeerError } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';
import { TypedEventEmitter } from 'main-event';
import type {
  ComponentLogger,
  Connection,
  CreateListenerOptions,
  DialTransportOptions,
  Listener,
  ListenerEvents,
  Logger,
  PeerId,
  Transport,
  Upgrader,
} from '@libp2p/interface';
import type { Door, Doors } from '../internal/doors.ts';
import type { Fabric, Host } from '../internal/fabric.ts';
import { systemError } from '../internal/systemError.ts';
import { retransmissionMs } from '../link.ts';
import { SimConnection } from './connection.ts';
import { simMuxer } from './muxer.ts';

/** What libp2p lends a transport. */
export interface TransportComponents {
  readonly peerId: PeerId;
  readonly logger: ComponentLogger;
}

/** Somebody's end of a connection, on its way to a listener. */
export interface Visitor {
  readonly peerId: PeerId;
  readonly host: Host;
  /** The other end for it; the call returns the listener's end. */
  readonly accept: (make: (address: Multiaddr) => Accepted) => void;
}

/** The listener's end of a connection. */
interface Accepted {
  readonly end: SimConnection;
  readonly peerId: PeerId;
  /** To be called when both ends know each other. */
  readonly upgrade: () => void;
}

/** Where and how a transport works. */
export interface TransportParts {
  readonly fabric: Fabric;
  readonly doors: Doors<Visitor>;
  readonly host: Host;
  /** Whether bytes are left out: no encryption, and frames as objects. */
  readonly isFast: boolean;
  /** Every connection of the host, so that a crash can end them. */
  readonly connections: Set<SimConnection>;
  /** The next port that the system gives to somebody who dials. */
  readonly nextPort: () => number;
}

/** What TCP does when nobody answers: again after 1, 2, 4 … s, then it gives up after about two minutes. */
const synRetriesMs = [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000];
/** Where a listener of port 0 listens. */
const defaultPort = 4_001;

/** TCP between simulated hosts: `/ip4/…/tcp/…` addresses that lead to no socket. */
export const simTransport =
  (parts: TransportParts) =>
  (components: TransportComponents): Transport =>
    new SimTransport(parts, components);

class SimTransport implements Transport {
  readonly [transportSymbol] = true;
  readonly [Symbol.toStringTag] = '@lloom/sim-transport';
  readonly [serviceCapabilities]: string[] = ['@libp2p/transport'];
  readonly #parts: TransportParts;
  readonly #components: TransportComponents;
  readonly #boot: number;
  readonly #log: Logger;

  constructor(parts: TransportParts, components: TransportComponents) {
    this.#parts = parts;
    this.#components = components;
    this.#boot = parts.fabric.bootOf(parts.host);
    this.#log = components.logger.forComponent('lloom:sim-transport');
  }

  async dial(
    address: Multiaddr,
    { signal, upgrader, ...options }: DialTransportOptions,
  ): Promise<Connection> {
    const end = await this.#connect(address, signal);
    try {
      const upgrade = upgradeConfig(this.#parts.isFast, end, address);
      return await upgrader.upgradeOutbound(end, { ...options, ...upgrade, signal });
    } catch (error) {
      end.abort(error as Error);
      throw error;
    }
  }

  createListener({ upgrader }: CreateListenerOptions): Listener {
    const { peerId, logger } = this.#components;
    return new SimListener({ ...this.#parts, peerId, logger, upgrader });
  }

  listenFilter(addresses: Multiaddr[]): Multiaddr[] {
    return addresses.filter((address) => endpointOf(address) !== undefined);
  }

  dialFilter(addresses: Multiaddr[]): Multiaddr[] {
    return this.listenFilter(addresses);
  }

  /** SYN and SYN-ACK: one round trip, or as long as it takes to get one through. */
  async #connect(address: Multiaddr, signal: AbortSignal): Promise<SimConnection> {
    const { fabric, host } = this.#parts;
    const endpoint = endpointOf(address);
    if (endpoint === undefined) throw new Error(`Cannot dial "${address.toString()}" in a simulated network`);
    this.#checkAlive();
    const to = fabric.hostAt(endpoint.ip);
    // A dial to nowhere is never answered.
    const lane = to === undefined ? undefined : fabric.lane(host, to);
    fabric.trace.note(`${host.name} > ${to?.name ?? endpoint.ip} dial`);
    fabric.noteDial(host);
    for (const retryMs of synRetriesMs) {
      const isThrough =
        lane !== undefined &&
        lane.isOpen &&
        !(lane.link.lossRatio > 0 && fabric.random.float() < lane.link.lossRatio);
      if (isThrough && to !== undefined) {
        await this.#sleep(lane.link.delayMs + fabric.random.float() * lane.link.jitterMs, signal);
        return this.#knock({ to, endpoint, address, signal });
      }
      await this.#sleep(retryMs, signal);
    }
    throw systemError('ETIMEDOUT', `connect ETIMEDOUT ${endpoint.ip}:${endpoint.port}`);
  }

  /** The SYN is there. */
  async #knock(visit: {
    to: Host;
    endpoint: Endpoint;
    address: Multiaddr;
    signal: AbortSignal;
  }): Promise<SimConnection> {
    const { fabric, doors, host, connections, nextPort } = this.#parts;
    const { to, endpoint, address, signal } = visit;
    this.#checkAlive();
    const door = doors.at(`${endpoint.ip}:${endpoint.port}`);
    const back = fabric.lane(to, host);
    if (door === undefined) {
      await this.#sleep(back.isOpen ? back.link.delayMs : retransmissionMs(back.link), signal);
      throw systemError('ECONNREFUSED', `connect ECONNREFUSED ${endpoint.ip}:${endpoint.port}`);
    }
    const { promise, resolve } = Promise.withResolvers<SimConnection>();
    door.onVisitor({
      peerId: this.#components.peerId,
      host,
      accept: (make) => {
        const { end: theirs, peerId, upgrade } = make(multiaddr(`/ip4/${host.ip}/tcp/${nextPort()}`));
        const log = this.#log.newScope('connection');
        const parts = { fabric, host, remoteHost: to, remotePeer: peerId, remoteAddr: address };
        const ours = new SimConnection({ ...parts, direction: 'outbound', log });
        ours.join(theirs);
        theirs.join(ours);
        connections.add(ours);
        ours.addEventListener('close', () => connections.delete(ours));
        const onAbort = (): void => ours.abort(new AbortError());
        signal.addEventListener('abort', onAbort, { once: true });
        // The SYN-ACK travels before anything that the listener says.
        theirs.signal(0, () => {
          signal.removeEventListener('abort', onAbort);
          resolve(ours);
        });
        upgrade();
      },
    });
    return withSignal(promise, signal);
  }

  /** A process that has crashed still runs here until it is stopped; nobody may see that. */
  #checkAlive(): void {
    const { fabric, host } = this.#parts;
    if (fabric.bootOf(host) === this.#boot) return;
    throw systemError('ENETDOWN', `connect ENETDOWN: the process of host ${host.name} has died`);
  }

  #sleep(ms: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts.fabric;
    const { promise, resolve } = Promise.withResolvers<void>();
    const entry = clock.at(clock.elapsed() + ms, resolve);
    signal.addEventListener('abort', () => clock.drop(entry), { once: true });
    return withSignal(promise, signal);
  }
}

class SimListener extends TypedEventEmitter<ListenerEvents> implements Listener {
  readonly #parts: TransportParts & TransportComponents & { readonly upgrader: Upgrader };
  readonly #ends = new Set<SimConnection>();
  readonly #shutdown = new AbortController();
  #door: Door<Visitor> | undefined;
  #address: Multiaddr | undefined;

  constructor(parts: TransportParts & TransportComponents & { readonly upgrader: Upgrader }) {
    super();
    this.#parts = parts;
  }

  async listen(address: Multiaddr): Promise<void> {
    const { doors, host } = this.#parts;
    const endpoint = endpointOf(address);
    const ip = endpoint?.ip === '0.0.0.0' ? host.ip : endpoint?.ip;
    if (endpoint === undefined || ip !== host.ip) {
      throw systemError(
        'EADDRNOTAVAIL',
        `listen EADDRNOTAVAIL: host ${host.name} has the address ${host.ip} alone`,
      );
    }
    const port = endpoint.port === 0 ? defaultPort : endpoint.port;
    const door = {
      host,
      address: `${ip}:${port}`,
      onVisitor: (visitor: Visitor) => this.#onVisitor(visitor),
    };
    if (!doors.open(door))
      throw systemError('EADDRINUSE', `listen EADDRINUSE: address already in use ${ip}:${port}`);
    this.#door = door;
    this.#address = multiaddr(`/ip4/${ip}/tcp/${port}`);
    this.safeDispatchEvent('listening');
  }

  getAddrs(): Multiaddr[] {
    return this.#address === undefined ? [] : [this.#address];
  }

  updateAnnounceAddrs(): void {
    // A simulated host knows its address.
  }

  async close(): Promise<void> {
    if (this.#door !== undefined) this.#parts.doors.shut(this.#door);
    this.#door = undefined;
    this.#address = undefined;
    this.#shutdown.abort();
    for (const end of this.#ends) end.hangUp();
    this.safeDispatchEvent('close');
  }

  #onVisitor(visitor: Visitor): void {
    const { fabric, host, peerId, connections, logger, isFast, upgrader } = this.#parts;
    visitor.accept((remoteAddr) => {
      const end = new SimConnection({
        fabric,
        host,
        remoteHost: visitor.host,
        remotePeer: visitor.peerId,
        remoteAddr,
        direction: 'inbound',
        log: logger.forComponent('lloom:sim-transport:listener'),
      });
      connections.add(end);
      this.#ends.add(end);
      end.addEventListener('close', () => {
        connections.delete(end);
        this.#ends.delete(end);
      });
      const { signal } = this.#shutdown;
      const upgrade = (): void => {
        upgrader
          .upgradeInbound(end, { ...upgradeConfig(isFast, end), signal })
          .catch((error: unknown) => end.abort(error as Error));
      };
      return { end, peerId, upgrade };
    });
  }
}

interface Endpoint {
  readonly ip: string;
  readonly port: number;
}

/** The ip and port of `/ip4/…/tcp/…`, with or without a peer id behind it. */
function endpointOf(address: Multiaddr): Endpoint | undefined {
  const [ip, tcp, peer, ...rest] = address.getComponents();
  const isOurs =
    ip?.name === 'ip4' &&
    tcp?.name === 'tcp' &&
    (peer === undefined || peer.name === 'p2p') &&
    rest.length === 0;
  return isOurs ? { ip: ip.value ?? '', port: Number(tcp.value) } : undefined;
}

/** How an upgrader is to treat a connection. */
function upgradeConfig(isFast: boolean, end: SimConnection, address?: Multiaddr) {
  if (!isFast) return {};
  const asked = address?.getComponents().findLast(({ name }) => name === 'p2p')?.value;
  if (asked !== undefined && !peerIdFromString(asked).equals(end.remotePeer)) {
    const found = end.remotePeer.toString();
    throw new UnexpectedPeerError(
      `Payload identity key ${found} does not match expected remote identity key ${asked}`,
    );
  }
  return { skipEncryption: true as const, remotePeer: end.remotePeer, muxerFactory: simMuxer };
}

/** A promise that is given up when the signal fires. */
function withSignal<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) return Promise.reject(new AbortError());
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(new AbortError());
  signal.addEventListener('abort', onAbort, { once: true });
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener('abort', onAbort));
}
