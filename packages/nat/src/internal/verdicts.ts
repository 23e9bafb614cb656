import type { NatExplanation } from '../types.ts';
import { Ballot, type Candidate, type Moment, type Outcome } from './ballot.ts';
import type { AddressServer, ReachabilityAnswer } from './reachabilityNetwork.ts';

type Explained = NatExplanation['candidates'][number];

/** What was said so long ago counts no more, and what was verified then is not told any more, in ms. */
const wordsForMs = 600_000;

interface Entry {
  readonly ballot: Ballot;
  verdict: Explained['verdict'];
  triedBy?: string;
  /** In ms since 1970. */
  triedAt?: number;
  /** Since when others are told of it, by the clock's elapsed time. */
  verifiedAt?: number;
}

/** An address to be tried next, and who may be asked to. */
export interface Turn {
  readonly address: string;
  readonly ballot: Ballot;
  /** How many should be asked at once. */
  readonly count: number;
  readonly servers: readonly AddressServer[];
}

/** What a round makes of all addresses. */
export interface Round {
  /** Addresses that were reached, in the order in which that became clear. */
  readonly reached: readonly string[];
  readonly failed: readonly string[];
  /** Whether somebody got through to an address that was not found to be reached. */
  readonly isDisputed: boolean;
}

/**
 * What is known of each address that may be this node's. They are tried in rounds, one after the other: each until what was
 * said of it makes a verdict.
 */
export class Verdicts {
  readonly #entries = new Map<string, Entry>();
  /** What is still to be tried in this round. */
  #pending: string[] = [];
  #round = { reached: [] as string[], failed: [] as string[], isDisputed: false };
  /** What the candidates are, the likeliest first. */
  #order: readonly string[] = [];

  /** The addresses that others are told of. */
  get verified(): string[] {
    return this.#select(({ verifiedAt }) => verifiedAt !== undefined);
  }

  /** Whether every address had its turn in this round. */
  get isRoundOver(): boolean {
    return this.#pending.length === 0;
  }

  /** The round under way, or the last one. */
  get round(): Round {
    return this.#round;
  }

  /**
   * Takes what may be the addresses now. What was verified stays until it fails; all else that is gone is forgotten.
   * @returns whether one of them is new
   */
  setCandidates(candidates: readonly Candidate[]): boolean {
    this.#order = candidates.map(({ address }) => address);
    for (const [address, { verifiedAt }] of this.#entries) {
      if (verifiedAt === undefined && !this.#order.includes(address)) this.forget(address);
    }
    const fresh: string[] = [];
    for (const candidate of candidates) {
      const entry = this.#entries.get(candidate.address);
      entry?.ballot.update(candidate);
      if (entry !== undefined) continue;
      fresh.push(candidate.address);
      this.#entries.set(candidate.address, { ballot: new Ballot(candidate), verdict: 'untested' });
    }
    // A round that is under way takes them along.
    if (!this.isRoundOver) this.#pending.unshift(...fresh);
    return fresh.length > 0;
  }

  /**
   * What is to be tried next; a new round begins when the last one is over. What was never tried comes first, then what others
   * are told of, and else the likeliest.
   */
  next(servers: readonly AddressServer[]): Turn | undefined {
    if (this.isRoundOver) this.#begin();
    const [address] = this.#pending;
    const entry = address === undefined ? undefined : this.#entries.get(address);
    if (address === undefined || entry === undefined) return undefined;
    const { ballot } = entry;
    // What was reached last needs one word, all else two.
    const count = this.isGood(address) && !ballot.isTried ? 1 : 2;
    return { address, ballot, count, servers: ballot.left(servers) };
  }

  /** Whether an address was reached when it was tried last, and others are told of it. */
  isGood(address: string): boolean {
    const entry = this.#entries.get(address);
    return entry?.verifiedAt !== undefined && entry.verdict === 'reachable';
  }

  /** Whether a peer can say whose address it is that others are told of. */
  wants(server: AddressServer): boolean {
    return this.verified.some((address) => this.#entries.get(address)?.ballot.wants(server));
  }

  /**
   * Takes what came of a question.
   * @returns whether the address must not be told any more: it rested on others' word alone
   */
  hear(
    address: string,
    { server, kind }: { readonly server: AddressServer; readonly kind: ReachabilityAnswer['kind'] },
    moment: Moment,
  ): boolean {
    const entry = this.#entries.get(address);
    if (entry === undefined) return false;
    entry.ballot.hear(server, kind, moment);
    return kind === 'unreachable' && entry.verifiedAt !== undefined && entry.ballot.wants(server);
  }

  /**
   * Takes the addresses out of the round of which enough was said.
   * @returns those that were reached
   */
  settle(servers: readonly AddressServer[], { elapsed }: Moment): string[] {
    const reached: string[] = [];
    for (const address of this.#pending) {
      const entry = this.#entries.get(address);
      const outcome = entry?.ballot.outcome(servers);
      if (entry === undefined || outcome === undefined) continue;
      this.#pending = this.#pending.filter((each) => each !== address);
      this.#take(address, entry, outcome);
      if (outcome !== 'reached') continue;
      entry.verifiedAt = elapsed;
      reached.push(address);
    }
    return reached;
  }

  /** Whether more is to be said of an address in this round. */
  isPending(address: string): boolean {
    return this.#pending.includes(address);
  }

  /** Others are not told of it any more. */
  withdraw(address: string): void {
    const entry = this.#entries.get(address);
    if (entry !== undefined) delete entry.verifiedAt;
  }

  forget(address: string): void {
    this.#entries.delete(address);
    this.#pending = this.#pending.filter((each) => each !== address);
  }

  /**
   * Forgets what was said too long ago.
   * @returns the addresses that were not verified since
   */
  expire(elapsed: number): string[] {
    const before = elapsed - wordsForMs;
    for (const { ballot } of this.#entries.values()) ballot.expire(before);
    return this.#select(({ verifiedAt }) => verifiedAt !== undefined && verifiedAt < before);
  }

  explain(): Explained[] {
    return Array.from(this.#entries, ([address, { verifiedAt: _, ballot: __, ...rest }]) => ({
      address,
      ...rest,
    }));
  }

  #begin(): void {
    const ordered = this.#order.filter((address) => this.#entries.has(address));
    const untested = ordered.filter((address) => this.#entries.get(address)?.verdict === 'untested');
    this.#pending = [...new Set([...untested, ...this.verified, ...ordered, ...this.#entries.keys()])];
    this.#round = { reached: [], failed: [], isDisputed: false };
    for (const { ballot } of this.#entries.values()) ballot.begin();
  }

  #take(address: string, entry: Entry, outcome: Outcome): void {
    const { ballot } = entry;
    ballot.end(outcome);
    if (outcome === 'passed') {
      this.#round.isDisputed ||= ballot.isTried;
      return;
    }
    const isReached = outcome === 'reached';
    this.#round[outcome].push(address);
    entry.verdict = isReached ? 'reachable' : 'unreachable';
    Object.assign(entry, ballot.witness(isReached));
  }

  #select(isWanted: (entry: Entry) => boolean): string[] {
    return [...this.#entries].filter(([, entry]) => isWanted(entry)).map(([address]) => address);
  }
}
