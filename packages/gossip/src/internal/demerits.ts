import { type Clock, RecentMap } from '@lloom/core';
import { Pace, type Usage } from './pace.ts';

const maxPeers = 1_024;
/** Half of what is held against a peer is forgotten in so long. */
const halfLifeMs = 60_000;
/** At most: a peer that has flooded is heard again after a minute or two. */
const maxPoints = 200;
/** Of the rate: who says half as much again as it may is only not listened to. */
const forgiven = 0.5;
/** What a second of a flood at twice the rate costs beyond that. At ten times it comes to 80 in five seconds. */
const pointsPerRate = 2;

interface Held extends Usage {
  points: number;
  pointsAtMs: number;
}

/** What is held against neighbours that say too much themselves. Forgotten with time. */
export class Demerits {
  readonly #clock: Clock;
  readonly #peers = new RecentMap<Held>(maxPeers);
  readonly #forgiven: Pace;
  readonly #pointsEach: number;

  /** @param perSecond how many messages a second one author may publish */
  constructor(clock: Clock, perSecond: number) {
    this.#clock = clock;
    this.#forgiven = new Pace({ perSecond: perSecond * forgiven, burst: Math.max(1, perSecond) });
    this.#pointsEach = pointsPerRate / perSecond;
  }

  /** A peer said one more than it may. Whether that is a flood: less is forgiven. */
  note(peerId: string): boolean {
    const nowMs = this.#clock.elapsed();
    const known = this.#peers.get(peerId) ?? { used: 0, atMs: nowMs, points: 0, pointsAtMs: nowMs };
    this.#peers.set(peerId, known);
    if (this.#forgiven.take(known, nowMs)) return false;
    known.points = Math.min(maxPoints, pointsAt(known, nowMs) + this.#pointsEach);
    known.pointsAtMs = nowMs;
    return true;
  }

  /** What is held against a peer, from 0. */
  of(peerId: string): number {
    const known = this.#peers.size === 0 ? undefined : this.#peers.get(peerId);
    return known === undefined ? 0 : pointsAt(known, this.#clock.elapsed());
  }
}

function pointsAt({ points, pointsAtMs }: Held, nowMs: number): number {
  return points === 0 ? 0 : points * 2 ** ((pointsAtMs - nowMs) / halfLifeMs);
}
