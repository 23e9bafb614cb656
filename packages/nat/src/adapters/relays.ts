import type { Connection, IdentifyResult, Peer } from '@libp2p/interface';
import { safe, systemClock, toPeerId, type Clock } from '@lloom/core';
import { multiaddr } from '@multiformats/multiaddr';
import type { PlaceAnswer, PlaceRequest, RelayListener, RelayNetwork } from '../internal/relayNetwork.ts';
import type { DialCall, Dialer, NatComponents, NatPorts, RelayCandidate } from '../ports.ts';
import { askForPlace, hopProtocol } from './hop.ts';
import { addressesThrough } from './relayAddresses.ts';

/** Places are taken back when they end: what libp2p takes for old by itself is no concern, so this is a day. */
const announcedMs = 24 * 60 * 60_000;
const maxKnown = 64;
const maxAddresses = 8;

/** Keeping places at relays, through libp2p. */
export function libp2pRelays(
  components: NatComponents,
  ports: Pick<NatPorts, 'clock' | 'dialer'>,
): RelayNetwork {
  return new Libp2pRelays(components, ports);
}

class Libp2pRelays implements RelayNetwork {
  readonly self: string;
  readonly #components: NatComponents;
  readonly #clock: Clock;
  readonly #dialer: Dialer | undefined;
  readonly #announced = new Map<string, readonly string[]>();

  constructor(
    components: NatComponents,
    { clock = systemClock, dialer }: Pick<NatPorts, 'clock' | 'dialer'>,
  ) {
    this.#components = components;
    this.#clock = clock;
    this.#dialer = dialer;
    this.self = components.peerId.toString();
  }

  async connect({ peerId, addresses }: RelayCandidate, call: DialCall): Promise<void> {
    if (this.#direct(peerId) !== undefined) return;
    const { connectionManager, peerStore } = this.#components;
    const id = toPeerId(peerId);
    if (this.#dialer !== undefined) {
      await this.#dialer.dial(peerId, addresses, call);
      if (this.#direct(peerId) !== undefined) return;
    } else if (addresses.length > 0) {
      await peerStore.merge(id, { multiaddrs: addresses.map((address) => multiaddr(address)) });
    }
    // A connection through another relay does not count for libp2p, which then dials.
    await connectionManager.openConnection(id, { signal: call.signal });
  }

  async reserve(
    { peerId, addresses: known }: RelayCandidate,
    { maxAddresses: most, signal }: PlaceRequest,
  ): Promise<PlaceAnswer> {
    const connection = this.#direct(peerId);
    if (connection === undefined) throw new Error('there is no connection to the relay');
    const answer = await askForPlace(connection, signal);
    if (answer.kind === 'refused') return answer;
    const addresses = addressesThrough({ connection, named: answer.addresses, known }, most);
    if (addresses.length === 0) throw new Error('nobody could dial the relay by any of its addresses');
    return { kind: 'place', leftMs: answer.expiresAt - this.#clock.now(), addresses };
  }

  announce(relay: string, addresses: readonly string[]): void {
    const { addressManager } = this.#components;
    const before = this.#announced.get(relay) ?? [];
    // The new ones first: there is no moment without any.
    for (const address of addresses) {
      addressManager.confirmObservedAddr(multiaddr(address), { type: 'observed', ttl: announcedMs });
    }
    for (const address of before) {
      if (!addresses.includes(address)) addressManager.removeObservedAddr(multiaddr(address));
    }
    if (addresses.length > 0) this.#announced.set(relay, addresses);
    else this.#announced.delete(relay);
  }

  async known(): Promise<readonly RelayCandidate[]> {
    const peers = await this.#components.peerStore.all({
      filters: [({ id, protocols }) => protocols.includes(hopProtocol) && id.toString() !== this.self],
    });
    const candidates = peers.map((peer) => ({
      isConnected: this.#direct(peer.id.toString()) !== undefined,
      relay: this.#candidateOf(peer),
    }));
    return candidates
      .toSorted((one, other) => Number(other.isConnected) - Number(one.isConnected))
      .slice(0, maxKnown)
      .map(({ relay }) => relay);
  }

  listen(listener: RelayListener): () => void {
    const { connectionManager, events, logger } = this.#components;
    const log = logger.forComponent('lloom:nat:relays');
    const guarded = <E>(handle: (detail: E) => void) =>
      safe(
        ({ detail }: CustomEvent<E>) => handle(detail),
        (error) => log.error('could not take notice of a relay - %o', error),
      );
    const opened = guarded((connection: Connection) => {
      if (isDirect(connection)) listener.connected(connection.remotePeer.toString());
    });
    const closed = guarded((connection: Connection) => {
      const relay = connection.remotePeer.toString();
      if (isDirect(connection) && this.#direct(relay, connection) === undefined)
        listener.gone(relay, 'the connection is closed');
    });
    const known = new WeakSet<Connection>(connectionManager.getConnections());
    const identified = guarded(({ connection, peerId, protocols }: IdentifyResult) => {
      const relay = peerId.toString();
      const isAgain = known.has(connection);
      known.add(connection);
      if (!isDirect(connection)) return;
      if (protocols.includes(hopProtocol))
        listener.met({ peerId: relay, addresses: dialledOf([connection]) }, isAgain);
      else listener.gone(relay, 'it does not relay any more');
    });
    events.addEventListener('connection:open', opened);
    events.addEventListener('connection:close', closed);
    events.addEventListener('peer:identify', identified);
    return () => {
      events.removeEventListener('connection:open', opened);
      events.removeEventListener('connection:close', closed);
      events.removeEventListener('peer:identify', identified);
    };
  }

  /** The newest: of a relay that has crashed an old one may still look open. */
  #direct(peerId: string, without?: Connection): Connection | undefined {
    return this.#connections(peerId)
      .filter((connection) => connection.id !== without?.id)
      .reduce<Connection | undefined>(
        (newest, next) => (newest !== undefined && newest.timeline.open > next.timeline.open ? newest : next),
        undefined,
      );
  }

  #connections(peerId: string): Connection[] {
    const all = this.#components.connectionManager.getConnections(toPeerId(peerId));
    return all.filter((connection) => connection.status === 'open' && isDirect(connection));
  }

  #candidateOf({ id, addresses }: Peer): RelayCandidate {
    const peerId = id.toString();
    const stored = addresses
      .map(({ multiaddr: address }) => address.toString())
      .filter((address) => !address.includes('/p2p-circuit'));
    return {
      peerId,
      addresses: [...dialledOf(this.#connections(peerId)), ...stored].slice(0, maxAddresses),
    };
  }
}

/** An address behind a relay says so, also when the relay sets no limits. */
const isDirect = ({ limits, remoteAddr }: Connection): boolean =>
  limits === undefined && !remoteAddr.toString().includes('/p2p-circuit');

const dialledOf = (connections: readonly Connection[]): string[] =>
  connections
    .filter(({ direction }) => direction === 'outbound')
    .map(({ remoteAddr }) => remoteAddr.toString());
