import {
  KEEP_ALIVE,
  type Connection,
  type IdentifyResult,
  type Logger,
  type MultiaddrConnection,
  type Peer,
  type PeerId,
} from '@libp2p/interface';
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';
import { safe, toPeerId, withPeerId } from '@lloom/core';

import { PeersError } from '../errors.ts';
import { attemptsError } from '../internal/dialFailure.ts';
import { isRelayed, transportOf } from '../internal/endpoint.ts';
import type {
  DialTarget,
  Gate,
  NetworkConnection,
  NetworkWatcher,
  PeerNetwork,
  PeerRecord,
  PeersComponents,
} from '../ports.ts';
import type { ConnectionInfo, ConnectionLimits } from '../types.ts';

const closeTimeoutMs = 1_000;
/** What libp2p gives to dials that a user asks for: they go before those of its own services. */
const dialPriority = 75;
const maxAgentVersionLength = 256;

/** The network of a libp2p node. */
export function libp2pNetwork(components: PeersComponents): PeerNetwork {
  return new Libp2pNetwork(components);
}

class Libp2pNetwork implements PeerNetwork {
  readonly peerId: string;
  readonly #components: PeersComponents;
  readonly #log: Logger;
  /** Inbound connections whose handshake is not complete. */
  readonly #pending = new Set<MultiaddrConnection>();
  #gate: Gate | undefined;

  constructor(components: PeersComponents) {
    this.#components = components;
    this.#log = components.logger.forComponent('lloom:peers');
    this.peerId = components.peerId.toString();
  }

  log(message: string, error: unknown): void {
    this.#log.error('%s - %e', message, error);
  }

