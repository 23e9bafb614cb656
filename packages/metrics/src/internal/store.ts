import type { GaugeSample, HistogramFamily, Meter, MeterLabels, MetricFamily } from '@lloom/core';
import { toHead, type Family } from './family.ts';
import * as families from './families.ts';
import { Figures, isGrowth, Readings, type Reading } from './figures.ts';
import type { LabelLimit } from './labelSets.ts';
import { Spreads } from './spreads.ts';

/** What a store is made with. */
export interface StoreConfig {
  readonly maxLabelSets: number;
  /** Whether a family that comes again with another shape is an error. Otherwise what is counted by that goes nowhere. */
  readonly isStrict: boolean;
}

const prefix = 'lloom_';

/** Everything that is counted: numbers behind functions, and what is asked for when somebody looks. */
export class Store implements Meter {
  readonly limit: LabelLimit;
  readonly #families = new Map<string, Family>();
  readonly #isStrict: boolean;
  readonly #watchers: ((family: Family) => void)[] = [];

  constructor({ maxLabelSets, isStrict }: StoreConfig) {
    let dropped = 0;
    this.limit = { maxLabelSets, onDropped: () => void dropped++ };
    this.#isStrict = isStrict;
    this.readCounter(families.droppedLabelSets, () => dropped);
  }

  /** Shows every family, those that are there and those to come. */
  watch(watcher: (family: Family) => void): void {
    this.#watchers.push(watcher);
    for (const family of this.#families.values()) watcher(family);
  }

  /** The family of that name and shape that is there, or the given one. Where the shapes differ that belongs to nobody. */
  keep<F extends Family>(given: F): F {
    const known = this.#families.get(given.name);
    if (known !== undefined) return known.shape === given.shape ? (known as F) : given;
    if (given.name === '') return given;
    this.#families.set(given.name, given);
    for (const watcher of this.#watchers) watcher(given);
    return given;
  }

  counter(family: MetricFamily, labels: MeterLabels = {}): (by?: number) => void {
    const figure = this.#own(new Figures('counter', headOf(family), this.limit)).of(labels);
    return (by = 1) => {
      if (isGrowth(by)) figure.value += by;
    };
  }

  histogram(family: HistogramFamily, labels: MeterLabels = {}): (value: number) => void {
    return this.#own(new Spreads(headOf(family), family.buckets, this.limit)).of(labels);
  }

  gauge(family: MetricFamily, read: () => number | readonly GaugeSample[]): void {
    this.#read('gauge', family, read);
  }

  /** A counter that somebody else keeps. */
  readCounter(family: MetricFamily, read: Reading): void {
    this.#read('counter', family, read);
  }

  /** The sum of a counter's figures with such labels; 0 when nobody counts it. */
  sum(family: MetricFamily, labels: MeterLabels): number {
    const known = this.#families.get(headOf(family).name);
    if (!(known instanceof Figures)) return 0;
    const wanted = Object.entries(labels);
    const fits = (own: MeterLabels): boolean => wanted.every(([name, value]) => own[name] === value);
    return known.read().reduce((sum, sample) => (fits(sample.labels) ? sum + sample.value : sum), 0);
  }

  #read(type: 'counter' | 'gauge', family: MetricFamily, reading: Reading): void {
    this.#own(new Readings({ type, reading }, headOf(family), this.limit)).reading = reading;
  }

  #own<F extends Family>(given: F): F {
    const family = this.keep(given);
    if (this.#isStrict && this.#families.get(given.name) !== family)
      throw new TypeError(`The metric family "${given.name}" is there with another type, labels or buckets`);
    return family;
  }
}

const headOf = (family: MetricFamily) => toHead({ ...family, name: `${prefix}${family.name}` });
