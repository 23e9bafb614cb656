import { RecentMap, type Clock } from '@lloom/core';

/** Who takes so many times as long as it usually does is silent. */
const usualTimes = 3;
/** But not before so long, in ms: one slow answer says little. */
const leastMs = 1_000;
/** The same of a peer that has not answered yet, in ms: models think for long. */
const strangerMs = 5_000;

/** So many refusals in a row of what it offers, and a peer is not worth asking first. */
const maxRefusals = 3;

/** Peers that are remembered when nothing is under way with them: those doubted longest ago are forgotten first. */
const maxPeers = 1_024;

/** What doubts depend on. */
export interface DoubtsConfig {
  readonly clock: Pick<Clock, 'elapsed'>;
  /** How long a doubt lasts when nothing takes it away, in ms. */
  readonly forMs: number;
  /** How long the peer usually takes to begin its answer, in ms; `undefined`: it has not answered yet. */
  readonly latencyOf: (peerId: string) => number | undefined;
}

/** A peer that owes this node a first word. */
interface Owing {
  requests: number;
  /** Since when it has said nothing. */
  sinceMs: number;
}

/**
 * Which peers this node had better not ask first, though they have not failed: who owes first words and has been silent for
 * longer than it usually is, and who refuses what it offers. A word takes the one doubt away, an answer the other, and time
 * both. Bounded by what is under way, and 1,024 peers beside.
 */
export class Doubts {
  readonly #config: DoubtsConfig;
  readonly #owing = new Map<string, Owing>();
  readonly #refusals = new RecentMap<number>(maxPeers);
  readonly #untilMs = new RecentMap<number>(maxPeers);

  constructor(config: DoubtsConfig) {
    this.#config = config;
  }

  /** Whether the peer is doubted now. */
  has(peerId: string): boolean {
    return (this.#untilMs.get(peerId) ?? 0) > this.#config.clock.elapsed() || this.#isLate(peerId);
  }

  /** The peer owes one more first word. Followed by either {@link heard} or {@link left}, once. */
  asked(peerId: string): void {
    const owing = this.#owing.get(peerId);
    if (owing !== undefined) owing.requests++;
    else this.#owing.set(peerId, { requests: 1, sinceMs: this.#config.clock.elapsed() });
  }

  /** It has said it. */
  heard(peerId: string): void {
    this.#untilMs.delete(peerId);
    const owing = this.#paid(peerId);
    if (owing !== undefined) owing.sinceMs = this.#config.clock.elapsed();
  }

  /** The request has ended without it. A peer that was silent stays in doubt for a while: nothing asks it any more. */
  left(peerId: string): void {
    if (this.#isLate(peerId)) this.#doubt(peerId);
    this.#paid(peerId);
  }

  /** It refused what it offers. */
  refused(peerId: string): void {
    const refusals = (this.#refusals.get(peerId) ?? 0) + 1;
    this.#refusals.set(peerId, refusals);
    if (refusals >= maxRefusals) this.#doubt(peerId);
  }

  /** It gave an answer. */
  answered(peerId: string): void {
    this.#refusals.delete(peerId);
    this.#untilMs.delete(peerId);
  }

  #doubt(peerId: string): void {
    const { clock, forMs } = this.#config;
    this.#untilMs.set(peerId, clock.elapsed() + forMs);
  }

  /** One less is owed; `undefined`: it was the last one. */
  #paid(peerId: string): Owing | undefined {
    const owing = this.#owing.get(peerId);
    if (owing === undefined) return undefined;
    if (--owing.requests > 0) return owing;
    this.#owing.delete(peerId);
    return undefined;
  }

  #isLate(peerId: string): boolean {
    const owing = this.#owing.get(peerId);
    if (owing === undefined) return false;
    const { clock, latencyOf } = this.#config;
    const latencyMs = latencyOf(peerId);
    const patienceMs = latencyMs === undefined ? strangerMs : Math.max(leastMs, usualTimes * latencyMs);
    return clock.elapsed() - owing.sinceMs > patienceMs;
  }
}
