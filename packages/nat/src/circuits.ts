import { orAbort, withinTime } from '@lloom/core';
import type { Multiaddr } from '@multiformats/multiaddr';
import { NatError } from './errors.ts';
import type { CircuitConnection, CircuitNetwork, CircuitWay } from './internal/circuitNetwork.ts';
import { relayWay } from './internal/relayAddress.ts';
import { limitsLeft, payloadLeft, payloadOf } from './internal/relayBudget.ts';
import type { Shared } from './internal/shared.ts';
import type { DialCall } from './ports.ts';
import type { CallConfig, RelayedConnection } from './types.ts';

/** Of one dial through a relay. */
const dialLimitMs = 10_000;
/** Of a search for a way without one, while somebody waits for room. */
const upgradeLimitMs = 10_000;
/** How often is looked whether a connection that is not needed any more is idle. */
const lookMs = 1_000;
/** Connections through relays to one peer: `maxConnectionsPerPeer` of the peers package, which leaves out what is beyond. */
const maxPerPeer = 3;

/** What connections through relays need. */
interface CircuitsPorts extends Shared {
  readonly network: CircuitNetwork;
  readonly upgrading: {
    /** Finds a way without a relay. Resolves with whether there is one now; several callers share one attempt. */
    upgrade(peerId: string, signal: AbortSignal): Promise<boolean>;
    /** Whether one may be found soon, as far as is known. */
    isPromising(peerId: string): boolean;
  };
}

/** What room is made for, and until when. */
interface Need {
  readonly bytes: number;
  readonly signal: AbortSignal;
}

/** Another connection through a relay, and what it takes the place of. */
interface Renewable {
  readonly way: CircuitWay;
  readonly relayed: readonly CircuitConnection[];
  /** One that goes first, where there are as many as there may be. */
  readonly spent?: CircuitConnection;
}

/** Opens connections through relays, knows what they still carry, and closes those that others have replaced. */
export class Circuits {
  readonly #ports: CircuitsPorts;
  #running: AbortController | undefined;
  #unlisten: (() => void) | undefined;
  readonly #renewals = new Map<string, Promise<void>>();
  /** Limited connections beside which another one was opened. */
  readonly #replaced = new WeakSet<CircuitConnection>();
  /** Peers with a connection that is to be closed when it is idle. */
  readonly #crowded = new Set<string>();
  /** Connections that were idle at the last look. */
  #idle = new WeakSet<CircuitConnection>();
  #timer: unknown;

  constructor(ports: CircuitsPorts) {
    this.#ports = ports;
  }

  start(): void {
    if (this.#running !== undefined) return;
    this.#running = new AbortController();
    this.#unlisten = this.#ports.network.onOpened((peerId) => this.#watch(peerId));
  }

  stop(): void {
    this.#unlisten?.();
    this.#unlisten = undefined;
    this.#running?.abort(new Error('the nat service stops'));
    this.#running = undefined;
    this.#crowded.clear();
    this.#idle = new WeakSet();
    this.#ports.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /**
   * Opens a connection through a relay; gives one that is there already and still carries something, and `undefined` when there
   * is one without a relay.
   *
   * @throws {AddressError} for an address that cannot be read
   * @throws {NatError} `INVALID_RELAY_ADDRESS`, `RELAY_DIAL_FAILED`, `PEER_REFUSED`, `CANCELLED`, `STOPPED`
   */
  async dial(
    peerId: string,
    relayAddr: Multiaddr | string,
    { signal }: CallConfig = {},
  ): Promise<RelayedConnection | undefined> {
    const act = 'dialPeerThroughRelay';
    const way = relayWay(peerId, relayAddr);
    const running = this.#running;
    if (running === undefined) throw new NatError('STOPPED', { act });
    if (isAborted(signal)) throw new NatError('CANCELLED', { act }, { cause: signal?.reason });
    const open = this.#ports.network.connectionsTo(peerId);
    if (open.some(({ isRelayed }) => !isRelayed)) return undefined;
    const now = this.#ports.clock.now();
    const known = open.find(
      (connection) => connection.relay === way.relay && payloadLeft(connection, now) !== 0,
    );
    if (known !== undefined) return this.#describe(way, known);
    try {
      const opened = await this.#open(way, {
        signal: signal === undefined ? running.signal : AbortSignal.any([signal, running.signal]),
        toldBy: 'user',
      });
      return opened.isRelayed ? this.#describe(way, opened) : undefined;
    } catch (cause) {
      if (running.signal.aborted) throw new NatError('STOPPED', { act }, { cause });
      if (isAborted(signal)) throw new NatError('CANCELLED', { act }, { cause });
      if (NatError.is(cause)) throw cause;
      const reason = `there was no answer within ${dialLimitMs / 1_000} s`;
      throw new NatError('RELAY_DIAL_FAILED', { peerId, relay: way.relay, reason }, { cause });
    }
  }

