import type { Clock } from './ports.ts';
import { RecentMap } from './recentMap.ts';

/** Peers that are remembered of each fact: beyond, one may be told sooner. */
const maxPeers = 1_024;
/** Each fact of a peer is told so often at most over time, in ms. */
const pauseMs = 1_000;

/** What telling takes. */
export interface ReportsPorts<Fact extends string> {
  readonly clock: Pick<Clock, 'elapsed'>;
  /** Who is told. @default nobody is */
  readonly reputation: { report(peerId: string, fact: Fact): void } | undefined;
  /** How many of a fact are told at once: then each of so many counts. @default 1 */
  readonly bursts?: Readonly<Partial<Record<Fact, number>>>;
  /** Told of what the reputation threw. */
  readonly onError: (text: string, error: unknown) => void;
}

/**
 * Tells the reputation what peers do: each fact of a peer once a second at most, or a few at once where they count, and not each
 * of a thousand messages. Remembers 1,024 peers of each fact.
 *
 * @example
 * ```ts
 * const reports = new Reports<'SERVED' | 'REQUEST_FAILED'>({ clock, reputation, onError });
 * reports.tell(peerId, 'SERVED');
 * ```
 */
export class Reports<Fact extends string> {
  readonly #ports: ReportsPorts<Fact>;
  /** When each may be told again if nothing is told at once, by the clock's elapsed time. */
  readonly #told = new Map<Fact, RecentMap<number>>();

  constructor(ports: ReportsPorts<Fact>) {
    this.#ports = ports;
  }

  /** Notes what a peer did. Never throws. */
  tell(peerId: string, fact: Fact): void {
    const { clock, reputation, bursts, onError } = this.#ports;
    if (reputation === undefined) return;
    const told = this.#told.get(fact) ?? this.#begin(fact);
    const nowMs = clock.elapsed();
    const nextMs = Math.max(nowMs, told.get(peerId) ?? nowMs);
    if (nextMs - nowMs > ((bursts?.[fact] ?? 1) - 1) * pauseMs) return;
    told.set(peerId, nextMs + pauseMs);
    try {
      reputation.report(peerId, fact);
    } catch (error) {
      onError('the reputation could not be told', error);
    }
  }

  #begin(fact: Fact): RecentMap<number> {
    const told = new RecentMap<number>(maxPeers);
    this.#told.set(fact, told);
    return told;
  }
}
