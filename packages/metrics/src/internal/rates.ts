/** What had gone over connections at a moment. */
export interface TrafficSample {
  /** In ms from an arbitrary start. */
  readonly at: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** Bytes per second. */
export interface Rates {
  readonly bytesIn: number;
  readonly bytesOut: number;
}

const noRates: Rates = { bytesIn: 0, bytesOut: 0 };

/** Where the window begins: at the latest sample that is as old as it is long. */
const startOf = (samples: readonly TrafficSample[], startAt: number): number =>
  Math.max(
    0,
    samples.findLastIndex(({ at }) => at <= startAt),
  );

/** The samples with one more, without those that the window has left behind. */
export function withSample(
  samples: readonly TrafficSample[],
  sample: TrafficSample,
  windowMs: number,
): TrafficSample[] {
  return [...samples.slice(startOf(samples, sample.at - windowMs)), sample];
}

/**
 * What goes over connections in a second, averaged over the window. Over less while there are samples for less, and over more when
 * none could be taken for longer, as in a machine that slept.
 */
export function ratesOver(samples: readonly TrafficSample[], now: TrafficSample, windowMs: number): Rates {
  const start = samples[startOf(samples, now.at - windowMs)];
  if (start === undefined || now.at <= start.at) return noRates;
  const perSecond = (bytes: number): number => (Math.max(0, bytes) * 1_000) / (now.at - start.at);
  return {
    bytesIn: perSecond(now.bytesIn - start.bytesIn),
    bytesOut: perSecond(now.bytesOut - start.bytesOut),
  };
}
