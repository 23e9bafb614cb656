import type { MeterLabels } from '@lloom/core';
import type { Family, FamilyHead, Sample } from './family.ts';
import { LabelSets, type LabelLimit } from './labelSets.ts';

/** How many values lie under each bound, and their sum. */
interface Spread {
  readonly counts: Float64Array;
  sum: number;
}

/** A family of histograms. */
export class Spreads implements Family {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  readonly shape: string;
  readonly type = 'histogram';
  /** Rising; the last one is above all values. */
  readonly #bounds: Float64Array;
  readonly #sets: LabelSets<Spread>;

  constructor({ name, help, labels }: FamilyHead, buckets: readonly number[], limit: LabelLimit) {
    const bounds = [...new Set(buckets)].filter(Number.isFinite).toSorted((one, next) => one - next);
    this.name = name;
    this.help = help;
    this.labels = labels;
    this.shape = `histogram ${labels.join()} ${bounds.join()}`;
    this.#bounds = Float64Array.from([...bounds, Infinity]);
    const { length } = this.#bounds;
    this.#sets = new LabelSets(labels, limit, () => ({ counts: new Float64Array(length), sum: 0 }));
  }

  /** What takes one more value. What is no number is passed over. */
  of(labels: MeterLabels): (value: number) => void {
    const bounds = this.#bounds;
    const spread = this.#sets.of(labels);
    const { counts } = spread;
    return (value) => {
      if (!Number.isFinite(value)) return;
      let at = 0;
      while (value > (bounds[at] as number)) at++;
      counts[at] = (counts[at] as number) + 1;
      spread.sum += value;
    };
  }

  reset(): void {
    for (const { figure } of this.#sets.entries()) {
      figure.counts.fill(0);
      figure.sum = 0;
    }
  }

  read(): Sample[] {
    return [...this.#sets.entries()].flatMap(({ labels, figure }) => this.#samplesOf(labels, figure));
  }

  #samplesOf(labels: MeterLabels, { counts, sum }: Spread): Sample[] {
    let count = 0;
    const buckets = Array.from(counts, (own, at): Sample => {
      count += own;
      const bound = this.#bounds[at] ?? Infinity;
      const le = bound === Infinity ? '+Inf' : String(bound);
      return { suffix: '_bucket', labels: { ...labels, le }, value: count };
    });
    return [
      ...buckets,
      { suffix: '_sum', labels: { ...labels }, value: sum },
      { suffix: '_count', labels: { ...labels }, value: count },
    ];
  }
}
