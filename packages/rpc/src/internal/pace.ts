import type { Clock } from '@lloom/core';
import type { Answer } from '../types.ts';

/** How well a peer has served this node. */
interface Pace {
  latencyMs: number | undefined;
  tokensPerSecond: number | undefined;
}

/** Peers whose pace is kept. */
const maxPeers = 1_024;

/** What a new figure counts against all before: those of the last ten answers make nine tenths. */
const share = 0.2;

/** Too few tokens, or too short a time, say how the network bunches, and not how fast they are made. */
const minTokens = 8;
const minMs = 50;

/** How fast peers have answered this node: the means of answers that came well, recent ones count most. */
export class Paces {
  /** The one known longest first. */
  readonly #byPeer = new Map<string, Pace>();

  /** What is known of a peer. */
  of(peerId: string): { readonly latencyMs?: number; readonly tokensPerSecond?: number } | undefined {
    const pace = this.#byPeer.get(peerId);
    if (pace === undefined) return undefined;
    const { latencyMs, tokensPerSecond } = pace;
    return {
      ...(latencyMs !== undefined && { latencyMs }),
      ...(tokensPerSecond !== undefined && { tokensPerSecond }),
    };
  }

  /** Counts an answer that came well: how it was timed, and what it is. */
  note(peerId: string, watch: PaceWatch, result: unknown): void {
    const { latencyMs } = watch;
    const { outboundTokens = 0 } = result as Partial<Answer>;
    const tokensPerSecond = watch.tokensPerSecond(outboundTokens);
    if (latencyMs === undefined && tokensPerSecond === undefined) return;
    const pace = this.#byPeer.get(peerId);
    if (pace === undefined) return this.#add(peerId, { latencyMs, tokensPerSecond });
    pace.latencyMs = mean(pace.latencyMs, latencyMs);
    pace.tokensPerSecond = mean(pace.tokensPerSecond, tokensPerSecond);
  }

  #add(peerId: string, pace: Pace): void {
    const [oldest] = this.#byPeer.size >= maxPeers ? this.#byPeer.keys() : [];
    if (oldest !== undefined) this.#byPeer.delete(oldest);
    this.#byPeer.set(peerId, pace);
  }
}

/** Times one answer: reads the clock when something happens for the first time, and never for a chunk. */
export class PaceWatch {
  readonly #clock: Clock;
  #sentMs: number | undefined;
  #beganMs: number | undefined;
  #endedMs: number | undefined;
  #hasText = false;
  /** Those that came at once with the first text, and took no time that was seen. */
  #firstTokens: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** All of the request is on its way. */
  sent(): void {
    this.#sentMs = this.#clock.elapsed();
  }

  /** Something of the answer has come. */
  began(): void {
    if (this.#beganMs === undefined) this.#beganMs = this.#clock.elapsed();
  }

  /** A chunk has come. `true`: it is the first one. */
  chunk(): boolean {
    const isFirst = !this.#hasText;
    this.#hasText = true;
    return isFirst;
  }

  /** A chunk was read. */
  read(tokens: number): void {
    if (this.#firstTokens === undefined) this.#firstTokens = tokens;
  }

  /** All of the answer has come; whoever reads it may be behind. */
  ended(): void {
    this.#endedMs = this.#clock.elapsed();
    this.#beganMs ??= this.#endedMs;
  }

  /** From the request to the first byte of the answer, in ms. */
  get latencyMs(): number | undefined {
    if (this.#sentMs === undefined || this.#beganMs === undefined) return undefined;
    // A peer may answer before all of the request is there.
    return this.#beganMs < this.#sentMs ? undefined : this.#beganMs - this.#sentMs;
  }

  /** How fast the tokens of an answer in chunks came, after the first chunk. */
  tokensPerSecond(tokens: number): number | undefined {
    if (this.#firstTokens === undefined || this.#beganMs === undefined || this.#endedMs === undefined)
      return undefined;
    const tookMs = this.#endedMs - this.#beganMs;
    if (tokens < minTokens || tookMs < minMs) return undefined;
    return Math.max(0, ((tokens - this.#firstTokens) * 1_000) / tookMs);
  }
}

function mean(before: number | undefined, value: number | undefined): number | undefined {
  if (before === undefined || value === undefined) return value ?? before;
  return before + share * (value - before);
}
