import { circuitRelayTransport } from '@libp2p/circuit-relay-v2';
import { start, stop, type PeerId, type Transport } from '@libp2p/interface';
import type { NatComponents } from '../ports.ts';

const transportTag = '@libp2p/circuit-relay-v2-transport';
const circuitCode = 290;
const p2pCode = 421;

/** Connections through one relay to this node, and from it, at the same time. libp2p counts them for each connection. */
const maxStopStreams = 1_024;

/** The part of libp2p's transport that is not in its types. */
interface ReservationStore {
  hasReservation(peerId: PeerId): boolean;
}

/** Makes addresses that lead through relays usable, with the transport that the node has, or else with one of its own. */
export class CircuitTransport {
  readonly #components: NatComponents;
  #own: Transport | undefined;
  #release: (() => void) | undefined;
  #isRunning = false;
  #last: Promise<void> = Promise.resolve();

  constructor(components: NatComponents) {
    this.#components = components;
  }

  /** Makes them usable. */
  start(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isRunning) return;
      this.#isRunning = true;
      const transport = this.#find() ?? this.#create();
      this.#release = this.#leaveReservations(transport);
      if (transport === this.#own) await start(transport);
    });
  }

  /** Takes back what `start` did. */
  stop(): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#isRunning) return;
      this.#isRunning = false;
      this.#release?.();
      this.#release = undefined;
      if (this.#own !== undefined) await stop(this.#own);
    });
  }

  /** One after the other: the transport cannot be stopped while it starts. */
  #inTurn(act: () => Promise<void>): Promise<void> {
    const done = this.#last.then(act);
    this.#last = done.catch(() => undefined);
    return done;
  }

  #find(): Transport | undefined {
    return this.#components.transportManager
      .getTransports()
      .find((transport) => transport[Symbol.toStringTag] === transportTag);
  }

  #create(): Transport {
    const components = this.#components;
    const create = circuitRelayTransport({
      maxInboundStopStreams: maxStopStreams,
      maxOutboundStopStreams: maxStopStreams,
    });
    // Each by its name: the components of a running node are behind a proxy that cannot be spread. Nobody is met at random, for the
    // service looks for relays itself.
    const transport = create({
      peerId: components.peerId,
      addressManager: components.addressManager,
      connectionGater: components.connectionGater,
      connectionManager: components.connectionManager,
      events: components.events,
      logger: components.logger,
      peerStore: components.peerStore,
      registrar: components.registrar,
      transportManager: components.transportManager,
      upgrader: components.upgrader,
      randomWalk: { walk: nobody },
    });
    components.transportManager.add(transport);
    this.#own = transport;
    return transport;
  }

  /**
   * The transport asks a relay for a place of its own when somebody is connected through a relay where it knows of none: beside the
   * place that the service keeps, or where one was given up. So it is told that there is one, unless the node is configured to
   * listen through that relay, which is then the transport's affair.
   */
  #leaveReservations(transport: Transport): (() => void) | undefined {
    const { reservationStore: store } = transport as { reservationStore?: Partial<ReservationStore> };
    if (typeof store?.hasReservation !== 'function') {
      const log = this.#components.logger.forComponent('lloom:nat:circuit');
      log.error(
        'the transport for relays has no reservations that are known: it may ask for places of its own',
      );
      return undefined;
    }
    const hasReservation = store.hasReservation.bind(store);
    const replacement = (peerId: PeerId): boolean => hasReservation(peerId) || !this.#listensThrough(peerId);
    store.hasReservation = replacement;
    return () => {
      if (store.hasReservation === replacement) store.hasReservation = hasReservation;
    };
  }

  #listensThrough(peerId: PeerId): boolean {
    const relay = peerId.toString();
    return this.#components.addressManager.getListenAddrs().some((address) => {
      const components = address.getComponents();
      return (
        components.some(({ code }) => code === circuitCode) &&
        components.some(({ code, value }) => code === p2pCode && value === relay)
      );
    });
  }
}

async function* nobody(): AsyncGenerator<never> {
  // There is nobody.
}
