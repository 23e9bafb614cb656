import type { Connection, IdentifyResult, Transport } from '@libp2p/interface';
import { errorText, orAbort, safe, type Clock } from '@lloom/core';
import type { Multiaddr } from '@multiformats/multiaddr';
import { believedHosts, type Endpoint, type Observation } from '../internal/mapping.ts';
import type { NatComponents } from '../ports.ts';
import type { NatMapping } from '../types.ts';
import { dialFor, findPort, pause } from './punch.ts';
import {
  addressOf,
  endpointOf,
  hostOf,
  isGlobalIpv6,
  isLoopback,
  isPunchable,
  maxTargets,
  ownHosts,
} from './punchAddresses.ts';

/** Two that see the same, or not, tell what kind of NAT it is. */
const maxObservers = 2;
/** How long they may take, in ms. */
const observeLimitMs = 1_500;
/** How often, in ms, a leader looks whether an observer that another attempt uses is free again, and how often at most. */
const busyPauseMs = 250;
const maxBusyPauses = 12;

/** What a port is looked for with. */
export interface PortWish {
  readonly mapping: NatMapping;
  /** The connection that is to be replaced: its relay is sure to stand outside of the NAT. */
  readonly relayed: Connection;
  /** Whether the peer waits for it. */
  readonly isUrgent: boolean;
}

/** A local port to punch from, held open in the NAT until it is let go. */
export interface PunchPort {
  readonly localPort: number;
  readonly seen: readonly Observation[];
  /** Where the peer is to dial, the most promising first. */
  readonly addresses: readonly Multiaddr[];
  end(): void;
}

/** Whether both ends are on this machine, or may be. */
export const isLocalRelay = (relayed: Connection): boolean => {
  const [first] = relayed.remoteAddr.getComponents();
  return first?.value !== undefined && isLoopback(first.value);
};

/** Finds ports, and has peers observe them: each by a connection of its own, which lasts as long as the port is needed. */
export class PunchPorts {
  readonly #components: NatComponents;
  readonly #clock: Clock;
  /** Peers that observe now, by id. One connection at a time: peers bound how many they take. */
  readonly #busy = new Set<string>();
  /** Where each connection's peer sees this node. */
  readonly #seen = new WeakMap<Connection, string>();

  constructor(components: NatComponents, clock: Clock) {
    this.#components = components;
    this.#clock = clock;
  }

  /** Hears what a peer sees of this node, which makes others that say the same believed. */
  hear({ connection, observedAddr }: Pick<IdentifyResult, 'connection' | 'observedAddr'>): void {
    const host = observedAddr && hostOf(observedAddr);
    if (host !== undefined) this.#seen.set(connection, host);
  }

