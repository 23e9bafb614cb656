import type { MeterLabels } from '@lloom/core';
import { toName } from './names.ts';

/** One line of what Prometheus reads. */
export interface Sample {
  /** What follows the family's name. */
  readonly suffix?: string;
  readonly labels: MeterLabels;
  readonly value: number;
}

export type FamilyType = 'counter' | 'gauge' | 'histogram' | 'summary';

/** What a family is called, and what its figures are told apart by. */
export interface FamilyHead {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
}

/** A family with its figures. */
export interface Family extends FamilyHead {
  readonly type: FamilyType;
  /** Equal where figures of two families can be counted in one. */
  readonly shape: string;
  read(): readonly Sample[] | Promise<readonly Sample[]>;
  /** Sets every figure to 0. */
  reset(): void;
}

/** A head with names as Prometheus takes them. A help that is missing is the name. */
export const toHead = (given: {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
}): FamilyHead => {
  const name = toName(given.name);
  const help: unknown = given.help;
  return {
    name,
    // Without one nothing of the registry could be read.
    help: typeof help === 'string' && help !== '' ? help : name,
    labels: (given.labels ?? []).map((label) => toName(label) || '_'),
  };
};
