import {
  KEEP_ALIVE,
  type Connection,
  type IdentifyResult,
  type Logger,
  type Peer,
  type PeerId,
} from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { safe, toPeerId, withPeerId, withinTime } from '@lloom/core';

import type {
  DialTarget,
  Gate,
  LogFields,
  NetworkSettings,
  NetworkWatcher,
  PeerNetwork,
  PeersComponents,
} from '../ports.ts';
import type { ConnectionLimits } from '../types.ts';
import { closeTimeoutMs, Libp2pConnection } from './connection.ts';
import { Dialing } from './dialing.ts';
import { guardWith } from './gater.ts';
import { Reconnects } from './reconnects.ts';
import { recordOf, recordOfIdentified, storedPeer } from './records.ts';
import { maxHeldRefusals, Refusals } from './refusals.ts';

/**
 * How far libp2p's own total is beyond ours, besides what may be under way: as many dials as it runs at the same time, which
 * may be of other parts of the node.
 */
const libp2pRoom = 100;

/** How long taking the tags of a peer away is waited for. */
const untagTimeoutMs = 1_000;

/** What libp2p's monitor was told at construction, and keeps in this field. */
type MonitorInside = NonNullable<PeersComponents['connectionMonitor']> & {
  abortConnectionOnPingFailure?: unknown;
};

/** The network of a libp2p node. */
export function libp2pNetwork(components: PeersComponents, settings: NetworkSettings): PeerNetwork {
  return new Libp2pNetwork(components, settings);
}

class Libp2pNetwork implements PeerNetwork {
  readonly peerId: string;
  readonly #components: PeersComponents;
  readonly #settings: NetworkSettings;
  readonly #log: Logger;
  readonly #dialing: Dialing;
  readonly #reconnects: Reconnects;
  readonly #refusals: Refusals;
  #gate: Gate | undefined;