  guard(gate: Gate): void {
    this.#gate = gate;
    const { connectionGater: gater } = this.#components;
    // The user's own hooks are asked first; they may be methods of a class.
    const user = {
      dialPeer: gater.denyDialPeer?.bind(gater),
      dialMultiaddr: gater.denyDialMultiaddr?.bind(gater),
      inbound: gater.denyInboundConnection?.bind(gater),
      inboundEncrypted: gater.denyInboundEncryptedConnection?.bind(gater),
      inboundUpgraded: gater.denyInboundUpgradedConnection?.bind(gater),
      outboundEncrypted: gater.denyOutboundEncryptedConnection?.bind(gater),
    };
    gater.denyDialPeer = async (peerId) =>
      (await user.dialPeer?.(peerId)) === true ||
      this.#deny(peerId, await this.#refusalOfPeer(peerId.toString()));
    gater.denyDialMultiaddr = async (address) =>
      (await user.dialMultiaddr?.(address)) === true || this.#deny(address, gate.refusesAddress(address));
    gater.denyInboundConnection = async (maConn) => {
      if ((await user.inbound?.(maConn)) === true) return true;
      if (this.#deny(maConn.remoteAddr, gate.refusesInbound(maConn.remoteAddr, this.#pending.size)))
        return true;
      // One that has closed meanwhile would never be taken out again.
      if (maConn.status === 'open') {
        this.#pending.add(maConn);
        const forget = (): void => void this.#pending.delete(maConn);
        maConn.addEventListener('close', safe(forget, this.#onListenerError), { once: true });
      }
      return false;
    };
    const deniesInbound = (peerId: PeerId, { remoteAddr }: MultiaddrConnection): boolean =>
      this.#deny(peerId, gate.refusesConnection(candidateOf(peerId.toString(), 'inbound', remoteAddr)));
    gater.denyInboundEncryptedConnection = async (peerId, maConn) =>
      (await user.inboundEncrypted?.(peerId, maConn)) === true || deniesInbound(peerId, maConn);
    gater.denyInboundUpgradedConnection = async (peerId, maConn) => {
      if ((await user.inboundUpgraded?.(peerId, maConn)) === true) return true;
      this.#pending.delete(maConn);
      // Others may have come in since it was asked the first time.
      return deniesInbound(peerId, maConn);
    };
    gater.denyOutboundEncryptedConnection = async (peerId, maConn) =>
      (await user.outboundEncrypted?.(peerId, maConn)) === true ||
      this.#deny(
        peerId,
        gate.refusesConnection(candidateOf(peerId.toString(), 'outbound', maConn.remoteAddr)),
      );
  }

  watch(watcher: NetworkWatcher): () => void {
    const { events, connectionManager, peerStore } = this.#components;
    const ending = new AbortController();
    const { signal } = ending;
    // While the peer store is being read: the peers of which something newer is known already.
    let updated: Set<string> | undefined = new Set();
    const follow = (connection: Connection): void => {
      if (connection.status !== 'open' && connection.status !== 'closing') return;
      const told = new Libp2pConnection(connection);
      connection.addEventListener(
        'close',
        safe((event) => {
          if (!signal.aborted) watcher.closed(told, event.error);
        }, this.#onListenerError),
        { once: true },
      );
      watcher.opened(told);
    };
    for (const connection of connectionManager.getConnections()) follow(connection);
    const onOpen = safe((event: CustomEvent<Connection>) => follow(event.detail), this.#onListenerError);
    const onUpdate = safe((event: CustomEvent<{ readonly peer: Peer }>) => {
      const { peer } = event.detail;
      updated?.add(peer.id.toString());
      watcher.recorded(recordOf(peer));
    }, this.#onListenerError);
    // The peer store says nothing when only metadata was merged, which is how the agent version comes.
    const onIdentify = safe((event: CustomEvent<IdentifyResult>) => {
      updated?.add(event.detail.peerId.toString());
      watcher.recorded(recordOfIdentified(event.detail));
    }, this.#onListenerError);
    events.addEventListener('connection:open', onOpen);
    events.addEventListener('peer:update', onUpdate);
    events.addEventListener('peer:identify', onIdentify);
    const load = (peer: Peer): void => {
      if (!signal.aborted && updated?.has(peer.id.toString()) !== true) watcher.recorded(recordOf(peer));
    };
    const read = async (): Promise<void> => {
      try {
        await peerStore.forEach(safe(load, this.#onListenerError), { signal });
      } catch (error) {
        if (!signal.aborted) this.log('the peer store cannot be read', error);
      }
      updated = undefined;
    };
    void read();
    return () => {
      ending.abort();
      events.removeEventListener('connection:open', onOpen);
      events.removeEventListener('peer:update', onUpdate);
      events.removeEventListener('peer:identify', onIdentify);
    };
  }

  async dial(target: DialTarget): Promise<void> {
    const { peerId, addresses, signal } = target;
    const tried = new Set<string>();
    try {
      const whom = addresses.length === 0 ? toPeerId(peerId) : addresses.map((address) => multiaddr(address));
      await this.#components.connectionManager.openConnection(whom, {
        signal,
        priority: dialPriority,
        onProgress: (event) => {
          if (event.type !== 'dial-queue:calculated-addresses') return;
          for (const { multiaddr: address } of event.detail) tried.add(address.toString());
        },
      });
    } catch (error) {
      throw await this.#explain(error, target, [...tried]);
    }
  }

  async release(peerId: string): Promise<void> {
    const { connectionManager, peerStore } = this.#components;
    const id = toPeerId(peerId);
    const tags = [...((await this.#stored(peerId))?.tags.keys() ?? [])].filter((tag) =>
      tag.startsWith(KEEP_ALIVE),
    );
    if (tags.length > 0) {
      // libp2p dials a peer with such a tag as soon as its last connection is gone.
      const none = Object.fromEntries(tags.map((tag) => [tag, undefined]));
      await peerStore
        .merge(id, { tags: none })
        .catch((error: unknown) => this.log('tags cannot be removed', error));
    }
    while (
      connectionManager.getConnections(id).some(({ status }) => status === 'open' || status === 'closing')
    ) {
      await connectionManager.closeConnections(id, { signal: AbortSignal.timeout(closeTimeoutMs) });
    }
  }

  async remember(peerId: string, addresses: readonly string[]): Promise<void> {
    const { peerStore } = this.#components;
    const id = toPeerId(peerId);
    const stored = await this.#stored(peerId);
    const known = new Set(
      stored?.addresses.map(({ multiaddr: address }) => withPeerId(address, id).toString()),
    );
    const missing = addresses.filter((address) => !known.has(address)).map((address) => multiaddr(address));
    if (missing.length === 0) return;
    // A merge keeps the age of an address that the store still holds but no longer shows, so that it stays hidden:
    // what has expired has to be written away first.
    if (stored !== undefined) await peerStore.patch(id, { addresses: stored.addresses });
    await peerStore.merge(id, { multiaddrs: missing });
  }

  listenedAddresses(): string[] {
    return this.#components.transportManager.getAddrs().map((address) => address.toString());
  }

  setLimits({ maxConnections, maxPendingConnections }: ConnectionLimits): void {
    const { connectionManager } = this.#components;
    connectionManager.setMaxConnections(maxConnections);
    // libp2p takes its limit of inbound handshakes at construction only, and keeps it in this field. The gate
    // enforces ours; this one must merely not be lower.
    const own = connectionManager as { maxIncomingPendingConnections?: unknown };
    if (typeof own.maxIncomingPendingConnections === 'number') {
      own.maxIncomingPendingConnections = maxPendingConnections;
    }
  }

  #deny(whom: unknown, reason: string | undefined): boolean {
    if (reason === undefined) return false;
    this.#log('refused %s: %s', String(whom), reason);
    return true;
  }

  async #refusalOfPeer(peerId: string): Promise<string | undefined> {
    try {
      return await this.#gate?.refusesPeer(peerId);
    } catch (error) {
      this.log('added addresses cannot be put back', error);
      return undefined;
    }
  }

  async #stored(peerId: string): Promise<Peer | undefined> {
    try {
      return await this.#components.peerStore.get(toPeerId(peerId));
    } catch (error) {
      if (nameOf(error) !== 'NotFoundError') this.log('a peer cannot be read', error);
      return undefined;
    }
  }

  /** What a dial failed of, as far as libp2p's error says it. */
  async #explain(error: unknown, target: DialTarget, tried: readonly string[]): Promise<PeersError> {
    const { peerId } = target;
    const cause = { cause: error };
    const text = error instanceof Error ? error.message : '';
    switch (nameOf(error)) {
      case 'NoValidAddressesError': {
        const unusable = (await this.#candidates(target)).map((address) => address.toString());
        return new PeersError('NO_ADDRESS', { peerId, unusable }, cause);
      }
      case 'DialDeniedError': {
        if (!text.includes('denied all addresses')) return new PeersError('PEER_REFUSED', { peerId }, cause);
        const refusals = (await this.#candidates(target)).map((address) => ({
          address: address.toString(),
          reason: this.#gate?.refusesAddress(address) ?? "the node's connection gater refuses it",
        }));
        return new PeersError('ADDRESS_REFUSED', { peerId, refusals }, cause);
      }
      case 'DialError':
        return text.includes('queue is full')
          ? new PeersError('LIMIT_REACHED', { peerId, limit: 'maxDialQueueLength' }, cause)
          : attemptsError(peerId, error, tried);
      case 'NotStartedError':
        return new PeersError('STOPPED', { peerId }, cause);
      default:
        return attemptsError(peerId, error, tried);
    }
  }

  /** The addresses that a dial had to choose from. */
  async #candidates({ peerId, addresses }: DialTarget): Promise<Multiaddr[]> {
    if (addresses.length > 0) return addresses.map((address) => multiaddr(address));
    const stored = await this.#stored(peerId);
    return (stored?.addresses ?? []).map(({ multiaddr: address }) => withPeerId(address, toPeerId(peerId)));
  }

  readonly #onListenerError = (error: unknown): void => this.log('a listener failed', error);
}

class Libp2pConnection implements NetworkConnection {
  readonly id: string;
  readonly peerId: string;
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.id = connection.id;
    this.peerId = connection.remotePeer.toString();
  }

  get isOpen(): boolean {
    return this.#connection.status === 'open';
  }

  get info(): ConnectionInfo {
    const { direction, remoteAddr, timeline, rtt, limits } = this.#connection;
    return {
      direction,
      remoteAddress: remoteAddr.toString(),
      transport: transportOf(remoteAddr),
      relayed: isRelayed(remoteAddr),
      openedAt: timeline.open,
      ...(rtt !== undefined && { rttMs: rtt }),
      ...(limits !== undefined && {
        limits: {
          ...(limits.bytes !== undefined && { bytes: Number(limits.bytes) }),
          ...(limits.seconds !== undefined && { seconds: limits.seconds }),
        },
      }),
    };
  }

  async close(): Promise<void> {
    try {
      await this.#connection.close({ signal: AbortSignal.timeout(closeTimeoutMs) });
      if (this.#connection.status === 'closing') throw new Error('it was being closed for too long');
    } catch (error) {
      this.#connection.abort(error instanceof Error ? error : new Error(String(error)));
    }
  }
}

const candidateOf = (peerId: string, direction: 'inbound' | 'outbound', address: Multiaddr) => ({
  peerId,
  direction,
  relayed: isRelayed(address),
});

const nameOf = (error: unknown): unknown => (error as { readonly name?: unknown } | undefined)?.name;

function recordOf(peer: Peer): PeerRecord {
  const agentVersion = peer.metadata.get('AgentVersion');
  return {
    peerId: peer.id.toString(),
    addresses: peer.addresses.map(({ multiaddr: address }) => address.toString()),
    protocols: [...peer.protocols],
    ...(agentVersion !== undefined && agentOf(new TextDecoder().decode(agentVersion))),
  };
}

function recordOfIdentified(result: IdentifyResult): PeerRecord {
  const { peerId, agentVersion, protocols, signedPeerRecord, listenAddrs } = result;
  return {
    peerId: peerId.toString(),
    addresses: (signedPeerRecord?.addresses ?? listenAddrs).map((address) => address.toString()),
    protocols: [...protocols],
    ...(agentVersion !== undefined && agentOf(agentVersion)),
  };
}

const agentOf = (text: string): { readonly agentVersion: string } => ({
  agentVersion: text.slice(0, maxAgentVersionLength),
});
