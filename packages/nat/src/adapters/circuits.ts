import type { Connection } from '@libp2p/interface';
import { errorText, LloomError, safe, toPeerId } from '@lloom/core';
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';

import { NatError } from '../errors.ts';
import type { CircuitConnection, CircuitNetwork, CircuitWay } from '../internal/circuitNetwork.ts';
import { relayPart } from '../internal/relayAddress.ts';
import type { DialCall, NatComponents, NatPorts } from '../ports.ts';

/** What every connection carries, and what is opened anew on another one. */
const infrastructure = [
  '/ipfs/id/',
  '/ipfs/ping/',
  '/ipfs/kad/',
  '/lloom/kad/',
  '/libp2p/autonat/',
  '/meshsub/',
  '/floodsub/',
];

/** As libp2p gives to dials that a user asks for. */
const dialPriority = 75;

/** Connections through libp2p. */
export function libp2pCircuits(components: NatComponents, ports: NatPorts): CircuitNetwork {
  return new Libp2pCircuits(components, ports);
}

class Libp2pCircuits implements CircuitNetwork {
  readonly #components: NatComponents;
  readonly #ports: NatPorts;
  readonly #seen = new WeakMap<Connection, CircuitConnection>();
  /**
   * By peer id, as long as somebody listens: asked for each piece of an answer, and libp2p asks for a parsed peer id, which
   * takes a fifth of a millisecond.
   */
  #byPeer: Map<string, Set<Connection>> | undefined;

  constructor(components: NatComponents, ports: NatPorts) {
    this.#components = components;
    this.#ports = ports;
  }

  connectionsTo(peerId: string): readonly CircuitConnection[] {
    const all =
      this.#byPeer === undefined
        ? this.#components.connectionManager.getConnections(toPeerId(peerId))
        : (this.#byPeer.get(peerId) ?? []);
    return Array.from(all)
      .filter(({ status }) => status === 'open')
      .map((connection) => this.#wrap(connection));
  }

  relayedCount(): number {
    const { connectionManager } = this.#components;
    let count = 0;
    for (const connection of connectionManager.getConnections())
      if (connection.status === 'open' && this.#wrap(connection).isRelayed) count += 1;
    return count;
  }

  async dial(way: CircuitWay, call: DialCall): Promise<CircuitConnection> {
    const { peerId, relay } = way;
    const fail = (reason: string, cause: unknown): NatError =>
      new NatError('RELAY_DIAL_FAILED', { peerId, relay, reason }, { cause });
    try {
      await this.#reach(way, call);
    } catch (error) {
      if (isRefusal(error)) throw refused(relay, error);
      throw fail(`the relay cannot be reached: ${errorText(error)}`, error);
    }
    try {
      return this.#wrap(await this.#open(way, call));
    } catch (error) {
      if (NatError.is(error)) throw error;
      if (isRefusal(error)) throw refused(peerId, error);
      throw fail(reasonOf(error), error);
    }
  }

  onOpened(tell: (peerId: string) => void): () => void {
    const { connectionManager, events, logger } = this.#components;
    const log = logger.forComponent('lloom:nat:circuits');
    const fail = (error: unknown): void => log.error('a connection was not looked at: %s', errorText(error));
    const byPeer = new Map<string, Set<Connection>>();
    const note = (connection: Connection): string => {
      this.#wrap(connection);
      const peerId = connection.remotePeer.toString();
      const known = byPeer.get(peerId);
      if (known === undefined) byPeer.set(peerId, new Set([connection]));
      else known.add(connection);
      return peerId;
    };
    const onOpen = safe(({ detail }: CustomEvent<Connection>) => tell(note(detail)), fail);
    const onClose = safe(({ detail }: CustomEvent<Connection>) => {
      const peerId = detail.remotePeer.toString();
      const known = byPeer.get(peerId);
      known?.delete(detail);
      if (known?.size === 0) byPeer.delete(peerId);
    }, fail);
    events.addEventListener('connection:open', onOpen);
    events.addEventListener('connection:close', onClose);
    for (const connection of connectionManager.getConnections())
      if (connection.status === 'open') note(connection);
    this.#byPeer = byPeer;
    return () => {
      this.#byPeer = undefined;
      events.removeEventListener('connection:open', onOpen);
      events.removeEventListener('connection:close', onClose);
    };
  }

  /** A connection to the relay. */
  async #reach({ relay, address }: CircuitWay, call: DialCall): Promise<void> {
    const { connectionManager } = this.#components;
    const { dialer } = this.#ports;
    const relayId = toPeerId(relay);
    if (connectionManager.getConnections(relayId).some(({ status }) => status === 'open')) return;
    const hop = relayPart(address);
    // Without a place it stands for whatever is known of the relay.
    const isKnown = hop === `/p2p/${relay}`;
    if (dialer !== undefined) return dialer.dial(relay, isKnown ? [] : [hop], call);
    const { signal } = call;
    await connectionManager.openConnection(isKnown ? relayId : multiaddr(hop), { signal });
  }

  /**
   * One more connection. Beside one that is there it is dialled by the transport itself: whoever joins the dial in libp2p's queue
   * ends what comes of it as a duplicate, and one that is in the queue already would try dead addresses first.
   */
  async #open(way: CircuitWay, call: DialCall): Promise<Connection> {
    const { connectionGater, connectionManager, transportManager } = this.#components;
    const peer = toPeerId(way.peerId);
    if ((await connectionGater.denyDialPeer?.(peer)) === true) return this.#openRefused(way, call);
    const { signal } = call;
    const target = await this.#target(way);
    const isDialing = connectionManager.getDialQueue().some(({ peerId }) => peerId?.equals(peer) === true);
    if (isDialing || connectionManager.getConnections(peer).length > 0)
      return transportManager.dial(target, { signal });
    // An unlimited one to the peer may be another relay's.
    return connectionManager.openConnection(target, { signal, force: true, priority: dialPriority });
  }

  /** One to a peer that this node keeps away from: only the user may want it all the same, which the dialer knows. */
  async #openRefused({ peerId, address }: CircuitWay, call: DialCall): Promise<Connection> {
    const { dialer } = this.#ports;
    const error = new NatError('PEER_REFUSED', { peerId, reason: 'its gater denies the peer' });
    if (dialer === undefined || call.toldBy !== 'user') throw error;
    await dialer.dial(peerId, [address], call);
    const open = this.#components.connectionManager
      .getConnections(toPeerId(peerId))
      .filter(({ status }) => status === 'open');
    const [opened] = open.toSorted((a, b) => b.timeline.open - a.timeline.open);
    if (opened === undefined) throw error;
    return opened;
  }

