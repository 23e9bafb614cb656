import { RecentMap, retryDelay, type RetryPolicy } from '@lloom/core';

import type { PeerRole } from '../types.ts';

/** Between two dials of one peer by the pool. */
const pause: RetryPolicy = { retryDelayMs: 10_000, maxRetryDelayMs: 600_000 };
/** A connection that has lasted so long was worth its dial. */
const lastingMs = 60_000;
/** How long a peer counts for what it was dialled for: what it offers is known a little after it is connected. */
const promiseMs = 60_000;
const maxRecords = 4_096;

interface DialRecord {
  /** Dials in a row that led to nothing that lasted. */
  readonly attempts: number;
  /** When the latest one ended. */
  readonly at: number;
  /** Not before that again. */
  readonly until: number;
  readonly roles: readonly PeerRole[];
}

/** How a dial ended, in elapsed time. */
export interface EndedDial {
  readonly began: number;
  readonly now: number;
  readonly roles: readonly PeerRole[];
  /** From 0 to 1. */
  readonly chance: number;
}

/**
 * Whom the pool has dialled. Also a dial that worked is followed by a pause: a peer that hangs up at once must not be dialled
 * again and again.
 */
export class DialRecords {
  readonly #records = new RecentMap<DialRecord>(maxRecords);

  /** When a peer may be dialled again; `undefined` for at once. */
  get(peerId: string): number | undefined {
    return this.#records.get(peerId)?.until;
  }

  /** A dial has ended, however it did. */
  ended(peerId: string, { began, now, roles, chance }: EndedDial): void {
    const attempts = (this.#records.get(peerId)?.attempts ?? 0) + 1;
    const until = now + retryDelay(pause, attempts, chance);
    this.#records.set(peerId, { attempts, at: began, until, roles });
  }

  /** What a connected peer is taken for until it has said it itself. */
  promisedBy(peerId: string, now: number): readonly PeerRole[] {
    const record = this.#records.get(peerId);
    return record !== undefined && now - record.at < promiseMs ? record.roles : [];
  }

  /** A peer has a connection that was opened then: forgets the dials that led to it when it lasts. */
  seen(peerId: string, { openedAt, now }: { readonly openedAt: number; readonly now: number }): void {
    const record = this.#records.get(peerId);
    if (record !== undefined && openedAt >= record.at && now - openedAt >= lastingMs) {
      this.#records.delete(peerId);
    }
  }
}
