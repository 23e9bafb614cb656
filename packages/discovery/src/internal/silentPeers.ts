import { type Clock, RecentMap } from '@lloom/core';

/** Peers that did not answer; the one noted longest ago goes first. */
const maxPeers = 1_024;
const firstMs = 30_000;
const longestMs = 600_000;

/** Who did not answer lately. They are asked after all others, so that the dead cost the living nothing. */
export class SilentPeers {
  readonly #byPeer = new RecentMap<{ readonly failures: number; readonly untilMs: number }>(maxPeers);
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A peer did not answer: it comes last for half a minute, twice as long each time in a row. */
  note(peerId: string): void {
    const failures = (this.#byPeer.get(peerId)?.failures ?? 0) + 1;
    const waitMs = Math.min(longestMs, firstMs * 2 ** Math.min(failures - 1, 10));
    this.#byPeer.set(peerId, { failures, untilMs: this.#clock.elapsed() + waitMs });
  }

  /** It was heard. */
  clear(peerId: string): void {
    this.#byPeer.delete(peerId);
  }

  has(peerId: string): boolean {
    const entry = this.#byPeer.get(peerId);
    return entry !== undefined && entry.untilMs > this.#clock.elapsed();
  }
}
