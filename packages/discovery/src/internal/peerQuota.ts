import { type Clock, RecentMap } from '@lloom/core';

/** Peers that are counted; the one that was counted longest ago goes first. */
const maxPeers = 1_024;

/** How often one peer may do something. */
export interface Quota {
  /** So often at once. */
  readonly burst: number;
  /** And so often each second after that. */
  readonly perSecond: number;
}

/** Lets each peer do something as often as its quota says. */
export class PeerQuota {
  readonly #clock: Clock;
  readonly #quota: Quota;
  /** When each peer's burst would be whole again, by the clock that never goes back. */
  readonly #fullAtMs = new RecentMap<number>(maxPeers);

  constructor(clock: Clock, quota: Quota) {
    this.#clock = clock;
    this.#quota = quota;
  }

  /** Whether the peer may, this once more. */
  take(peerId: string): boolean {
    const { burst, perSecond } = this.#quota;
    const nowMs = this.#clock.elapsed();
    const eachMs = 1_000 / perSecond;
    const fullAtMs = Math.max(nowMs, this.#fullAtMs.get(peerId) ?? nowMs) + eachMs;
    if (fullAtMs - nowMs > burst * eachMs) return false;
    this.#fullAtMs.set(peerId, fullAtMs);
    return true;
  }
}
