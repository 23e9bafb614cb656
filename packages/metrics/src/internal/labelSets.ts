import type { MeterLabels } from '@lloom/core';
import { toLabelValue } from './names.ts';

/** Where what comes beyond the limit is counted. */
export const other = 'other';

/** How many combinations of labels are kept apart. */
export interface LabelLimit {
  readonly maxLabelSets: number;
  /** Told of each time that a combination was asked for that is not kept. */
  readonly onDropped: () => void;
}

interface Entry<F> {
  readonly labels: MeterLabels;
  readonly figure: F;
}

/** The figures of one family by their labels: so many at most, and one for all the rest. */
export class LabelSets<F> {
  readonly #byKey = new Map<string, Entry<F>>();
  readonly #create: (labels: MeterLabels) => F;
  readonly #limit: LabelLimit;
  readonly #names: readonly string[];

  constructor(names: readonly string[], limit: LabelLimit, create: (labels: MeterLabels) => F) {
    this.#names = names;
    this.#limit = limit;
    this.#create = create;
  }

  /** The figure of these labels. Labels that the family has not are passed over, those that are missing are empty. */
  of(labels: MeterLabels): F {
    const values = this.#names.map((name) => toLabelValue(labels[name]));
    const known = this.#byKey.get(keyOf(values));
    if (known !== undefined) return known.figure;
    if (this.#byKey.size < this.#limit.maxLabelSets) return this.#add(values);
    this.#limit.onDropped();
    const others = values.map(() => other);
    return this.#byKey.get(keyOf(others))?.figure ?? this.#add(others);
  }

  clear(): void {
    this.#byKey.clear();
  }

  entries(): IterableIterator<Entry<F>> {
    return this.#byKey.values();
  }

  #add(values: readonly string[]): F {
    const labels = Object.fromEntries(this.#names.map((name, at) => [name, values[at] ?? '']));
    const figure = this.#create(labels);
    this.#byKey.set(keyOf(values), { labels, figure });
    return figure;
  }
}

/** Most families have one label or none. */
const keyOf = (values: readonly string[]): string =>
  values.length < 2 ? (values[0] ?? '') : JSON.stringify(values);