  /** How many connections of this node go through relays. */
  get relayedCount(): number {
    return this.#ports.network.relayedCount();
  }

  /** See `Nat.bytesLeft`. */
  bytesLeft(peerId: string, connectionId?: string): number | undefined {
    const now = this.#ports.clock.now();
    let most: number | undefined;
    for (const connection of this.#ports.network.connectionsTo(peerId)) {
      if (connectionId !== undefined && connection.id !== connectionId) continue;
      const left = payloadLeft(connection, now);
      if (left === undefined) return undefined;
      most = Math.max(most ?? 0, left);
    }
    return most;
  }

  /**
   * See `Nat.makeRoom`.
   *
   * @throws {NatError} `CANCELLED`
   */
  async makeRoom(peerId: string, bytes: number, { signal }: CallConfig = {}): Promise<boolean> {
    if (this.#hasRoom(peerId, bytes)) return true;
    const running = this.#running;
    if (running === undefined) return false;
    try {
      const until = signal === undefined ? running.signal : AbortSignal.any([signal, running.signal]);
      const ways = this.#makeWays(peerId, { bytes, signal: running.signal });
      await orAbort(this.#untilRoom(peerId, { bytes, ways }), until);
    } catch (cause) {
      if (isAborted(signal)) throw new NatError('CANCELLED', { act: 'makeRoom' }, { cause });
      if (!running.signal.aborted) this.#ports.log(`there is no more room to ${peerId}`, cause);
    }
    return this.#hasRoom(peerId, bytes);
  }

  #hasRoom(peerId: string, bytes: number): boolean {
    const left = this.bytesLeft(peerId);
    return left === undefined || left >= bytes;
  }

  /** What makes room: both ways at once, where another connection through the relay would do. None of them rejects. */
  #makeWays(peerId: string, need: Need): Promise<void>[] {
    const { signal } = need;
    const canRenew = this.#renewals.has(peerId) || this.#renewable(peerId, need.bytes) !== undefined;
    if (!canRenew) return [this.#upgrade(peerId, signal)];
    const ways = [this.#renew(peerId, need)];
    if (this.#ports.upgrading.isPromising(peerId)) ways.push(this.#upgrade(peerId, signal));
    return ways;
  }

  async #untilRoom(
    peerId: string,
    { bytes, ways }: { readonly bytes: number; readonly ways: readonly Promise<void>[] },
  ): Promise<void> {
    const open = new Set(ways);
    for (const way of ways) void way.then(() => open.delete(way));
    while (open.size > 0 && !this.#hasRoom(peerId, bytes)) await Promise.race(open);
  }

  async #upgrade(peerId: string, signal: AbortSignal): Promise<void> {
    const { clock, upgrading } = this.#ports;
    const limit = { clock, ms: upgradeLimitMs, signal };
    try {
      await withinTime(limit, (own) => upgrading.upgrade(peerId, own));
    } catch (error) {
      if (!signal.aborted) this.#ports.log(`no way to ${peerId} without a relay was found`, error);
    }
  }

  /** One more connection through a relay that let enough through when the last one was new. Never rejects. */
  #renew(peerId: string, { bytes, signal }: Need): Promise<void> {
    const running = this.#renewals.get(peerId);
    if (running !== undefined) return running;
    const renewable = this.#renewable(peerId, bytes);
    if (renewable === undefined) return Promise.resolve();
    const renewal = this.#replace(renewable, signal)
      .catch((error: unknown) => {
        if (!signal.aborted) this.#ports.log(`there is no more room to ${peerId} through its relay`, error);
      })
      .finally(() => this.#renewals.delete(peerId));
    this.#renewals.set(peerId, renewal);
    return renewal;
  }

  #renewable(peerId: string, bytes: number): Renewable | undefined {
    const relayed = this.#ports.network.connectionsTo(peerId).filter(({ isRelayed }) => isRelayed);
    const old = relayed
      .toSorted((a, b) => b.openedAt - a.openedAt)
      .find(({ firstBytes, relay }) => relay !== undefined && payloadOf(firstBytes ?? Infinity) >= bytes);
    if (old?.relay === undefined) return undefined;
    const way = { peerId, relay: old.relay, address: wayOf(old, peerId) };
    if (relayed.length < maxPerPeer) return { relayed, way };
    const spent = relayed.find((connection) => connection.isIdle && this.#replaced.has(connection));
    return spent && { relayed, way, spent };
  }

  async #replace({ relayed, way, spent }: Renewable, signal: AbortSignal): Promise<void> {
    await spent?.close();
    const opened = await this.#open(way, { signal, toldBy: 'peers' });
    for (const connection of relayed) if (connection !== opened) this.#replaced.add(connection);
    this.#watch(way.peerId);
  }

  #open(way: CircuitWay, { signal, toldBy }: DialCall): Promise<CircuitConnection> {
    const { clock, network } = this.#ports;
    return withinTime({ clock, ms: dialLimitMs, signal }, (own) =>
      network.dial(way, { signal: own, toldBy }),
    );
  }