  /**
   * What libp2p is to dial. The relay's own address may be one that only the user may name: it was dialled already, so the way
   * through it needs none.
   */
  async #target({ peerId, relay, address }: CircuitWay): Promise<Multiaddr> {
    const full = multiaddr(address);
    const isDenied = (await this.#components.connectionGater.denyDialMultiaddr?.(full)) === true;
    return isDenied ? multiaddr(`/p2p/${relay}/p2p-circuit/p2p/${peerId}`) : full;
  }

  #wrap(connection: Connection): CircuitConnection {
    const known = this.#seen.get(connection);
    if (known !== undefined) return known;
    const wrapped = new Libp2pCircuit(connection);
    this.#seen.set(connection, wrapped);
    return wrapped;
  }
}

class Libp2pCircuit implements CircuitConnection {
  readonly id: string;
  readonly relay?: string;
  readonly isRelayed: boolean;
  readonly remoteAddress: string;
  readonly openedAt: number;
  readonly firstBytes?: number;
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
    const { id, remoteAddr, timeline } = connection;
    this.id = id;
    const components = remoteAddr.getComponents();
    const at = components.findIndex(({ name }) => name === 'p2p-circuit');
    this.isRelayed = at !== -1;
    const last = components[at - 1];
    if (last?.name === 'p2p' && last.value !== undefined) this.relay = last.value;
    this.remoteAddress = remoteAddr.toString();
    this.openedAt = timeline.open;
    const bytes = this.limits?.bytes;
    if (bytes !== undefined) this.firstBytes = bytes;
  }

  get isOpen(): boolean {
    return this.#connection.status === 'open';
  }

  get isIdle(): boolean {
    return this.#connection.streams.every(({ protocol }) =>
      infrastructure.some((beginning) => protocol.startsWith(beginning)),
    );
  }

  get limits(): CircuitConnection['limits'] {
    const { limits } = this.#connection;
    if (limits === undefined) return undefined;
    const { bytes, seconds } = limits;
    return {
      ...(bytes !== undefined && { bytes: Number(bytes) }),
      ...(seconds !== undefined && { seconds }),
    };
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }
}

/** Words for what relays answer, and for what libp2p says. */
const reasons: readonly (readonly [RegExp, string])[] = [
  [/NO_RESERVATION|status 204/, 'the relay keeps no place for the peer'],
  [/PERMISSION_DENIED|status 202/, 'the relay refuses'],
  [/RESOURCE_LIMIT_EXCEEDED|status 201/, 'the relay carries as many connections as it may'],
  [/CONNECTION_FAILED|status 203/, 'the relay cannot get through to the peer'],
  [/UnsupportedProtocolError/, 'the peer in between does not relay'],
  [/NoValidAddressesError/, 'no transport for relays is there'],
  [/TimeoutError|AbortError/, 'there was no answer in time'],
];

/** What this node says of whom it does not dial: `@lloom/peers` in its own words, and libp2p of any gater. */
const refusals = ['BANNED', 'PEER_REFUSED', 'ADDRESS_REFUSED'];

const isRefusal = (error: unknown): boolean =>
  LloomError.isLloomError(error)
    ? refusals.includes(error.code)
    : error instanceof Error && error.name === 'DialDeniedError';

function refused(peerId: string, cause: unknown): NatError {
  const reason = errorText(cause).replace(/^Cannot dial [^:]*: /, '');
  return new NatError('PEER_REFUSED', { peerId, reason }, { cause });
}

function reasonOf(error: unknown): string {
  const cause = LloomError.isLloomError(error) ? (error.cause ?? error) : error;
  const all = cause instanceof AggregateError ? [cause, ...(cause.errors as unknown[])] : [cause];
  const text = all.map((one) => (one instanceof Error ? `${one.name}: ${one.message}` : '')).join('; ');
  return reasons.find(([pattern]) => pattern.test(text))?.[1] ?? errorText(error);
}
