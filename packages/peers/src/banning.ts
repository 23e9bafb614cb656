import { errorText, type Clock } from '@lloom/core';

import type { ResolvedPeersConfig } from './config.ts';
import { PeersError } from './errors.ts';
import type { Ban, PeersEvents } from './events.ts';
import type { PeersMeter } from './internal/peersMeter.ts';
import type { StoreToRead } from './internal/unreadStore.ts';
import type { Log, RoutingTable, StoredPeers } from './ports.ts';

/** The longest delay that timers know. */
const maxTimerMs = 2 ** 31 - 1;

type StoredBan = Omit<Ban, 'peerId'>;

/** What bans need of the service. */
export interface BanningPorts {
  readonly clock: Clock;
  readonly config: ResolvedPeersConfig;
  readonly store: StoreToRead;
  readonly routingTable: RoutingTable | undefined;
  /** Closes everything that there is with a peer. Resolves when it is closed. */
  close(ban: Ban): Promise<void>;
  /** Connections to the peer are closed, as far as they can be. */
  onBanned(ban: Ban): void;
  /** A ban has ended; `wasTold` by `onBanned`. */
  onEnded(ban: Ban, by: PeersEvents['peer:unbanned']['by'], wasTold: boolean): void;
  readonly log: Log;
  readonly meter: Pick<PeersMeter, 'banned'>;
}

/** A ban that holds. */
interface HeldBan {
  readonly ban: Ban;
  /** By the clock's elapsed time, whatever becomes of the wall clock meanwhile. */
  readonly endsAt: number;
  /** Whether somebody was told of it, in this run or the one that wrote it down. */
  isTold: boolean;
}

/** Who is banned, and until when. One timer waits for whichever ends next. */
export class Banning {
  readonly #ports: BanningPorts;
  readonly #bans = new Map<string, HeldBan>();
  /** Peers whose ban the user has ended, as long as that is not written down. */
  readonly #unwritten = new Set<string>();
  #isRunning = false;
  #timer: unknown;
  /** When the timer looks, by the clock's elapsed time; not before then does a ban end. */
  #nextAt = Infinity;

  constructor(ports: BanningPorts) {
    this.#ports = ports;
  }

