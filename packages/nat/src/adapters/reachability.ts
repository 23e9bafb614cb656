import type { Connection, IdentifyResult, Libp2pEvents } from '@libp2p/interface';
import { RecentMap, safe, systemClock, systemRandom } from '@lloom/core';
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';
import { networkOfIp } from '../internal/admission.ts';
import { dialRequestProtocol } from '../internal/autonatMessages.ts';
import type {
  AddressServer,
  Endpoint,
  ReachabilityAnswer,
  ReachabilityNetwork,
  ReachabilityQuestion,
  ReachabilityServerConfig,
  ReachabilityView,
  SeenIp,
} from '../internal/reachabilityNetwork.ts';
import type { NatComponents, NatPorts } from '../ports.ts';
import { AutonatClient } from './autonatClient.ts';
import { AutonatServer } from './autonatServer.ts';
import { endpointOf, isDirect, seenIpOf } from './endpoints.ts';

/** How long libp2p is told that an address is verified for, in ms: it is taken back sooner when it is not any more. */
const verifiedForMs = 600_000;
/** Peers of which is known whether they can be asked: more than a node has connections. */
const maxPeers = 4_096;

type Listener<K extends keyof Libp2pEvents> = (event: Libp2pEvents[K]) => void;

/** Finds out whether a libp2p node can be reached. */
export function libp2pReachability(components: NatComponents, ports: NatPorts): ReachabilityNetwork {
  return new Reachability(components, ports);
}

class Reachability implements ReachabilityNetwork {
  readonly #components: NatComponents;
  readonly #client: AutonatClient;
  readonly #server: AutonatServer;
  /** Whether each peer can be asked. */
  readonly #speaks = new RecentMap<boolean>(maxPeers);
  /** What peers say they see this node at. */
  readonly #seen = new WeakMap<Connection, SeenIp>();
  #removeListeners: (() => void) | undefined;

  constructor(components: NatComponents, { clock = systemClock, random = systemRandom }: NatPorts) {
    this.#components = components;
    this.#client = new AutonatClient(components, { clock, random });
    this.#server = new AutonatServer(components, { clock, random });
  }

  async start(changed: () => void): Promise<void> {
    if (this.#removeListeners !== undefined) return;
    const onIdentify = ({ detail }: CustomEvent<IdentifyResult>): void => {
      this.#note(detail);
      changed();
    };
    const removers = [
      this.#listen('peer:identify', onIdentify),
      this.#listen('connection:close', changed),
      this.#listen('transport:listening', changed),
      this.#listen('transport:close', changed),
    ];
    this.#removeListeners = () => removers.forEach((remove) => remove());
    await this.#recall();
    changed();
  }

  async stop(): Promise<void> {
    this.#removeListeners?.();
    this.#removeListeners = undefined;
    await Promise.all([this.#client.stop(), this.#server.configure(undefined)]);
    this.#speaks.clear();
  }

  setAsking(isAsking: boolean): Promise<void> {
    return isAsking ? this.#client.start() : this.#client.stop();
  }

  setServing(config: ReachabilityServerConfig | undefined): Promise<void> {
    return this.#server.configure(config);
  }

  view(): ReachabilityView {
    const { addressManager, transportManager } = this.#components;
    const direct = this.#directConnections();
    const sightings = direct.flatMap((connection) => {
      const [by, seen] = [seenIpOf(connection.remoteAddr), this.#seen.get(connection)];
      return by === undefined || seen === undefined ? [] : [{ ...seen, by: by.ip }];
    });
    const servers = new Map(
      direct.flatMap((connection) => serverOf(connection) ?? []).map((each) => [each.peerId, each]),
    );
    return {
      listening: endpointsOf(transportManager.getAddrs()),
      announced: endpointsOf(addressManager.getAnnounceAddrs()),
      sightings,
      servers: [...servers.values()].filter(({ peerId }) => this.#speaks.get(peerId) === true),
    };
  }

  ask(question: ReachabilityQuestion): Promise<ReachabilityAnswer> {
    return this.#client.ask(question);
  }

  confirm(address: string): void {
    const { addressManager, transportManager } = this.#components;
    const isListening = transportManager.getAddrs().some((own) => own.toString() === address);
    const type = isListening ? 'transport' : 'observed';
    addressManager.confirmObservedAddr(multiaddr(address), { type, ttl: verifiedForMs });
  }

  withdraw(address: string): void {
    this.#components.addressManager.removeObservedAddr(multiaddr(address));
  }

  #directConnections(): Connection[] {
    return this.#components.connectionManager
      .getConnections()
      .filter((connection) => connection.status === 'open' && isDirect(connection));
  }

  /** What is known of those who were there before: not what they see. */
  async #recall(): Promise<void> {
    const { peerStore } = this.#components;
    await Promise.all(
      this.#directConnections().map(async ({ remotePeer }) => {
        const protocols = await peerStore.get(remotePeer).then(
          (peer) => peer.protocols,
          (): string[] => [],
        );
        this.#speaks.set(remotePeer.toString(), protocols.includes(dialRequestProtocol));
      }),
    );
  }

  #note({ connection, observedAddr, peerId, protocols }: IdentifyResult): void {
    this.#speaks.set(peerId.toString(), protocols.includes(dialRequestProtocol));
    const seen = observedAddr && seenIpOf(observedAddr);
    if (seen !== undefined) this.#seen.set(connection, seen);
  }

  #listen<K extends keyof Libp2pEvents>(type: K, listener: Listener<K>): () => void {
    const { events, logger } = this.#components;
    const log = logger.forComponent('lloom:nat:reachability');
    const wrapped = safe(listener, (error) => log.error('a listener of %s failed - %e', type, error));
    events.addEventListener(type, wrapped);
    return () => events.removeEventListener(type, wrapped);
  }
}

function serverOf({ remoteAddr, remotePeer }: Connection): AddressServer | undefined {
  const seen = seenIpOf(remoteAddr);
  if (seen === undefined) return undefined;
  const network = seen.scope === 'loopback' ? seen.scope : networkOfIp(seen.ip);
  return { ...seen, peerId: remotePeer.toString(), network };
}

function endpointsOf(addresses: readonly Multiaddr[]): Endpoint[] {
  return addresses.flatMap((address) => endpointOf(address) ?? []);
}
