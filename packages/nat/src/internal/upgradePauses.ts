import { RecentMap } from '@lloom/core';

/** Peers of which is remembered what was tried with them: more than are looked after. */
const maxPeers = 1_000;
/** Whoever asks for more punches than one attempt has, within this time, is refused: each sends packets to where the peer says. */
const callWindowMs = 30_000;
const maxCallsPerWindow = 3;
/** A peer that comes back gets its next attempt no sooner after its last: each sends packets to where the peer says. */
export const leastPauseMs = 30_000;

interface Rest {
  readonly attempt: number;
  readonly untilMs: number;
}

/** What peers have had, whichever connection they come by. All times are the clock's elapsed time. */
export class UpgradePauses {
  readonly #triedAtMs = new RecentMap<number>(maxPeers);
  readonly #calledAtMs = new RecentMap<readonly number[]>(maxPeers);
  readonly #rests = new RecentMap<Rest>(maxPeers);

  tried(peerId: string, at: number): void {
    this.#triedAtMs.set(peerId, at);
  }

  failed(peerId: string, untilMs: number): void {
    this.#rests.set(peerId, { attempt: this.before(peerId).attempt + 1, untilMs });
  }

  succeeded(peerId: string): void {
    this.#triedAtMs.delete(peerId);
    this.#rests.delete(peerId);
  }

  /** How many attempts in a row came to nothing, and before when none begins. */
  before(peerId: string): { readonly attempt: number; readonly notBeforeMs: number } {
    const { attempt, untilMs } = this.#rests.get(peerId) ?? { attempt: 0, untilMs: -Infinity };
    const pausedUntilMs = (this.#triedAtMs.get(peerId) ?? -Infinity) + leastPauseMs;
    return { attempt, notBeforeMs: Math.max(pausedUntilMs, untilMs) };
  }

  mayCall(peerId: string, at: number): boolean {
    return this.#recentCalls(peerId, at).length < maxCallsPerWindow;
  }

  called(peerId: string, at: number): void {
    this.#calledAtMs.set(peerId, [...this.#recentCalls(peerId, at), at]);
  }

  #recentCalls(peerId: string, at: number): readonly number[] {
    return (this.#calledAtMs.get(peerId) ?? []).filter((atMs) => at - atMs < callWindowMs);
  }
}