  /**
   * Takes what was kept; what has run out meanwhile is dropped. What was said since wins. The user's own bans hold, however
   * many; those of a reputation for which `maxBans` leaves no room are dropped. None holds for longer than it was given for,
   * also when the wall clock was set back.
   */
  load(kept: StoredPeers['ban']): void {
    const { clock, config } = this.#ports;
    const now = clock.now();
    const leftOf = ({ since, until }: StoredBan): number => Math.min(until - now, until - since);
    const lasting = [...kept].filter(([peerId, ban]) => {
      if (this.#bans.has(peerId)) return false;
      if (leftOf(ban) <= 0) this.#forget(peerId);
      return leftOf(ban) > 0;
    });
    const hold = (peerId: string, ban: StoredBan): void => {
      this.#hold({ peerId, ...ban }, leftOf(ban)).isTold = true;
    };
    const own = lasting.filter(([, { by }]) => by === 'user');
    for (const [peerId, ban] of own) hold(peerId, ban);
    const others = lasting
      .filter(([, { by }]) => by !== 'user')
      .toSorted(([, a], [, b]) => b.until - a.until);
    const room = Math.max(0, config.maxBans - this.#bans.size);
    for (const [peerId, ban] of others.slice(0, room)) hold(peerId, ban);
    for (const [peerId] of others.slice(room)) this.#forget(peerId);
    this.#look();
  }

  start(): void {
    this.#isRunning = true;
    this.#look();
  }

  stop(): void {
    this.#isRunning = false;
    this.#ports.clock.clearTimeout(this.#timer);
    this.#nextAt = Infinity;
  }

  /** The ban that holds now. */
  of(peerId: string): Ban | undefined {
    const held = this.#bans.get(peerId);
    if (held === undefined) return undefined;
    if (held.endsAt > this.#ports.clock.elapsed()) return held.ban;
    this.#expire(held);
    return undefined;
  }

  /** How many bans hold. */
  get size(): number {
    return this.#bans.size;
  }

  /** The bans that hold now, the one that ends first at the front. */
  list(): Ban[] {
    this.#look();
    const held = [...this.#bans.values()].toSorted((a, b) => a.endsAt - b.endsAt);
    return held.map(({ ban }) => ban);
  }

  /** Whether one more peer can be banned, though it may be at the cost of a ban of a reputation. */
  hasRoomFor(peerId: string): boolean {
    return this.#hasPlaceFor(peerId) || this.#leastBan() !== undefined;
  }

  /**
   * Bans a peer, in place of the ban that there is. Resolves when its connections are closed and the ban is written down.
   * @throws {PeersError} `LIMIT_REACHED`; `STORE_FAILED` or `CLOSE_FAILED`: the ban holds all the same
   */
  async ban(ban: Ban): Promise<void> {
    const { peerId, ...kept } = ban;
    this.#makeRoom(peerId);
    const held = this.#hold(ban, ban.until - ban.since);
    this.#ports.meter.banned();
    if (held.endsAt < this.#nextAt) this.#arm(held.endsAt);
    // Begun before anything is awaited, so that nothing that is asked for later comes first.
    const [closing, writing] = [this.#ports.close(ban), this.#ports.store.put('ban', peerId, kept)];
    void this.#leaveRoutingTable(peerId);
    const [closed, written] = await Promise.allSettled([
      closing.finally(() => {
        if (this.#bans.get(peerId) !== held) return;
        held.isTold = true;
        this.#ports.onBanned(ban);
      }),
      writing,
    ]);
    if (written.status === 'rejected') throw storeFailed(peerId, written.reason);
    if (closed.status === 'rejected') throw closed.reason;
  }

  /**
   * Ends a ban, also one that is not read yet; gives the one that has ended, if there was one here. Its end is written down when
   * `written` resolves.
   */
  lift(peerId: string): { readonly ban?: Ban; readonly written: Promise<void> } {
    const held = this.of(peerId) && this.#bans.get(peerId);
    const mayBeKept = this.#unwritten.has(peerId) || !this.#ports.store.isRead;
    if (held === undefined && !mayBeKept) return { written: Promise.resolve() };
    this.#bans.delete(peerId);
    const written = this.#erase(peerId);
    if (held === undefined) return { written };
    this.#ports.onEnded(held.ban, 'user', held.isTold);
    return { ban: held.ban, written };
  }

  async #erase(peerId: string): Promise<void> {
    this.#unwritten.add(peerId);
    try {
      await this.#ports.store.delete('ban', peerId);
    } catch (error) {
      throw storeFailed(peerId, error);
    }
    this.#unwritten.delete(peerId);
  }

  /** @throws {PeersError} `LIMIT_REACHED` */
  #makeRoom(peerId: string): void {
    if (this.#hasPlaceFor(peerId)) return;
    const least = this.#leastBan();
    if (least === undefined) {
      throw new PeersError('LIMIT_REACHED', { peerId, limit: 'maxBans', value: this.#ports.config.maxBans });
    }
    this.#expire(least, 'room');
  }

  #hasPlaceFor(peerId: string): boolean {
    return this.#bans.size < this.#ports.config.maxBans || this.#bans.has(peerId);
  }

  /** The ban that makes room for another one. */
  #leastBan(): HeldBan | undefined {
    // More than there may be are kept from when there might be more; they make no room for others.
    if (this.#bans.size > this.#ports.config.maxBans) return undefined;
    let least: HeldBan | undefined;
    for (const held of this.#bans.values()) {
      if (held.ban.by === 'reputation' && held.endsAt < (least?.endsAt ?? Infinity)) least = held;
    }
    return least;
  }

  #hold(ban: Ban, leftMs: number): HeldBan {
    const held = { ban, endsAt: this.#ports.clock.elapsed() + leftMs, isTold: false };
    this.#bans.set(ban.peerId, held);
    return held;
  }

  /** Ends what has run out, and waits for what ends next. */
  #look(): void {
    const now = this.#ports.clock.elapsed();
    let next = Infinity;
    for (const held of this.#bans.values()) {
      if (held.endsAt <= now) this.#expire(held);
      else next = Math.min(next, held.endsAt);
    }
    this.#arm(next);
  }

  #arm(at: number): void {
    const { clock } = this.#ports;
    clock.clearTimeout(this.#timer);
    this.#nextAt = Infinity;
    if (!this.#isRunning || at === Infinity) return;
    this.#nextAt = at;
    const delayMs = Math.min(Math.max(1, at - clock.elapsed()), maxTimerMs);
    this.#timer = clock.setTimeout(() => this.#look(), delayMs);
  }

  #expire({ ban, isTold }: HeldBan, by: 'time' | 'room' = 'time'): void {
    this.#bans.delete(ban.peerId);
    this.#forget(ban.peerId);
    this.#ports.onEnded(ban, by, isTold);
  }

  #forget(peerId: string): void {
    this.#ports.store
      .delete('ban', peerId)
      .catch((error: unknown) =>
        this.#ports.log('the end of a ban cannot be written down', error, { peerId }),
      );
  }

  async #leaveRoutingTable(peerId: string): Promise<void> {
    try {
      await this.#ports.routingTable?.remove(peerId);
    } catch (error) {
      this.#ports.log('a banned peer stays in the routing table', error, { peerId });
    }
  }
}

const storeFailed = (peerId: string, error: unknown): PeersError =>
  new PeersError('STORE_FAILED', { peerId, what: 'ban', reason: errorText(error) }, { cause: error });
