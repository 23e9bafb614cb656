import { type Clock, RecentMap } from '@lloom/core';
import type { PeerFact, ReputationSink } from '../ports.ts';

const maxPeers = 1_024;
/** Each fact of a peer is told so often at most. */
const pauseMs = 1_000;

/** What telling takes. */
export interface ReportsPorts {
  readonly clock: Clock;
  readonly reputation: ReputationSink | undefined;
  readonly onError: (text: string, error: unknown) => void;
}

/** Tells the reputation what peers do: not each of a thousand messages. */
export class Reports {
  readonly #ports: ReportsPorts;
  readonly #told = new RecentMap<number>(maxPeers);

  constructor(ports: ReportsPorts) {
    this.#ports = ports;
  }

  tell(peerId: string, fact: PeerFact): void {
    const { clock, reputation, onError } = this.#ports;
    if (reputation === undefined) return;
    const key = `${fact} ${peerId}`;
    const nowMs = clock.elapsed();
    if (nowMs - (this.#told.get(key) ?? Number.NEGATIVE_INFINITY) < pauseMs) return;
    this.#told.set(key, nowMs);
    try {
      reputation.report(peerId, fact);
    } catch (error) {
      onError('the reputation could not be told', error);
    }
  }
}
