import type { RelayedCircuit } from '../types.ts';

const keptMs = 30_000;
const maxKept = 256;

interface Ended {
  readonly circuit: RelayedCircuit;
  /** By the clock's elapsed time, in ms. */
  readonly at: number;
}

/** Connections through this node that have ended, for half a minute: the last 256 of them. */
export class EndedCircuits {
  #ended: readonly Ended[] = [];

  /** @param now by the clock's elapsed time, in ms */
  add(circuit: RelayedCircuit, now: number): void {
    this.#ended = [...this.#keptAt(now), { circuit, at: now }].slice(-maxKept);
  }

  /** Those of one peer or of all, the one that ended first at the front. */
  list(now: number, peerId?: string): readonly RelayedCircuit[] {
    this.#ended = this.#keptAt(now);
    const circuits = this.#ended.map(({ circuit }) => circuit);
    return peerId === undefined ? circuits : circuits.filter(({ from, to }) => [from, to].includes(peerId));
  }

  #keptAt(now: number): readonly Ended[] {
    return this.#ended.filter(({ at }) => now - at < keptMs);
  }
}
