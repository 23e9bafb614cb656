import { PeersError } from './errors.ts';
import type { Ban, CloseCause, PeersEvents } from './events.ts';
import type { ConnectionCounts } from './internal/connectionCounts.ts';
import type { HeldConnection } from './internal/connectionPlan.ts';
import { endpointOf } from './internal/endpoint.ts';
import { ownCause } from './internal/heldConnections.ts';
import type { NetworkConnection } from './ports.ts';
import { PeerActors, type PeerActorsPorts } from './peerActors.ts';
import { TrackedPeer, type TrackedPeerPorts } from './trackedPeer.ts';
import type { ConnectionInfo, PeerExplanation } from './types.ts';

/** A connected peer. */
interface ConnectedPeer {
  readonly peerId: string;
  readonly isMaintained: boolean;
  readonly connections: readonly NetworkConnection[];
}

/** What keeping track of peers needs of the service. */
export interface TrackingPorts extends Omit<TrackedPeerPorts, 'actors'>, Pick<PeerActorsPorts, 'inspect'> {
  readonly counts: ConnectionCounts;
  emit<K extends 'connection:established' | 'connection:closed'>(type: K, detail: PeersEvents[K]): void;
  /** Connections have come or gone. */
  onChange(): void;
}

/** The peers that are dialled, held, maintained or being closed. */
export class Tracking {
  readonly #ports: TrackingPorts & TrackedPeerPorts;
  readonly #peers = new Map<string, TrackedPeer>();
  readonly #dialing = new Set<TrackedPeer>();
  /** Since when connections to peers are maintained, in ms since 1970; also while nothing is dialled. */
  readonly #maintained = new Map<string, number>();
  #isMaintaining = false;

  constructor(ports: TrackingPorts) {
    const { clock, inspect, network } = ports;
    const actors = new PeerActors({
      ...{ clock, inspect, network },
      dial: async (peerId, ...given) => this.#peers.get(peerId)?.carryOutDial(...given),
    });
    this.#ports = { ...ports, actors };
  }

