import type { Clock } from '@lloom/core';
import type { ResolvedPeersConfig } from './config.ts';
import type { PeersMeter } from './internal/peersMeter.ts';
import { factsText, factWeights, scaleOf, signed } from './internal/reputation.ts';
import { Reputations } from './internal/reputations.ts';
import type { StoreToRead } from './internal/unreadStore.ts';
import type { Log, StoredPeers } from './ports.ts';
import type { FactExplanation, PeerFact } from './types.ts';

/** How many peers are judged; about 300 bytes each. */
const maxPeers = 10_000;
/** An id that is longer is none. */
const maxIdLength = 256;
/** How often what has changed is written, in ms: so much is lost when the process is killed. */
const writeMs = 10_000;
/** How many are made ready to be written at a time: more would be felt. */
const maxTogether = 256;

/** What judging takes. */
export interface StandingPorts {
  readonly clock: Clock;
  readonly config: ResolvedPeersConfig;
  readonly store: StoreToRead;
  /** False of whom the user has banned: it is not judged meanwhile. */
  isJudged(peerId: string): boolean;
  /**
   * Called when a reputation falls below the threshold, and at each further violation while it is below. Synchronous, must
   * not throw. Who is to be banned is not disconnected beside.
   */
  onDisconnect(peerId: string, why: string): void;
  onBan(peerId: string, why: string): void;
  readonly log: Log;
  readonly meter: Pick<PeersMeter, 'noted'>;
}

/**
 * What this node thinks of its peers. Reputations are written every ten seconds and when it stops: a process that is killed
 * forgets so much.
 */
export class Standing {
  readonly #ports: StandingPorts;
  readonly #known: Reputations;
  /** Who has changed since it was written. */
  readonly #changed = new Set<string>();
  /** Whom the store may hold. */
  readonly #written = new Set<string>();
  #writing: Promise<void> | undefined;
  #timer: unknown;
  #isRunning = false;

  constructor(ports: StandingPorts) {
    this.#ports = ports;
    const { disconnectBelow } = ports.config;
    this.#known = new Reputations({ ...scaleOf(ports.config), limit: maxPeers, disconnectBelow });
  }

  /** Takes what was kept, beside what is known already. */
  load(kept: StoredPeers['reputation']): void {
    const nowMs = this.#ports.clock.now();
    for (const [peerId, stored] of kept) {
      this.#written.add(peerId);
      if (!this.#known.take(peerId, stored, nowMs)) this.#changed.add(peerId);
    }
    this.#wake();
  }

  /** Counts a fact, whoever the peer is. */
  report(peerId: string, fact: PeerFact): void {
    if (peerId.length === 0 || peerId.length > maxIdLength || !Object.hasOwn(factWeights, fact)) return;
    if (!this.#ports.isJudged(peerId)) return;
    this.#ports.meter.noted(fact);
    const { before, after, gone } = this.#known.report(peerId, fact, this.#ports.clock.now());
    this.#changed.add(peerId);
    if (gone !== undefined) this.#noteGone(gone);
    this.#wake();
    this.#judge(peerId, { before, after, isHard: factWeights[fact].kind === 'hard' });
  }

  /** From -100 to 100. */
  reputationOf(peerId: string): number {
    return this.#known.get(peerId)?.valueAt(this.#ports.clock.now()) ?? 0;
  }

  /** What made the reputation, the weightiest first. */
  factsOf(peerId: string): FactExplanation[] {
    return this.#known.get(peerId)?.factsAt(this.#ports.clock.now()) ?? [];
  }

  /**
   * Thinks nothing of a peer any more, for good or bad. Resolves when that is written down; rejects when it could not be, and is
   * then written with the next changes.
   */
  async forget(peerId: string): Promise<void> {
    const { store } = this.#ports;
    this.#known.delete(peerId);
    this.#changed.delete(peerId);
    if (store.isRead && !this.#written.has(peerId)) return;
    try {
      await store.delete('reputation', peerId);
      if (this.#known.get(peerId) === undefined) this.#written.delete(peerId);
    } catch (error) {
      this.#changed.add(peerId);
      this.#wake();
      throw error;
    }
  }

  start(): void {
    this.#isRunning = true;
    this.#wake();
  }

  /** Writes what is not written yet, and ends the timer. Never rejects. */
  async stop(): Promise<void> {
    this.#isRunning = false;
    this.#ports.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#writing;
    await this.#write();
  }

  #judge(
    peerId: string,
    { before, after, isHard }: { before: number; after: number; isHard: boolean },
  ): void {
    const { banBelow, disconnectBelow } = this.#ports.config;
    const falls = (threshold: number): boolean => after < threshold && (isHard || before >= threshold);
    const why = (threshold: number): string =>
      `reputation ${signed(after)} is below ${threshold}: ${factsText(this.factsOf(peerId))}`;
    if (falls(banBelow)) this.#ports.onBan(peerId, why(banBelow));
    else if (falls(disconnectBelow)) this.#ports.onDisconnect(peerId, why(disconnectBelow));
  }

  #noteGone(peerId: string): void {
    if (this.#written.has(peerId)) this.#changed.add(peerId);
    else this.#changed.delete(peerId);
  }

  /** Sees to it that time passes and what has changed is written. Without anybody to judge there is no timer. */
  #wake(): void {
    if (!this.#isRunning || this.#timer !== undefined) return;
    if (this.#known.size === 0 && this.#changed.size === 0) return;
    this.#timer = this.#ports.clock.setTimeout(() => {
      this.#timer = undefined;
      for (const peerId of this.#known.sweep(this.#ports.clock.now())) this.#noteGone(peerId);
      void this.#write();
      this.#wake();
    }, writeMs);
  }

  /** Writes everybody who has changed; while that goes on it is not begun again. Never rejects. */
  #write(): Promise<void> {
    if (this.#changed.size > 0) this.#writing ??= this.#writeChanged();
    return this.#writing ?? Promise.resolve();
  }

  async #writeChanged(): Promise<void> {
    let failures = 0;
    let last: unknown;
    const changed = [...this.#changed];
    for (let at = 0; at < changed.length; at += maxTogether) {
      const nowMs = this.#ports.clock.now();
      const writes = changed.slice(at, at + maxTogether).map((peerId) => this.#writeOne(peerId, nowMs));
      for (const failure of await Promise.all(writes)) {
        if (failure === undefined) continue;
        failures++;
        last = failure.error;
      }
    }
    this.#writing = undefined;
    if (failures > 0) this.#ports.log('could not write reputations', last, { failures });
  }

  /** Gives why it failed; whoever is not written stays changed. */
  async #writeOne(peerId: string, nowMs: number): Promise<{ readonly error: unknown } | undefined> {
    const { store } = this.#ports;
    if (!this.#changed.delete(peerId)) return undefined;
    const facts = this.#known.get(peerId)?.factsAt(nowMs);
    try {
      if (facts === undefined) {
        await store.delete('reputation', peerId);
        if (this.#known.get(peerId) === undefined) this.#written.delete(peerId);
      } else {
        this.#written.add(peerId);
        await store.put('reputation', peerId, { at: nowMs, facts });
      }
      return undefined;
    } catch (error) {
      this.#changed.add(peerId);
      return { error };
    }
  }
}
