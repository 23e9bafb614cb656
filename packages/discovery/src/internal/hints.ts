import { type Clock, RecentMap } from '@lloom/core';

/** Peers of whom something is said; the one said longest ago goes first. */
const maxPeers = 1_024;

/** What others say that peers serve: unproven, and gone after a while. */
export class Hints {
  readonly #byPeer = new RecentMap<{ readonly models: ReadonlySet<string>; readonly untilMs: number }>(
    maxPeers,
  );
  readonly #clock: Clock;
  readonly #ttlMs: number;

  constructor(clock: Clock, ttlMs: number) {
    this.#clock = clock;
    this.#ttlMs = ttlMs;
  }

  /** Notes what somebody says; no models: nothing. */
  note(peerId: string, models: readonly string[]): void {
    if (models.length === 0) return this.drop(peerId);
    this.#byPeer.set(peerId, { models: new Set(models), untilMs: this.#clock.elapsed() + this.#ttlMs });
  }

  /** The peer itself was heard. */
  drop(peerId: string): void {
    this.#byPeer.delete(peerId);
  }

  /** Who is said to serve a model, or any. */
  peersFor(model: string | undefined): readonly string[] {
    this.#forgetOld();
    return [...this.#byPeer]
      .filter(([, { models }]) => model === undefined || models.has(model))
      .map(([peerId]) => peerId);
  }

  #forgetOld(): void {
    const nowMs = this.#clock.elapsed();
    for (const [peerId, { untilMs }] of this.#byPeer) {
      if (untilMs > nowMs) return;
      this.#byPeer.delete(peerId);
    }
  }
}
