import { errorText, type Clock } from '@lloom/core';

import type { ResolvedPeersConfig } from './config.ts';
import { PeersError } from './errors.ts';
import type { Ban } from './events.ts';
import type { PeersStore, RoutingTable, StoredPeers } from './ports.ts';

/** The longest delay that timers know. */
const maxTimerMs = 2 ** 31 - 1;

/** What bans need of the service. */
export interface BanningPorts {
  readonly clock: Clock;
  readonly config: ResolvedPeersConfig;
  readonly store: PeersStore;
  readonly routingTable: RoutingTable | undefined;
  /** Closes everything that there is with a peer. Resolves when it is closed. */
  close(ban: Ban): Promise<void>;
  /** Connections to the peer are closed, as far as they can be. */
  onBanned(ban: Ban): void;
  /** A ban has ended. */
  onEnded(peerId: string, by: 'user' | 'time'): void;
  log(message: string, error: unknown): void;
}

/** Who is banned, and until when. One timer waits for whichever ends next. */
export class Banning {
  readonly #ports: BanningPorts;
  readonly #bans = new Map<string, Ban>();
  #isRunning = false;
  #timer: unknown;
  /** When the timer looks, in ms since 1970; not before then does a ban end. */
  #nextAt = Infinity;

  constructor(ports: BanningPorts) {
    this.#ports = ports;
  }

  /** Takes what was kept; what has run out meanwhile is dropped. What was said since wins. */
  load(kept: StoredPeers['ban']): void {
    const { clock, config } = this.#ports;
    const now = clock.now();
    const lasting = [...kept].filter(([peerId, { until }]) => {
      if (until <= now) this.#forget(peerId);
      return until > now && !this.#bans.has(peerId);
    });
    const ranked = lasting.toSorted(
      ([, a], [, b]) => Number(a.by === 'reputation') - Number(b.by === 'reputation') || b.until - a.until,
    );
    const room = Math.max(0, config.maxBans - this.#bans.size);
    for (const [peerId, ban] of ranked.slice(0, room)) this.#bans.set(peerId, { peerId, ...ban });
    for (const [peerId] of ranked.slice(room)) this.#forget(peerId);
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
    const ban = this.#bans.get(peerId);
    if (ban === undefined || ban.until > this.#ports.clock.now()) return ban;
    this.#expire(peerId);
    return undefined;
  }

  /** The bans that hold now, the one that ends first at the front. */
  list(): Ban[] {
    this.#look();
    return [...this.#bans.values()].toSorted((a, b) => a.until - b.until);
  }

  /**
   * Bans a peer, in place of the ban that there is. Resolves when its connections are closed and the ban is written down.
   * @throws {PeersError} `LIMIT_REACHED`; `STORE_FAILED` or `CLOSE_FAILED`: the ban holds all the same
   */
  async ban(ban: Ban): Promise<void> {
    const { peerId, ...kept } = ban;
    this.#makeRoom(peerId);
    this.#bans.set(peerId, ban);
    if (ban.until < this.#nextAt) this.#arm(ban.until);
    // Begun before anything is awaited, so that nothing that is asked for later comes first.
    const [closing, writing] = [this.#ports.close(ban), this.#ports.store.put('ban', peerId, kept)];
    void this.#leaveRoutingTable(peerId);
    const [closed, written] = await Promise.allSettled([
      closing.finally(() => {
        if (this.#bans.get(peerId) === ban) this.#ports.onBanned(ban);
      }),
      writing,
    ]);
    if (written.status === 'rejected') throw storeFailed(peerId, written.reason);
    if (closed.status === 'rejected') throw closed.reason;
  }

  /**
   * Ends a ban; gives the one that has ended. Its end is written down when `written` resolves.
   */
  lift(peerId: string): { readonly ban: Ban; readonly written: Promise<void> } | undefined {
    const ban = this.of(peerId);
    if (ban === undefined) return undefined;
    this.#bans.delete(peerId);
    const written = this.#ports.store.delete('ban', peerId).catch((error: unknown) => {
      throw storeFailed(peerId, error);
    });
    this.#ports.onEnded(peerId, 'user');
    return { ban, written };
  }

  /** @throws {PeersError} `LIMIT_REACHED` */
  #makeRoom(peerId: string): void {
    const { maxBans } = this.#ports.config;
    if (this.#bans.size < maxBans || this.#bans.has(peerId)) return;
    let first: Ban | undefined;
    for (const ban of this.#bans.values()) {
      if (ban.by === 'reputation' && ban.until < (first?.until ?? Infinity)) first = ban;
    }
    if (first === undefined) {
      throw new PeersError('LIMIT_REACHED', { peerId, limit: 'maxBans', value: maxBans });
    }
    this.#expire(first.peerId);
  }

  /** Ends what has run out, and waits for what ends next. */
  #look(): void {
    const now = this.#ports.clock.now();
    let next = Infinity;
    for (const [peerId, { until }] of this.#bans) {
      if (until <= now) this.#expire(peerId);
      else next = Math.min(next, until);
    }
    this.#arm(next);
  }

  #arm(at: number): void {
    const { clock } = this.#ports;
    clock.clearTimeout(this.#timer);
    this.#nextAt = Infinity;
    if (!this.#isRunning || at === Infinity) return;
    this.#nextAt = at;
    const delayMs = Math.min(Math.max(1, at - clock.now()), maxTimerMs);
    this.#timer = clock.setTimeout(() => this.#look(), delayMs);
  }

  #expire(peerId: string): void {
    this.#bans.delete(peerId);
    this.#forget(peerId);
    this.#ports.onEnded(peerId, 'time');
  }

  #forget(peerId: string): void {
    this.#ports.store
      .delete('ban', peerId)
      .catch((error: unknown) => this.#ports.log('the end of a ban cannot be written down', error));
  }

  async #leaveRoutingTable(peerId: string): Promise<void> {
    try {
      await this.#ports.routingTable?.remove(peerId);
    } catch (error) {
      this.#ports.log('a banned peer stays in the routing table', error);
    }
  }
}

const storeFailed = (peerId: string, error: unknown): PeersError =>
  new PeersError('STORE_FAILED', { peerId, what: 'ban', reason: errorText(error) }, { cause: error });
