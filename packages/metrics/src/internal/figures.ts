import type { GaugeSample, MeterLabels } from '@lloom/core';
import type { Family, FamilyHead, Sample } from './family.ts';
import { LabelSets, type LabelLimit } from './labelSets.ts';

/** A number that grows, or goes up and down. */
export interface Figure {
  value: number;
}

const createFigure = (): Figure => ({ value: 0 });

const toSample = ({ labels, figure }: { labels: MeterLabels; figure: Figure }): Sample => ({
  labels: { ...labels },
  value: figure.value,
});

/** Whether a counter can take it. */
export const isGrowth = (by: number): boolean => by >= 0 && by < Infinity;

/** A family of numbers that somebody sets. */
export class Figures implements Family {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  readonly shape: string;
  readonly type: 'counter' | 'gauge';
  readonly #sets: LabelSets<Figure>;

  constructor(type: 'counter' | 'gauge', { name, help, labels }: FamilyHead, limit: LabelLimit) {
    this.name = name;
    this.help = help;
    this.labels = labels;
    this.type = type;
    this.shape = `${type} ${labels.join()}`;
    this.#sets = new LabelSets(labels, limit, createFigure);
  }

  of(labels: MeterLabels): Figure {
    return this.#sets.of(labels);
  }

  clear(): void {
    this.#sets.clear();
  }

  reset(): void {
    for (const { figure } of this.#sets.entries()) figure.value = 0;
  }

  read(): Sample[] {
    return [...this.#sets.entries()].map(toSample);
  }
}

/** What is asked for a figure. */
export type Reading = () => number | readonly GaugeSample[];

/** A family of numbers that somebody is asked for. */
export class Readings implements Family {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  readonly shape: string;
  readonly type: 'counter' | 'gauge';
  readonly #limit: LabelLimit;
  reading: Reading;

  constructor(
    { type, reading }: { readonly type: 'counter' | 'gauge'; readonly reading: Reading },
    { name, help, labels }: FamilyHead,
    limit: LabelLimit,
  ) {
    this.name = name;
    this.help = help;
    this.labels = labels;
    this.type = type;
    this.shape = `${type} read ${labels.join()}`;
    this.#limit = limit;
    this.reading = reading;
  }

  /** Belongs to whoever is asked. */
  reset(): void {}

  /** What throws, and what is no number, gives nothing. */
  read(): Sample[] {
    const sets = new LabelSets(this.labels, this.#limit, createFigure);
    try {
      const given = this.reading();
      const samples = typeof given === 'number' ? [{ labels: {}, value: given }] : given;
      for (const { labels, value } of samples) if (Number.isFinite(value)) sets.of(labels).value += value;
    } catch {
      return [];
    }
    return [...sets.entries()].map(toSample);
  }
}
