/** Executors of whom sweeps are counted; the one heard longest ago goes first. */
const maxPeers = 2_048;
/** From so many sweeps on, the older ones count half: about the last hour counts. */
const maxSweeps = 128;

interface Counts {
  readonly sweeps: number;
  readonly heard: number;
}

/** In how many sweeps each executor was heard, since the first one in which it was. */
export class SweepCounts {
  readonly #byPeer = new Map<string, Counts>();

  /** The share of sweeps in which an executor was heard; `undefined` before the first. */
  rateOf(peerId: string): number | undefined {
    const counts = this.#byPeer.get(peerId);
    return counts && counts.heard / counts.sweeps;
  }

  /**
   * A sweep is over.
   * @param isComplete whether everybody was asked; otherwise nothing is held against those who were not heard
   */
  note(heard: ReadonlySet<string>, isComplete: boolean): void {
    if (isComplete)
      for (const [peerId, counts] of this.#byPeer)
        if (!heard.has(peerId)) this.#byPeer.set(peerId, added(counts, 0));
    for (const peerId of heard) {
      const counts = this.#byPeer.get(peerId) ?? { sweeps: 0, heard: 0 };
      this.#byPeer.delete(peerId);
      this.#byPeer.set(peerId, added(counts, 1));
    }
    for (const peerId of this.#byPeer.keys()) {
      if (this.#byPeer.size <= maxPeers) return;
      this.#byPeer.delete(peerId);
    }
  }

  /** Forgets everybody. */
  clear(): void {
    this.#byPeer.clear();
  }
}

function added({ sweeps, heard }: Counts, once: 0 | 1): Counts {
  const share = sweeps >= maxSweeps ? 0.5 : 1;
  return { sweeps: sweeps * share + 1, heard: heard * share + once };
}