  #describe({ peerId, relay }: CircuitWay, connection: CircuitConnection): RelayedConnection {
    const limits = limitsLeft(connection, this.#ports.clock.now());
    return { peerId, relay, remoteAddress: connection.remoteAddress, ...(limits && { limits }) };
  }

  /** Looks from now on when connections to a peer that are not needed any more are idle. */
  #watch(peerId: string): void {
    if (this.#running === undefined || this.#surplusOf(peerId).length === 0) return;
    this.#crowded.add(peerId);
    this.#timer ??= this.#ports.clock.setTimeout(() => this.#look(), lookMs);
  }

  /** Those through relays that another one has replaced: a direct one, or one with more left. */
  #surplusOf(peerId: string): CircuitConnection[] {
    const open = this.#ports.network.connectionsTo(peerId);
    const relayed = open.filter(({ isRelayed }) => isRelayed);
    if (relayed.length < open.length) return relayed;
    const replaced = relayed.filter((connection) => this.#replaced.has(connection));
    return replaced.length < relayed.length ? replaced : [];
  }

  /** What is idle twice in a row is closed: a stream may have been about to open. */
  #look(): void {
    this.#timer = undefined;
    for (const peerId of this.#crowded) {
      const surplus = this.#surplusOf(peerId);
      for (const connection of surplus) {
        if (!connection.isIdle) this.#idle.delete(connection);
        else if (this.#idle.has(connection)) this.#close(peerId, connection);
        else this.#idle.add(connection);
      }
      if (surplus.length === 0) this.#crowded.delete(peerId);
    }
    if (this.#crowded.size > 0) this.#timer = this.#ports.clock.setTimeout(() => this.#look(), lookMs);
  }

  #close(peerId: string, connection: CircuitConnection): void {
    connection.close().catch((error: unknown) => {
      this.#ports.log(`a connection to ${peerId} through a relay cannot be closed`, error);
    });
  }
}

/** How a connection that the peer may have opened is opened from here. */
const wayOf = ({ remoteAddress }: CircuitConnection, peerId: string): string =>
  remoteAddress.endsWith(`/p2p/${peerId}`) ? remoteAddress : `${remoteAddress}/p2p/${peerId}`;

const isAborted = (signal: AbortSignal | undefined): boolean => signal?.aborted === true;
