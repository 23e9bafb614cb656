import type { CalculateMetric, SummaryOptions } from '@libp2p/interface';
import { withinTime, type Clock } from '@lloom/core';
import type { Summary } from 'prom-client';
import { toHead, type Family, type FamilyHead, type Sample } from '../internal/family.ts';
import { Figures, isGrowth } from '../internal/figures.ts';
import { LabelSets, type LabelLimit } from '../internal/labelSets.ts';
import { Spreads } from '../internal/spreads.ts';
import { promClient } from './promClient.ts';

/** How a value of somebody else's reaches its figure, by the value of the family's label where it has one. */
export type Take = (key: string, value: number) => void;

type Calculated = number | Readonly<Record<string, number>>;

/** What gives the values of a family when somebody looks. */
export type Calculate = CalculateMetric | CalculateMetric<Record<string, number>>;

/** How long one may take. */
const calculationMs = 1_000;
/** Listeners and queues each bring their own for the same family, and do not say when they end. */
const maxCalculations = 16;

const never = new AbortController().signal;

const noLabels = {};

/** What gives the values of one family. One that has not answered yet is not asked again. */
class Calculations {
  readonly #clock: Clock;
  #all: { readonly calculate: Calculate; isAsked: boolean }[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isEmpty(): boolean {
    return this.#all.length === 0;
  }

  add(calculate: Calculate): void {
    this.#all = [...this.#all.slice(1 - maxCalculations), { calculate, isAsked: false }];
  }

  /** What all of them say, those who came last at the end; without those that fail. */
  async values(): Promise<Calculated[]> {
    const asked = this.#all.filter(({ isAsked }) => !isAsked);
    const values = await Promise.all(asked.map(async (one) => this.#ask(one)));
    return values.filter((value) => value !== undefined);
  }

  async #ask(one: { readonly calculate: Calculate; isAsked: boolean }): Promise<Calculated | undefined> {
    try {
      const given = one.calculate();
      if (!(given instanceof Promise)) return given;
      one.isAsked = true;
      const answered: Promise<Calculated> = given.finally(() => {
        one.isAsked = false;
      });
      return await withinTime({ clock: this.#clock, ms: calculationMs, signal: never }, () => answered);
    } catch {
      return undefined;
    }
  }
}

/** Every value of what was calculated, with its key. */
const valuesOf = (given: Calculated): readonly (readonly [string, number])[] =>
  typeof given === 'number' ? [['', given]] : Object.entries(given);

/** A family that libp2p or a service of it registered. */
export abstract class ForeignFamily implements Family {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  readonly calculations: Calculations;
  #calculating: Promise<void> | undefined;
  abstract readonly type: Family['type'];
  abstract readonly shape: string;
  abstract readonly take: Take;

  constructor({ name, help, labels }: FamilyHead, clock: Clock) {
    this.name = name;
    this.help = help;
    this.labels = labels;
    this.calculations = new Calculations(clock);
  }

  abstract reset(): void;
  protected abstract own(): readonly Sample[] | Promise<readonly Sample[]>;

  async read(): Promise<readonly Sample[]> {
    if (this.calculations.isEmpty) return this.own();
    // Readers at the same time wait for the same: what is calculated must neither be missing for one nor be added twice.
    this.#calculating ??= this.#calculate();
    await this.#calculating;
    return this.own();
  }

  async #calculate(): Promise<void> {
    try {
      const given = await this.calculations.values();
      this.begin();
      for (const [key, value] of given.flatMap(valuesOf)) this.take(key, value);
    } finally {
      this.#calculating = undefined;
    }
  }

  /** Called before what was calculated is taken. */
  protected begin(): void {}

  protected labelsOf(key: string): Readonly<Record<string, string>> {
    const [label] = this.labels;
    return label === undefined ? noLabels : { [label]: key };
  }
}

/** Numbers that grow, or go up and down. */
export class ForeignFigures extends ForeignFamily {
  readonly type: 'counter' | 'gauge';
  readonly shape: string;
  readonly #figures: Figures;

  constructor(
    type: 'counter' | 'gauge',
    head: FamilyHead,
    { clock, limit }: { readonly clock: Clock; readonly limit: LabelLimit },
  ) {
    super(head, clock);
    this.type = type;
    this.shape = `libp2p ${type} ${head.labels.join()}`;
    this.#figures = new Figures(type, head, limit);
  }

  readonly take: Take = (key, value) => {
    if (this.type === 'counter') this.add(key, value);
    else this.set(key, value);
  };

  readonly set: Take = (key, value) => {
    if (Number.isFinite(value)) this.#figures.of(this.labelsOf(key)).value = value;
  };

  readonly add: Take = (key, by) => {
    if (this.type === 'counter' ? isGrowth(by) : Number.isFinite(by))
      this.#figures.of(this.labelsOf(key)).value += by;
  };

  reset(): void {
    if (this.labels.length > 0) this.#figures.clear();
    else this.#figures.reset();
  }

  protected override own(): readonly Sample[] {
    return this.#figures.read();
  }

  /** What a gauge said before does not count any more: a protocol without streams has none. */
  protected override begin(): void {
    if (this.type === 'gauge') this.#figures.clear();
  }
}

/** Values spread over buckets. */
export class ForeignSpreads extends ForeignFamily {
  readonly type = 'histogram';
  readonly shape: string;
  readonly #spreads: Spreads;

  constructor(
    head: FamilyHead,
    buckets: readonly number[],
    { clock, limit }: { readonly clock: Clock; readonly limit: LabelLimit },
  ) {
    super(head, clock);
    this.#spreads = new Spreads(head, buckets, limit);
    this.shape = `libp2p ${this.#spreads.shape}`;
  }

  readonly take: Take = (key, value) => this.#spreads.of(this.labelsOf(key))(value);

  reset(): void {
    this.#spreads.reset();
  }

  protected override own(): readonly Sample[] {
    return this.#spreads.read();
  }
}

/** Values whose quantiles are estimated, by prom-client. */
export class ForeignSummaries extends ForeignFamily {
  readonly type = 'summary';
  readonly shape: string;
  readonly #observers: LabelSets<(value: number) => void>;
  readonly #summary: Summary;

  constructor(
    head: FamilyHead,
    options: SummaryOptions,
    { clock, limit }: { readonly clock: Clock; readonly limit: LabelLimit },
  ) {
    super(head, clock);
    const { percentiles, maxAgeSeconds, ageBuckets, pruneAgedBuckets, compressCount } = options;
    const given = { percentiles, maxAgeSeconds, ageBuckets, pruneAgedBuckets, compressCount };
    const known = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
    const { name, help, labels } = head;
    this.shape = `libp2p summary ${labels.join()}`;
    const { Summary: PromSummary } = promClient();
    const summary = new PromSummary({ ...known, name, help, labelNames: [...labels], registers: [] });
    this.#summary = summary;
    this.#observers = new LabelSets(labels, limit, (own) => (value) => summary.observe(own, value));
  }

  readonly take: Take = (key, value) => {
    if (Number.isFinite(value)) this.#observers.of(this.labelsOf(key))(value);
  };

  reset(): void {
    this.#summary.reset();
  }

  protected override async own(): Promise<readonly Sample[]> {
    const { values } = await this.#summary.get();
    return values.map((sample) => {
      const { metricName = this.name } = sample as { metricName?: string };
      const labels = Object.entries(sample.labels).map(([name, value]) => [name, String(value)]);
      const suffix = metricName.slice(this.name.length);
      return { suffix, labels: Object.fromEntries(labels) as Record<string, string>, value: sample.value };
    });
  }
}

/** Labels that histograms and summaries have of themselves. */
const reserved = new Set(['le', 'quantile']);

/** The head of a family that somebody else names. A group has a label, called as the family where nothing else is said. */
export const foreignHead = (
  name: string,
  { help = name, label = name }: { readonly help?: string; readonly label?: string },
  isGroup: boolean,
): FamilyHead => toHead({ name, help, labels: isGroup ? [reserved.has(label) ? `_${label}` : label] : [] });