  /** How many peers are tracked beside those that are maintained, which have a limit of their own. */
  get trackedPeers(): number {
    let maintained = 0;
    for (const peerId of this.#maintained.keys()) if (this.#peers.has(peerId)) maintained += 1;
    return this.#peers.size - maintained;
  }

  /** How many dials are under way. */
  get dialing(): number {
    return this.#dialing.size;
  }

  /** Since when connections to peers are maintained, in ms since 1970. */
  get maintained(): ReadonlyMap<string, number> {
    return this.#maintained;
  }

  isTracked(peerId: string): boolean {
    return this.#peers.has(peerId);
  }

  /** Whether an old connection to the peer is being replaced. */
  isReplacing(peerId: string): boolean {
    return this.#peers.get(peerId)?.isReplacing === true;
  }

  isDialing(peerId: string): boolean {
    return this.#peers.get(peerId)?.state === 'dialing';
  }

  /** The open connections to a peer, the best first. */
  open(peerId: string): ConnectionInfo[] {
    return this.#peers.get(peerId)?.connections.open() ?? [];
  }

  /** The same, as far as their worth is concerned. */
  held(peerId: string): HeldConnection[] {
    return this.#peers.get(peerId)?.connections.held() ?? [];
  }

  /** The peers with an open connection. */
  connected(): ConnectedPeer[] {
    const all: ConnectedPeer[] = [];
    for (const { peerId, connections } of this.#peers.values()) {
      const usable = connections.usable();
      if (usable.length === 0) continue;
      all.push({ peerId, isMaintained: this.#maintained.has(peerId), connections: usable });
    }
    return all;
  }

  /** Who they are. */
  *connectedIds(): Generator<string> {
    for (const { peerId, connections } of this.#peers.values()) if (connections.isUsable) yield peerId;
  }

  /** What the machine of a peer is in, and how redials have gone when it is maintained. */
  explain(peerId: string): Pick<PeerExplanation, 'state' | 'maintained'> {
    const peer = this.#peers.get(peerId);
    return {
      state: peer?.state ?? 'absent',
      ...(this.#maintained.has(peerId) && { maintained: peer?.redials ?? { failures: 0 } }),
    };
  }

  /** From now on dials peers that are maintained. */
  startMaintaining(): void {
    this.#isMaintaining = true;
    for (const peerId of this.#maintained.keys()) this.#begin(peerId);
  }

  /** Dials nothing by itself any more. */
  drain(): void {
    this.#isMaintaining = false;
    for (const peerId of this.#maintained.keys()) this.#peers.get(peerId)?.release();
  }

  /** Ends everything, and tells of what is still open as closed. */
  stop(): void {
    this.#isMaintaining = false;
    const peers = [...this.#peers.values()];
    this.#peers.clear();
    this.#dialing.clear();
    this.#ports.counts.clear();
    for (const peer of peers) {
      for (const { info } of peer.stop()) {
        const detail = { peerId: peer.peerId, endpoint: endpointOf(info), cause: ownCause('STOPPED') };
        this.#ports.emit('connection:closed', detail);
      }
    }
    this.#ports.actors.stop();
  }

  opened(connection: NetworkConnection): void {
    const { peerId, info } = connection;
    const { counts, gate } = this.#ports;
    if (this.#ports.banOf(peerId) !== undefined || (!this.#peers.has(peerId) && gate.room <= 0)) {
      void connection.close();
      return;
    }
    const peer = this.#peerOf(peerId);
    // Noted before anybody is told, who may ask.
    if (!peer.opened(connection)) return;
    counts.add(connection);
    this.#ports.emit('connection:established', { peerId, endpoint: endpointOf(info) });
    peer.connections.trim(gate.ruleFor(peerId), { another: true });
    peer.tellOpen();
    this.#ports.onChange();
  }

  closed(connection: NetworkConnection, error: unknown): void {
    const { id, peerId, info } = connection;
    const peer = this.#peers.get(peerId);
    if (peer?.connections.has(id) !== true) return;
    this.#ports.counts.remove(connection);
    const { cause } = peer.closed(id, error) ?? {};
    const endpoint = endpointOf(info);
    this.#ports.network.note('a connection has ended', {
      ...{ peerId, direction: info.direction, transport: info.transport, relayed: info.relayed },
      openMs: Math.max(0, this.#ports.clock.now() - info.openedAt),
      ...(cause !== undefined && { cause: cause.code }),
    });
    this.#ports.emit('connection:closed', { peerId, endpoint, ...(cause !== undefined && { cause }) });
    peer.settle();
    this.#ports.onChange();
  }

  /** Waits for a connection, and dials unless that is being done. */
  async dial(
    peerId: string,
    addresses: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<ConnectionInfo> {
    return this.#peerOf(peerId).connect(addresses, signal);
  }

  /** Dials a connected peer once more; false when it is not connected. */
  async renew(peerId: string, addresses: readonly string[], signal: AbortSignal): Promise<boolean> {
    const peer = this.#peers.get(peerId);
    if (peer === undefined || peer.connections.usable().length === 0) return false;
    await peer.renew(addresses, signal);
    return true;
  }

  /** Closes every connection to a peer, and keeps it away for a while. */
  async disconnect(peerId: string): Promise<void> {
    const peer = this.#peerOf(peerId);
    this.#ports.gate.cool(peerId);
    const told = new PeersError('CANCELLED', { peerId, by: 'disconnectPeer' });
    await peer.close('peer.disconnect', ownCause('DISCONNECTED'), told);
  }

  /** The same because of what the peer did. It stays maintained when it is. */
  async demote(peerId: string, why: string): Promise<void> {
    this.#ports.gate.cool(peerId);
    const peer = this.#peers.get(peerId);
    if (peer === undefined || peer.connections.size === 0) return;
    await peer.close('peer.disconnect', { code: 'REPUTATION', message: why });
  }

  /** Closes every connection to a peer that is banned, and ends all dials. */
  async ban({ peerId, until, reason, by }: Ban): Promise<void> {
    // Of a peer that is not tracked nothing is open. What libp2p wants of it is ended for the user, who calls seldom.
    if (by === 'reputation' && !this.#peers.has(peerId)) return;
    const told = new PeersError('BANNED', { peerId, until, ...(reason !== undefined && { reason }) });
    const cause = { code: 'BANNED', message: reason ?? 'banPeer was called' } as const;
    await this.#peerOf(peerId, true).close('peer.ban', cause, told);
  }

  /** A ban has ended. */
  unban(peerId: string): void {
    const peer = this.#peers.get(peerId);
    if (peer !== undefined) peer.unban();
    else if (this.#isMaintaining && this.#maintained.has(peerId)) this.#begin(peerId);
  }

  /** Keeps a connection to a peer from now on. */
  maintain(peerId: string, since: number): void {
    this.#maintained.set(peerId, since);
    if (this.#isMaintaining) this.#begin(peerId);
  }

  /** Ends that; whether there was anything to end. */
  release(peerId: string): boolean {
    const wasMaintained = this.#maintained.delete(peerId);
    if (wasMaintained) this.#peers.get(peerId)?.release();
    return wasMaintained;
  }

  /** Closes one connection. */
  close(peerId: string, connectionId: string, cause: CloseCause): void {
    this.#peers.get(peerId)?.connections.close(connectionId, cause);
  }

  /** A peer cannot be reached any more. */
  noteUnreachable(peerId: string): void {
    const peer = this.#peers.get(peerId);
    if (peer === undefined) this.#ports.onUnreachable(peerId);
    else peer.noteUnreachable();
  }

  /** Closes what is too many to each peer and not in use. */
  trim(): void {
    const { gate } = this.#ports;
    for (const { peerId, connections } of this.#peers.values()) connections.trim(gate.ruleFor(peerId));
  }

  #begin(peerId: string): void {
    if (this.#ports.banOf(peerId) === undefined || this.#peers.has(peerId)) {
      this.#peerOf(peerId, true).maintain();
    }
  }

  /**
   * The peer, tracked from now on until it is disconnected and nobody waits for it.
   * @param exceeds also when there is no room: for peers whose number is limited otherwise
   * @throws {PeersError} `LIMIT_REACHED`
   */
  #peerOf(peerId: string, exceeds = false): TrackedPeer {
    const known = this.#peers.get(peerId);
    if (known !== undefined) return known;
    if (!exceeds && this.#ports.gate.room <= 0) {
      throw new PeersError('LIMIT_REACHED', { peerId, limit: 'trackedPeers', value: this.trackedPeers });
    }
    const peer = new TrackedPeer(peerId, this.#ports, (changed) => this.#follow(changed));
    this.#peers.set(peerId, peer);
    return peer;
  }

  #follow(peer: TrackedPeer): void {
    if (this.#peers.get(peer.peerId) !== peer) return;
    if (peer.state === 'dialing') this.#dialing.add(peer);
    else this.#dialing.delete(peer);
    if (!peer.isIdle) return;
    peer.forget();
    this.#peers.delete(peer.peerId);
  }
}