  constructor(components: PeersComponents, settings: NetworkSettings) {
    this.#components = components;
    this.#settings = settings;
    this.#log = components.logger.forComponent('lloom:peers');
    this.peerId = components.peerId.toString();
    this.#dialing = new Dialing(components, (...given) => this.log(...given));
    this.#refusals = new Refusals(settings.clock, this.#onListenerError);
    this.#reconnects = new Reconnects({
      components,
      settings,
      mayRedial: (peerId) => this.#gate?.mayRedial(peerId) !== false,
      log: (...given) => this.log(...given),
    });
  }

  log(text: string, error: unknown, fields?: LogFields): void {
    if (fields === undefined) this.#log.error(`${text} - %e`, error);
    else this.#log.error(`${text} %o - %e`, fields, error);
  }

  note(text: string, fields: LogFields): void {
    this.#log(`${text} %o`, fields);
  }

  warn(code: string, message: string): void {
    this.#log.error(message);
    process.emitWarning(message, { type: 'LloomWarning', code });
  }

  guard(gate: Gate): void {
    this.#gate = gate;
    this.#dialing.gate = gate;
    guardWith(this.#components.connectionGater, gate, { log: this.#log, refusals: this.#refusals });
  }

  watch(watcher: NetworkWatcher): () => void {
    const { events, connectionManager, peerStore } = this.#components;
    const ending = new AbortController();
    const { signal } = ending;
    // While the peer store is being read: the peers of which something newer is known already.
    let updated: Set<string> | undefined = new Set();
    const followed = new Map<Connection, Libp2pConnection>();
    this.#reconnects.begin();
    this.#refusals.begin();
    const follow = (connection: Connection): void => {
      if (connection.status !== 'open' && connection.status !== 'closing') return;
      if (followed.has(connection)) return;
      const told = new Libp2pConnection(connection, this.#settings, this.#onListenerError);
      followed.set(connection, told);
      connection.addEventListener(
        'close',
        safe((event) => {
          if (!followed.delete(connection)) return;
          this.#noteClosing(connection, told, event.error);
          watcher.closed(told, event.error);
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
      this.#reconnects.end();
      this.#refusals.end();
      for (const connection of followed.values()) connection.forget();
      followed.clear();
      events.removeEventListener('connection:open', onOpen);
      events.removeEventListener('peer:update', onUpdate);
      events.removeEventListener('peer:identify', onIdentify);
    };
  }

  dial(target: DialTarget): Promise<void> {
    return this.#dialing.dial(target);
  }

  async release(peerId: string): Promise<void> {
    const { connectionManager } = this.#components;
    const id = toPeerId(peerId);
    this.#reconnects.rest(peerId);
    // A datastore may hang; nobody stays connected for that.
    const untagged = this.#untag(id);
    while (
      connectionManager.getConnections(id).some(({ status }) => status === 'open' || status === 'closing')
    ) {
      await connectionManager.closeConnections(id, { signal: AbortSignal.timeout(closeTimeoutMs) });
    }
    await untagged;
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

  async forget(peerId: string, addresses: readonly string[]): Promise<void> {
    const id = toPeerId(peerId);
    const stored = await this.#stored(peerId);
    if (stored === undefined || addresses.length === 0) return;
    const left = stored.addresses.filter(
      ({ multiaddr: address }) => !addresses.includes(withPeerId(address, id).toString()),
    );
    if (left.length < stored.addresses.length)
      await this.#components.peerStore.patch(id, { addresses: left });
  }

  canDial(text: string): boolean {
    const address = multiaddr(text);
    // A name that stands for other addresses is looked up when it is dialled.
    const isLookedUp = address.getComponents()[0]?.name === 'dnsaddr';
    return isLookedUp || this.#components.transportManager.dialTransportForMultiaddr(address) !== undefined;
  }

  listenedAddresses(): string[] {
    return this.#components.transportManager.getAddrs().map((address) => address.toString());
  }

  setLimits({ maxConnections, maxPendingConnections }: ConnectionLimits): void {
    const { connectionManager } = this.#components;
    // The gate refuses what comes in beyond ours, and the service closes what is too much. libp2p would refuse with
    // nothing said, and close without knowing what is in use.
    connectionManager.setMaxConnections(maxConnections + maxPendingConnections + libp2pRoom);
    // libp2p takes its limit of inbound handshakes at construction only, and keeps it in this field. The gate
    // enforces ours; this one must merely not be lower, and counts those that are held to be refused as well.
    const own = connectionManager as { maxIncomingPendingConnections?: unknown };
    if (typeof own.maxIncomingPendingConnections === 'number') {
      own.maxIncomingPendingConnections = maxPendingConnections + maxHeldRefusals;
    }
  }

  takeOverMonitoring(): void {
    const onError = (error: unknown): void =>
      this.log("libp2p's connection monitor cannot be stopped", error);
    safe(() => {
      const monitor = this.#monitor() as MonitorInside | undefined;
      if (monitor === undefined) return undefined;
      // To stop it fails the pings that are under way, and for each of these it aborts the connection.
      if (monitor.abortConnectionOnPingFailure === true) monitor.abortConnectionOnPingFailure = false;
      return monitor.stop();
    }, onError)();
  }

  drain(): void {
    this.#reconnects.drain();
  }

  #noteClosing({ remotePeer }: Connection, told: Libp2pConnection, error: unknown): void {
    const lastedMs = this.#settings.clock.elapsed() - told.knownSince;
    if (this.#components.connectionManager.getConnections(remotePeer).length > 0) {
      this.#reconnects.closedOne(told.peerId, lastedMs);
    } else {
      this.#reconnects.closedLast(remotePeer, { lastedMs, isMeant: error === undefined || told.isClosing });
    }
  }

  /** Takes the tags away for which a peer is dialled again when its last connection is lost. Never rejects. */
  async #untag(peerId: PeerId): Promise<void> {
    const { peerStore } = this.#components;
    const limit = { clock: this.#settings.clock, ms: untagTimeoutMs, signal: new AbortController().signal };
    try {
      await withinTime(limit, async () => {
        const stored = await this.#stored(peerId.toString());
        const tags = [...(stored?.tags.keys() ?? [])].filter((tag) => tag.startsWith(KEEP_ALIVE));
        if (tags.length === 0) return;
        // When the time is over, it is done all the same.
        await peerStore.merge(peerId, { tags: Object.fromEntries(tags.map((tag) => [tag, undefined])) });
      });
    } catch (error) {
      this.log('tags cannot be removed', error);
    }
  }

  /** To ask for a component that the node does not have is an error. */
  #monitor(): PeersComponents['connectionMonitor'] {
    try {
      return this.#components.connectionMonitor;
    } catch {
      return undefined;
    }
  }

  #stored(peerId: string): Promise<Peer | undefined> {
    const onError = (error: unknown): void => this.log('a peer cannot be read', error);
    return storedPeer(this.#components.peerStore, peerId, onError);
  }

  readonly #onListenerError = (error: unknown): void => this.log('a listener failed', error);
}
