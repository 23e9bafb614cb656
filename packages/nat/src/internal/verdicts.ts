import type { NatExplanation } from '../types.ts';
import { maxCandidates } from './candidates.ts';

type Explained = NatExplanation['candidates'][number];

interface Entry {
  verdict: Explained['verdict'];
  triedBy?: string;
  /** In ms since 1970. */
  triedAt?: number;
  /** Since when others are told of it, by the clock's elapsed time. */
  verifiedAt?: number;
}

/** Who tried an address, and when. */
export interface Trial {
  readonly by: string;
  /** In ms since 1970. */
  readonly now: number;
  /** By the clock that never goes back. */
  readonly elapsed: number;
}

/**
 * What is known of each address that may be this node's. They are tried in rounds: each once, one at a time, as those who are
 * asked dial one only.
 */
export class Verdicts {
  readonly #entries = new Map<string, Entry>();
  /** What is still to be tried in this round. */
  #pending: string[] = [];
  #reached: string[] = [];
  #failed: string[] = [];

  /** The addresses that others are told of. */
  get verified(): string[] {
    return this.#select(({ verifiedAt }) => verifiedAt !== undefined);
  }

  /** Whether every address had its turn in this round. */
  get isRoundOver(): boolean {
    return this.#pending.length === 0;
  }

  /** The addresses that were reached in this round. */
  get reached(): readonly string[] {
    return this.#reached;
  }

  /** The addresses that were not reached in this round. */
  get failed(): readonly string[] {
    return this.#failed;
  }

  /**
   * Takes what may be the addresses now. What was verified stays until it fails; all else that is gone is forgotten.
   * @returns whether one of them is new
   */
  setCandidates(addresses: readonly string[]): boolean {
    const current = new Set(addresses);
    for (const [address, { verifiedAt }] of this.#entries) {
      if (verifiedAt === undefined && !current.has(address)) this.forget(address);
    }
    const fresh = addresses.filter((address) => !this.#entries.has(address));
    for (const address of fresh) this.#entries.set(address, { verdict: 'untested' });
    // A round that is under way takes them along.
    if (!this.isRoundOver) this.#pending.unshift(...fresh);
    return fresh.length > 0;
  }

  /** The addresses to ask for, in order; a new round begins when the last one is over. What was never tried comes first. */
  next(): string[] {
    if (this.isRoundOver) {
      const untested = this.#select(({ verdict }) => verdict === 'untested');
      this.#pending = [...new Set([...untested, ...this.verified, ...this.#entries.keys()])];
      [this.#reached, this.#failed] = [[], []];
    }
    return this.#pending.slice(0, maxCandidates);
  }

  /** Whether an address was reached when it was tried last, and others are told of it. */
  isGood(address: string): boolean {
    const entry = this.#entries.get(address);
    return entry?.verifiedAt !== undefined && entry.verdict === 'reachable';
  }

  /** Somebody got through. */
  reach(address: string, { by, now, elapsed }: Trial): void {
    this.pass([address]);
    this.#reached.push(address);
    this.#entries.set(address, { verdict: 'reachable', triedBy: by, triedAt: now, verifiedAt: elapsed });
  }

  /** Somebody did not get through. */
  fail(address: string, { by, now }: Trial): void {
    this.pass([address]);
    this.#failed.push(address);
    const verifiedAt = this.#entries.get(address)?.verifiedAt;
    const kept = verifiedAt !== undefined && { verifiedAt };
    this.#entries.set(address, { verdict: 'unreachable', triedBy: by, triedAt: now, ...kept });
  }

  /** Somebody could not, or would not, try them: they have to wait for the next round. */
  pass(addresses: readonly string[]): void {
    this.#pending = this.#pending.filter((address) => !addresses.includes(address));
  }

  /** Others are not told of it any more. */
  withdraw(address: string): void {
    const entry = this.#entries.get(address);
    if (entry !== undefined) delete entry.verifiedAt;
  }

  forget(address: string): void {
    this.#entries.delete(address);
    this.pass([address]);
  }

  /** The addresses that were verified before a time, by the clock's elapsed time, and not since. */
  verifiedBefore(elapsed: number): string[] {
    return this.#select(({ verifiedAt }) => verifiedAt !== undefined && verifiedAt < elapsed);
  }

  explain(): Explained[] {
    return Array.from(this.#entries, ([address, { verifiedAt: _, ...rest }]) => ({ address, ...rest }));
  }

  #select(isWanted: (entry: Entry) => boolean): string[] {
    return [...this.#entries].filter(([, entry]) => isWanted(entry)).map(([address]) => address);
  }
}
