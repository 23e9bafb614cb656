import type { ReportSample, TopologyFrame } from '../report/types.ts';
import type { Measurement } from '../measures.ts';

/** One more is taken for a report. */
const maxSamples = 599;
const maxFrames = 59;
/** Of larger networks no picture could be read. */
const maxDrawnNodes = 200;

/** What a look at the network gives. */
export interface Look {
  readonly sample: ReportSample;
  readonly frame: TopologyFrame;
  readonly offersSeen: Measurement;
  readonly staleOffers: Measurement;
}

/** What looks are taken with. */
export interface SamplerPorts {
  readonly intervalMs: number;
  readonly look: () => Look;
  /** A look was kept. */
  readonly onKept: () => void;
}

/** A network over time: looks, at first every so many ms, and at most so many of them. */
export class Sampler {
  readonly #ports: SamplerPorts;
  readonly #samples: Thinned<ReportSample>;
  readonly #frames: Thinned<TopologyFrame>;

  constructor(ports: SamplerPorts) {
    this.#ports = ports;
    this.#samples = new Thinned(maxSamples, ports.intervalMs);
    this.#frames = new Thinned(maxFrames, ports.intervalMs);
  }

  /** Looks when it is time to. */
  pass(elapsedMs: number): void {
    if (elapsedMs < this.#samples.nextMs) return;
    const { sample, frame } = this.#ports.look();
    this.#samples.add(sample);
    this.#frames.add(frame);
    this.#ports.onKept();
  }

  /** What was kept, and what is there now. */
  samplesWith({ sample }: Look): readonly ReportSample[] {
    return this.#samples.with(sample);
  }

  /** What was kept, and what is there now; nothing of networks that are too large to be drawn. */
  framesWith({ frame }: Look, numNodes: number): readonly TopologyFrame[] {
    return numNodes > maxDrawnNodes ? [] : this.#frames.with(frame);
  }
}

/** Entries at least so far apart; whenever there are too many, every second one goes, and they are twice as far apart from then on. */
class Thinned<T extends { readonly atMs: number }> {
  readonly #most: number;
  #all: T[] = [];
  #intervalMs: number;
  #nextMs = 0;

  constructor(most: number, intervalMs: number) {
    this.#most = most;
    this.#intervalMs = intervalMs;
  }

  /** When the next one is wanted. */
  get nextMs(): number {
    return this.#nextMs;
  }

  add(entry: T): void {
    if (entry.atMs < this.#nextMs) return;
    this.#all.push(entry);
    if (this.#all.length > this.#most) {
      this.#all = this.#all.filter((_, place) => place % 2 === 0);
      this.#intervalMs *= 2;
    }
    this.#nextMs = (Math.floor(entry.atMs / this.#intervalMs) + 1) * this.#intervalMs;
  }

  with(last: T): readonly T[] {
    return [...this.#all.filter(({ atMs }) => atMs < last.atMs), last];
  }
}
