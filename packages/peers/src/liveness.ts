import { errorText, safe, type Clock } from '@lloom/core';

import type { ResolvedPeersConfig } from './config.ts';
import type { CloseCause } from './events.ts';
import type { Log, NetworkConnection } from './ports.ts';

/** How often the service looks: so many times in an interval, but at least once a second. */
const stepsPerInterval = 16;
const maxStepMs = 1_000;
/** How many pings begin in one step at most; more only when half an interval would not be enough for all. */
const maxPingsPerStep = 32;
/** Multiples of it, without what is before the point, are spread evenly, however many there are. */
const goldenRatio = (Math.sqrt(5) - 1) / 2;

/** What {@link Liveness} needs. */
export interface LivenessPorts {
  readonly clock: Clock;
  readonly config: ResolvedPeersConfig;
  /** The open connections. */
  connections(): Iterable<NetworkConnection>;
  /** The peer has not answered `maxMissedPings` pings in a row; the callee closes the connection with this cause. */
  onDead(connection: NetworkConnection, cause: CloseCause): void;
  readonly log: Log;
}

interface RunningPing {
  readonly ending: AbortController;
  /** By the clock's elapsed time. */
  deadline: number;
  /** Whether this program itself may be to blame when no answer comes. */
  isExcused: boolean;
}

interface Watched {
  readonly connection: NetworkConnection;
  /** In which round it was last seen open. */
  round: number;
  /** When the next ping is due, by the clock's elapsed time. */
  dueAt: number;
  /** When the peer was last known to live, by the clock's elapsed time. */
  answeredAt: number;
  /** Pings in a row without an answer. */
  misses: number;
  ping: RunningPing | undefined;
}

/**
 * Finds connections whose peer does not answer any more. Each one is pinged at intervals; it is dead after several misses
 * in a row, so that a peer whose program computes for a while lives. No answer counts for nothing when this program itself
 * was stuck meanwhile. At most one ping is under way on each connection.
 */
export class Liveness {
  readonly #ports: LivenessPorts;
  readonly #stepMs: number;
  /** By the id of the connection. */
  readonly #watched = new Map<string, Watched>();
  #timer: unknown;
  /** When the next step is due, by the clock's elapsed time. */
  #stepAt = 0;
  #round = 0;
  /** How many connections were ever met: spreads their pings. */
  #met = 0;

  constructor(ports: LivenessPorts) {
    this.#ports = ports;
    this.#stepMs = Math.min(Math.ceil(ports.config.pingIntervalMs / stepsPerInterval), maxStepMs);
  }

  /** Pings from now on, if the configuration says so. */
  start(): void {
    if (this.#timer === undefined && this.#ports.config.pingIntervalMs > 0) this.#arm();
  }

  /** Ends that, and the pings that are under way. */
  stop(): void {
    this.#ports.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    const all = [...this.#watched.values()];
    this.#watched.clear();
    for (const { ping } of all) ping?.ending.abort();
  }

  #arm(): void {
    const { clock } = this.#ports;
    this.#stepAt = clock.elapsed() + this.#stepMs;
    this.#timer = clock.setTimeout(
      safe(() => this.#step(), this.#onError),
      this.#stepMs,
    );
  }

  #step(): void {
    const { clock, config } = this.#ports;
    const now = clock.elapsed();
    const wasStuck = now - this.#stepAt > config.pingTimeoutMs / 2;
    this.#arm();
    // Answers may have come, and not have been read.
    if (wasStuck) this.#excuse(now);
    this.#meet(now);
    this.#endOverdue(now);
    this.#pingDue(now);
  }

  #excuse(now: number): void {
    for (const { ping } of this.#watched.values()) {
      if (ping === undefined) continue;
      ping.isExcused = true;
      ping.deadline = now + this.#ports.config.pingTimeoutMs;
    }
  }

  /** Takes on the connections that are new, and forgets those that are gone. */
  #meet(now: number): void {
    this.#round += 1;
    for (const connection of this.#ports.connections()) {
      if (!connection.isOpen) continue;
      const known = this.#watched.get(connection.id);
      if (known === undefined) this.#watched.set(connection.id, this.#newcomer(connection, now));
      else known.round = this.#round;
    }
    for (const [id, { round, ping }] of this.#watched) {
      if (round === this.#round) continue;
      this.#watched.delete(id);
      ping?.ending.abort();
    }
  }

  #newcomer(connection: NetworkConnection, now: number): Watched {
    this.#met += 1;
    const share = (this.#met * goldenRatio) % 1;
    return {
      connection,
      round: this.#round,
      dueAt: now + share * this.#ports.config.pingIntervalMs,
      answeredAt: now,
      misses: 0,
      ping: undefined,
    };
  }

  #endOverdue(now: number): void {
    const { pingTimeoutMs } = this.#ports.config;
    for (const watched of this.#watched.values()) {
      const { ping } = watched;
      if (ping === undefined || now < ping.deadline) continue;
      this.#fail(watched, ping, new Error(`no answer within ${pingTimeoutMs} ms`));
      ping.ending.abort();
    }
  }

  #pingDue(now: number): void {
    const { pingIntervalMs, pingTimeoutMs } = this.#ports.config;
    const share = Math.ceil(this.#watched.size / (stepsPerInterval / 2));
    let left = Math.max(maxPingsPerStep, share);
    for (const watched of this.#watched.values()) {
      if (now < watched.dueAt || watched.ping !== undefined) continue;
      if (left === 0) return;
      left -= 1;
      watched.dueAt = Math.max(watched.dueAt, now - this.#stepMs) + pingIntervalMs;
      const ping = { ending: new AbortController(), deadline: now + pingTimeoutMs, isExcused: false };
      watched.ping = ping;
      void this.#run(watched, ping);
    }
  }

  async #run(watched: Watched, ping: RunningPing): Promise<void> {
    try {
      await watched.connection.ping(ping.ending.signal);
      if (watched.ping !== ping) return;
      watched.ping = undefined;
      watched.misses = 0;
      watched.answeredAt = this.#ports.clock.elapsed();
    } catch (error) {
      this.#fail(watched, ping, error);
    }
  }

  #fail(watched: Watched, ping: RunningPing, error: unknown): void {
    const { connection } = watched;
    // It may have been counted already when its time was over, or the service has stopped.
    if (watched.ping !== ping || this.#watched.get(connection.id) !== watched) return;
    watched.ping = undefined;
    if (ping.isExcused || !connection.isOpen) return;
    watched.misses += 1;
    if (watched.misses < this.#ports.config.maxMissedPings) return;
    const silentMs = Math.round(this.#ports.clock.elapsed() - watched.answeredAt);
    const message = `${watched.misses} pings in a row failed, nothing was heard for ${silentMs} ms: ${errorText(error)}`;
    // If closing fails, the same number of misses leads here again.
    watched.misses = 0;
    safe(() => this.#ports.onDead(connection, { code: 'TIMEOUT', message }), this.#onError)();
  }

  readonly #onError = (error: unknown): void => this.#ports.log('looking after connections failed', error);
}
