import type { StoredReputation } from '../ports.ts';
import type { FactExplanation, PeerFact } from '../types.ts';

/** How a fact counts. */
export interface FactWeight {
  /** What one report adds. */
  readonly points: number;
  /**
   * What all facts of a kind come to at most.
   *
   * - `good`: 30, so that good service never buys many violations
   * - `soft`: -15, so that failures alone never disconnect: who is overloaded is chosen less, not banned
   * - `hard`: -100
   */
  readonly kind: 'good' | 'soft' | 'hard';
  /** Why it counts so much. */
  readonly why: string;
}

/** What each fact does to a reputation. */
export const factWeights: Readonly<Record<PeerFact, FactWeight>> = Object.freeze({
  SERVED: { points: 1, kind: 'good', why: 'good service earns trust slowly' },
  REQUEST_FAILED: { points: -2, kind: 'soft', why: 'whoever is busy or restarts fails too' },
  UNREACHABLE: { points: -2, kind: 'soft', why: 'the network between may be at fault' },
  INVALID_ANSWER: { points: -20, kind: 'hard', why: 'no honest executor signs an answer wrongly' },
  INVALID_REQUEST: {
    points: -5,
    kind: 'hard',
    why: 'costs a signature check; a wrong setting looks the same',
  },
  INVALID_MESSAGE: { points: -10, kind: 'hard', why: 'no honest peer hands over what is invalid by itself' },
  INVALID_DESCRIPTOR: { points: -10, kind: 'hard', why: 'it lies about itself, or signs wrongly' },
  FLOOD: { points: -5, kind: 'hard', why: 'a burst happens, a habit is an attack' },
  PROTOCOL_VIOLATION: { points: -20, kind: 'hard', why: 'no program that knows the protocol does it' },
});

/** What is below it, is forgotten. */
export const leastPoints = 0.05;
const maxGood = 30;
const minSoft = -15;
const minHard = -100;
/** The ends of the scale. */
const bound = 100;

/** How reputations fade, and where failures alone end. */
export interface ReputationScale {
  readonly halfLifeMs: number;
  /** From 0 to -15. */
  readonly minSoft: number;
}

/** What all facts of a kind may come to under these thresholds: failures never lead below one. */
export function scaleOf(config: {
  readonly reputationHalfLifeMs: number;
  readonly disconnectBelow: number;
  readonly banBelow: number;
}): ReputationScale {
  const { reputationHalfLifeMs, disconnectBelow, banBelow } = config;
  return { halfLifeMs: reputationHalfLifeMs, minSoft: Math.max(minSoft, disconnectBelow, banBelow) };
}

interface FactState {
  count: number;
  points: number;
  lastAt: number;
}

/** What is held of one peer. */
export class Reputation {
  readonly #scale: ReputationScale;
  readonly #facts = new Map<PeerFact, FactState>();
  /** When the points held, in ms since 1970. */
  #at: number;
  /** What they came to then. */
  #value = 0;

  constructor(scale: ReputationScale, nowMs: number) {
    this.#scale = scale;
    this.#at = nowMs;
  }

  /** One as it was kept, within today's bounds. A time that is yet to come counts as now. */
  static from(kept: StoredReputation, scale: ReputationScale, nowMs: number): Reputation {
    const reputation = new Reputation(scale, Math.min(kept.at, nowMs));
    for (const { fact, count, points, lastAt } of kept.facts)
      reputation.#add({ fact, points, count, lastAt });
    reputation.fade(nowMs);
    return reputation;
  }

  /** Counts a fact. */
  report(fact: PeerFact, nowMs: number): void {
    this.fade(nowMs);
    this.#add({ fact, points: factWeights[fact].points, count: 1, lastAt: nowMs });
  }

  /** From -100 to 100, as it is now. */
  valueAt(nowMs: number): number {
    return this.#value * this.#fadingAt(nowMs) || 0;
  }

  /** What it is made of now, the weightiest first. */
  factsAt(nowMs: number): FactExplanation[] {
    const fading = this.#fadingAt(nowMs);
    const facts = [...this.#facts].map(([fact, { count, points, lastAt }]) => {
      const left = points * fading || 0;
      return { fact, count, points: left, lastAt };
    });
    return facts.toSorted((a, b) => Math.abs(b.points) - Math.abs(a.points));
  }

  /** Whether nothing is left of it. */
  isForgottenAt(nowMs: number): boolean {
    const fading = this.#fadingAt(nowMs);
    for (const { points } of this.#facts.values()) if (Math.abs(points * fading) >= leastPoints) return false;
    return true;
  }

  /** Lets the time until now pass. A clock that was set back makes nothing grow, and fading goes on from there. */
  fade(nowMs: number): void {
    const fading = this.#fadingAt(nowMs);
    this.#at = nowMs;
    if (fading === 1) return;
    for (const state of this.#facts.values()) state.points *= fading;
    this.#value *= fading;
  }

  #fadingAt(nowMs: number): number {
    return nowMs <= this.#at ? 1 : 2 ** ((this.#at - nowMs) / this.#scale.halfLifeMs);
  }

  /** Adds points as far as the bound of their kind leaves room. */
  #add({ fact, points, count, lastAt }: FactExplanation): void {
    const { kind } = factWeights[fact];
    const sum = this.#sumOf(kind);
    const room = this.#boundOf(kind) - sum;
    const added = kind === 'good' ? between(points, 0, room) : between(points, room, 0);
    const state = this.#facts.get(fact) ?? { count: 0, points: 0, lastAt };
    this.#facts.set(fact, state);
    state.count = Math.min(state.count + count, Number.MAX_SAFE_INTEGER);
    state.points += added;
    state.lastAt = lastAt;
    const total = this.#sumOf('good') + this.#sumOf('soft') + this.#sumOf('hard');
    this.#value = between(total, -bound, bound);
  }

  #boundOf(kind: FactWeight['kind']): number {
    if (kind === 'good') return maxGood;
    return kind === 'soft' ? this.#scale.minSoft : minHard;
  }

  /** Never beyond its bound, which adding up might miss by a rounding. */
  #sumOf(kind: FactWeight['kind']): number {
    let sum = 0;
    for (const [fact, { points }] of this.#facts) if (factWeights[fact].kind === kind) sum += points;
    const end = this.#boundOf(kind);
    return kind === 'good' ? Math.min(sum, end) : Math.max(sum, end);
  }
}

/** The number in an interval that is next to a value; 0 where the interval is empty. */
function between(value: number, from: number, to: number): number {
  return from > to ? 0 : Math.max(from, Math.min(to, value));
}

/** What made a reputation, in a few words. */
export function factsText(facts: readonly FactExplanation[]): string {
  const told = facts.filter(({ points }) => Math.abs(points) >= leastPoints);
  return told.map(({ fact, count, points }) => `${fact} ${count}x (${signed(points)})`).join(', ');
}

/** With its sign and one digit at most. */
export function signed(points: number): string {
  const rounded = Math.round(points * 10) / 10 || 0;
  return rounded > 0 ? `+${rounded}` : String(rounded);
}
