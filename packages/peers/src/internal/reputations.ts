import type { StoredReputation } from '../ports.ts';
import type { PeerFact } from '../types.ts';
import { Reputation, type ReputationScale } from './reputation.ts';

/** How many are compared when one has to go. */
const sampleSize = 16;

/** What reputations are kept with. */
export interface ReputationsConfig extends ReputationScale {
  /** How many peers there are at most. */
  readonly limit: number;
  /** Who is below it goes last. */
  readonly disconnectBelow: number;
}

/**
 * Reputations of a bounded number of peers. When there are too many, the least telling of a few goes, and never one that is
 * low while there are others: strangers in masses do not wash a bad name away.
 */
export class Reputations {
  readonly #config: ReputationsConfig;
  readonly #low = new Pool();
  readonly #others = new Pool();

  constructor(config: ReputationsConfig) {
    this.#config = config;
  }

  get size(): number {
    return this.#low.size + this.#others.size;
  }

  get(peerId: string): Reputation | undefined {
    return this.#others.get(peerId) ?? this.#low.get(peerId);
  }

  /** Counts a fact. Gives the values before and after it, and who had to go for it. */
  report(peerId: string, fact: PeerFact, nowMs: number): { before: number; after: number; gone?: string } {
    const known = this.get(peerId);
    const gone = known === undefined ? this.#makeRoom(nowMs) : undefined;
    const reputation = known ?? new Reputation(this.#config, nowMs);
    const before = reputation.valueAt(nowMs);
    reputation.report(fact, nowMs);
    const after = this.#place(peerId, reputation, nowMs);
    return gone === undefined ? { before, after } : { before, after, gone };
  }

  /** Takes one as it was kept, unless there is one. False when nothing is left of it, or there is no room. */
  take(peerId: string, kept: StoredReputation, nowMs: number): boolean {
    if (this.get(peerId) !== undefined) return true;
    const reputation = Reputation.from(kept, this.#config, nowMs);
    if (this.size >= this.#config.limit || reputation.isForgottenAt(nowMs)) return false;
    this.#place(peerId, reputation, nowMs);
    return true;
  }

  delete(peerId: string): void {
    this.#low.delete(peerId);
    this.#others.delete(peerId);
  }

  /** Lets time pass for all; gives those of which nothing is left, who are gone. */
  sweep(nowMs: number): string[] {
    const gone: string[] = [];
    for (const pool of [this.#others, this.#low]) {
      for (const [peerId, reputation] of pool.entries()) {
        reputation.fade(nowMs);
        if (!reputation.isForgottenAt(nowMs)) continue;
        pool.delete(peerId);
        gone.push(peerId);
      }
    }
    for (const [peerId, reputation] of this.#low.entries()) this.#place(peerId, reputation, nowMs);
    return gone;
  }

  /** Puts it where it belongs; gives its value. */
  #place(peerId: string, reputation: Reputation, nowMs: number): number {
    const value = reputation.valueAt(nowMs);
    const isLow = value < this.#config.disconnectBelow;
    (isLow ? this.#others : this.#low).delete(peerId);
    (isLow ? this.#low : this.#others).set(peerId, reputation);
    return value;
  }

  #makeRoom(nowMs: number): string | undefined {
    if (this.size < this.#config.limit) return undefined;
    const pool = this.#others.size > 0 ? this.#others : this.#low;
    const gone = pool.leastOf(sampleSize, nowMs);
    if (gone !== undefined) pool.delete(gone);
    return gone;
  }
}

/** Reputations by peer, and a hand that goes round among them. */
class Pool {
  readonly #entries = new Map<string, Reputation>();
  #hand = this.#entries.entries();

  get size(): number {
    return this.#entries.size;
  }

  get(peerId: string): Reputation | undefined {
    return this.#entries.get(peerId);
  }

  set(peerId: string, reputation: Reputation): void {
    this.#entries.set(peerId, reputation);
  }

  delete(peerId: string): void {
    this.#entries.delete(peerId);
  }

  entries(): MapIterator<[string, Reputation]> {
    return this.#entries.entries();
  }

  /** The one closest to 0 among the next few. */
  leastOf(count: number, nowMs: number): string | undefined {
    let least: { readonly peerId: string; readonly weight: number } | undefined;
    for (let left = Math.min(count, this.#entries.size); left > 0; left--) {
      const next = this.#next();
      if (next === undefined) break;
      const weight = Math.abs(next[1].valueAt(nowMs));
      if (least === undefined || weight < least.weight) least = { peerId: next[0], weight };
    }
    return least?.peerId;
  }

  /** Walks on, from the beginning again after the last. What was added meanwhile is met too. */
  #next(): [string, Reputation] | undefined {
    const { value } = this.#hand.next();
    if (value !== undefined) return value;
    this.#hand = this.#entries.entries();
    return this.#hand.next().value;
  }
}
