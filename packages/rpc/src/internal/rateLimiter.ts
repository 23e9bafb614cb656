import type { Clock } from '@lloom/core';
import type { RateLimit } from '../types.ts';

/** What one peer has done of one method lately. */
interface Usage {
  readonly limit: RateLimit | undefined;
  /** How many requests of its burst were used at `atMs`; less from then on, by its rate. */
  used: number;
  atMs: number;
  /** Nothing before that moment. */
  heldUntilMs: number;
}

const maxUsages = 4_096;
const longestHoldMs = 3_600_000;
/** Of a request: what dividing and subtracting times may cost. */
const rounding = 1e-6;

/**
 * How often each peer does something, by method: the generic cell rate algorithm. It counts requests rather than ms, so that a
 * burst is exact whatever the rate.
 *
 * What it knows is bounded: when all of it still counts, whoever would be free again soonest is forgotten for the next one,
 * and may begin a new burst. Somebody with thousands of peer ids gains nothing by that: a new id brings a new burst anyway, and
 * those that have used most are forgotten last. So this bounds what one peer does; what all do together is bounded by
 * connections, places and slots.
 */
export class RateLimiter {
  readonly #limits: ReadonlyMap<string, RateLimit>;
  readonly #clock: Clock;
  /** By peer and method. */
  readonly #usages = new Map<string, Usage>();

  constructor(limits: Readonly<Record<string, RateLimit>>, clock: Clock) {
    this.#limits = new Map(Object.entries(limits));
    this.#clock = clock;
  }

  /** Whether nothing can be limited at all: the fast way out for callers. */
  get isIdle(): boolean {
    return this.#limits.size === 0 && this.#usages.size === 0;
  }

  /**
   * Takes one. 0: it may be done now. Otherwise how long to wait, in whole ms, and nothing is taken. Methods without a limit
   * wait only while they are held.
   */
  take(peerId: string, method: string): number {
    if (this.isIdle) return 0;
    const key = keyOf(peerId, method);
    const known = this.#usages.get(key);
    const nowMs = this.#clock.elapsed();
    if (known === undefined) {
      const limit = this.#limits.get(method);
      if (limit !== undefined) this.#note(key, { limit, used: 1, atMs: nowMs, heldUntilMs: nowMs });
      return 0;
    }
    const waitMs = waitOf(known, nowMs);
    const { limit } = known;
    if (waitMs > 0) return waitMs;
    if (limit === undefined) {
      this.#usages.delete(key);
      return 0;
    }
    known.used = usedAt(known, limit, nowMs) + 1;
    known.atMs = nowMs;
    return 0;
  }

  /** How long to wait before one can be taken, in whole ms; takes none. */
  waitMs(peerId: string, method: string): number {
    const known = this.isIdle ? undefined : this.#usages.get(keyOf(peerId, method));
    return known === undefined ? 0 : waitOf(known, this.#clock.elapsed());
  }

  /** How much of that is because the peer has said so, see {@link hold}. */
  heldMs(peerId: string, method: string): number {
    const known = this.isIdle ? undefined : this.#usages.get(keyOf(peerId, method));
    return known === undefined ? 0 : Math.max(0, Math.ceil(known.heldUntilMs - this.#clock.elapsed()));
  }

  /**
   * Keeps everything of that peer and method back for so long, an hour at most: it has said so itself. A shorter time than is
   * left changes nothing. Works for methods without a limit, too.
   */
  hold(peerId: string, method: string, forMs: number): void {
    if (!(forMs > 0)) return;
    const nowMs = this.#clock.elapsed();
    const heldUntilMs = nowMs + Math.min(forMs, longestHoldMs);
    const key = keyOf(peerId, method);
    const known = this.#usages.get(key);
    if (known !== undefined) known.heldUntilMs = Math.max(known.heldUntilMs, heldUntilMs);
    else this.#note(key, { limit: this.#limits.get(method), used: 0, atMs: nowMs, heldUntilMs });
  }

  #note(key: string, usage: Usage): void {
    if (this.#usages.size >= maxUsages) this.#makeRoom(usage.atMs);
    this.#usages.set(key, usage);
  }

  /** Forgets what counts no more; when all of it counts, the one that would be free soonest. */
  #makeRoom(nowMs: number): void {
    let soonest: string | undefined;
    let soonestMs = Infinity;
    for (const [key, usage] of this.#usages) {
      const freeMs = freeAtMs(usage);
      if (freeMs <= nowMs) this.#usages.delete(key);
      else if (freeMs < soonestMs) [soonest, soonestMs] = [key, freeMs];
    }
    if (soonest !== undefined && this.#usages.size >= maxUsages) this.#usages.delete(soonest);
  }
}

function waitOf(usage: Usage, nowMs: number): number {
  const { limit, heldUntilMs } = usage;
  const heldMs = Math.max(0, Math.ceil(heldUntilMs - nowMs));
  if (limit === undefined) return heldMs;
  const excess = usedAt(usage, limit, nowMs) + 1 - limit.requests;
  return Math.max(heldMs, excess > rounding ? Math.ceil((excess * limit.perMs) / limit.requests) : 0);
}

/** A peer id has no space in it. */
function keyOf(peerId: string, method: string): string {
  return `${peerId} ${method}`;
}

function usedAt({ used, atMs }: Usage, { requests, perMs }: RateLimit, nowMs: number): number {
  return Math.max(0, used - ((nowMs - atMs) * requests) / perMs);
}

/** From when on it would be the same not to know it. */
function freeAtMs({ limit, used, atMs, heldUntilMs }: Usage): number {
  const usedUntilMs = limit === undefined ? atMs : atMs + (used * limit.perMs) / limit.requests;
  return Math.max(usedUntilMs, heldUntilMs);
}
