import { RecentMap, type Clock } from '@lloom/core';

/** How a peer is used just now. */
export interface PeerUsage {
  /** How many requests are under way with it, in both directions. */
  readonly active: number;
  /** When the last one ended, by the clock's elapsed time; absent when none did. */
  readonly lastUsedAt?: number;
}

interface Counted {
  active: number;
  lastUsedAt: number | undefined;
}

/** Peers with nothing under way that are remembered: those used longest ago are forgotten first. */
const maxIdle = 4_096;

/** With whom requests are under way, and when the last one ended. Bounded by what is under way, and 4,096 peers beside. */
export class Usage {
  readonly #clock: Pick<Clock, 'elapsed'>;
  readonly #busy = new Map<string, Counted>();
  readonly #idle = new RecentMap<Counted>(maxIdle);

  constructor(clock: Pick<Clock, 'elapsed'>) {
    this.#clock = clock;
  }

  /** `undefined` when nothing was under way, or not lately. */
  of(peerId: string): PeerUsage | undefined {
    const found = this.#busy.get(peerId) ?? this.#idle.get(peerId);
    if (found === undefined) return undefined;
    const { active, lastUsedAt } = found;
    return lastUsedAt === undefined ? { active } : { active, lastUsedAt };
  }

  /** A request begins. */
  began(peerId: string): void {
    const busy = this.#busy.get(peerId);
    if (busy !== undefined) {
      busy.active++;
      return;
    }
    const idle = this.#idle.get(peerId);
    if (idle === undefined) {
      this.#busy.set(peerId, { active: 1, lastUsedAt: undefined });
      return;
    }
    this.#idle.delete(peerId);
    idle.active = 1;
    this.#busy.set(peerId, idle);
  }

  /** A request that has begun is over. */
  ended(peerId: string): void {
    const busy = this.#busy.get(peerId);
    if (busy === undefined) return;
    busy.lastUsedAt = this.#clock.elapsed();
    if (--busy.active > 0) return;
    this.#busy.delete(peerId);
    this.#idle.set(peerId, busy);
  }
}