  async open(transport: Transport, wish: PortWish, signal: AbortSignal): Promise<PunchPort> {
    const localPort = await findPort();
    const observers = wish.mapping === 'endpoint-dependent' ? [] : await this.#take(wish, signal);
    const limit = AbortSignal.any([signal, AbortSignal.timeout(observeLimitMs)]);
    const opened: Connection[] = [];
    let isOver = false;
    const end = (): void => {
      isOver = true;
      for (const connection of opened.splice(0)) close(connection);
      for (const { remotePeer } of observers.splice(0)) this.#busy.delete(remotePeer.toString());
    };
    const asked = observers.map((observer) =>
      this.#observe({ transport, observer, localPort }, limit, (connection) => {
        if (isOver) close(connection);
        else opened.push(connection);
      }),
    );
    const seen = (await Promise.all(asked)).filter((one) => one !== undefined);
    if (signal.aborted) end();
    signal.throwIfAborted();
    return { localPort, seen, addresses: this.#addresses(localPort, seen, wish), end };
  }

  /** Peers that were dialled, and that are not in use: relays first. */
  async #take({ relayed, isUrgent }: PortWish, signal: AbortSignal): Promise<Connection[]> {
    const relay = relayed.remoteAddr.toString();
    const rank = ({ remotePeer }: Connection): number => (relay.includes(remotePeer.toString()) ? 0 : 1);
    for (let pauses = 0; ; pauses++) {
      const known = this.#components.connectionManager.getConnections().filter(isObserver);
      const byPeer = new Map(known.map((connection) => [connection.remotePeer.toString(), connection]));
      const free = Array.from(byPeer.values())
        .filter(({ remotePeer }) => !this.#busy.has(remotePeer.toString()))
        .toSorted((a, b) => rank(a) - rank(b))
        .slice(0, maxObservers);
      if (free.length > 0 || byPeer.size === 0 || isUrgent || pauses === maxBusyPauses) {
        for (const { remotePeer } of free) this.#busy.add(remotePeer.toString());
        return free;
      }
      await pause(this.#clock, busyPauseMs, signal);
    }
  }

  async #observe(
    { transport, observer, localPort }: { transport: Transport; observer: Connection; localPort: number },
    signal: AbortSignal,
    opened: (connection: Connection) => void,
  ): Promise<Observation | undefined> {
    const { events, logger, upgrader } = this.#components;
    const log = logger.forComponent('lloom:nat:punch');
    const said = new Map<string, Multiaddr | undefined>();
    let told = Promise.withResolvers<void>();
    const hear = safe(
      ({ detail }: CustomEvent<IdentifyResult>) => {
        if (!detail.peerId.equals(observer.remotePeer)) return;
        said.set(detail.connection.id, detail.observedAddr);
        told.resolve();
        told = Promise.withResolvers();
      },
      (error) => log.error('an observation was not heard - %s', errorText(error)),
    );
    events.addEventListener('peer:identify', hear);
    try {
      const connection = await dialFor(signal, (own) => {
        const config = { upgrader, localPort, signal: own };
        return transport.dial(observer.remoteAddr, config);
      });
      opened(connection);
      while (!said.has(connection.id)) await orAbort(told.promise, signal);
      const seen = said.get(connection.id);
      const endpoint = seen && endpointOf(seen);
      if (endpoint === undefined) return undefined;
      const isOwn = ownHosts(true).includes(endpoint.host);
      return { observer: observer.remotePeer.toString(), localPort, isOwn, seen: endpoint };
    } catch (error) {
      log('%p could not observe - %s', observer.remotePeer, errorText(error));
      return undefined;
    } finally {
      events.removeEventListener('peer:identify', hear);
    }
  }

  #addresses(localPort: number, seen: readonly Observation[], { mapping, relayed }: PortWish): Multiaddr[] {
    const isLocal = isLocalRelay(relayed);
    const isSymmetric =
      mapping === 'endpoint-dependent' || new Set(seen.map(({ seen: { port } }) => port)).size > 1;
    const believed = this.#believed(seen);
    const outside = seen
      .filter((one) => !isSymmetric && (one.isOwn || believed.has(one.seen.host)))
      .map(({ seen: endpoint }) => endpoint);
    const inside = ownHosts(isLocal).map((host): Endpoint => ({ host, port: localPort }));
    const listening = this.#components.addressManager
      .getAddresses()
      .flatMap((address) => endpointOf(address) ?? []);
    // What lies behind such a NAT would be punched in vain, and the peer could not tell why.
    const own = [...inside, ...listening].filter(
      ({ host }) => !isSymmetric || (isGlobalIpv6(host) && !isLocal),
    );
    const usable = [...outside, ...own].filter(({ host }) => isPunchable(host, isLocal));
    const byText = new Map(usable.map(addressOf).map((address) => [address.toString(), address]));
    return Array.from(byText.values()).slice(0, maxTargets);
  }

  /** The outside of this node, by what its observers see now, and have seen. */
  #believed(seen: readonly Observation[]): ReadonlySet<string> {
    const voices = this.#components.connectionManager
      .getConnections()
      .filter(isObserver)
      .flatMap((connection) => {
        const observer = connection.remotePeer.toString();
        const now = seen.find((one) => one.observer === observer)?.seen.host;
        const host = now ?? this.#seen.get(connection);
        const from = hostOf(connection.remoteAddr);
        return host === undefined || from === undefined ? [] : { from, seen: host };
      });
    const own = new Set(ownHosts(true));
    return believedHosts(voices.filter((voice) => !own.has(voice.seen)));
  }
}

/** A peer whose own address is known, because it was dialled, and that is met without a relay. */
const isObserver = ({ direct, direction, limits, remoteAddr, status }: Connection): boolean =>
  direct &&
  direction === 'outbound' &&
  limits === undefined &&
  status === 'open' &&
  endpointOf(remoteAddr) !== undefined;

function close(connection: Connection): void {
  connection.close().catch(() => connection.abort(new Error('it does not close')));
}
