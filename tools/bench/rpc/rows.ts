import { row, type Row } from '../report.ts';
import type { Figures } from './compare.ts';
import type { StackName } from './stacks.ts';

/** What is compared of two stacks. */
export interface Comparison {
  readonly metric: string;
  readonly ours: StackName;
  readonly theirs: StackName;
  /** What the peer is, for people. */
  readonly against: string;
  readonly goal?: number;
}

type Measured = ReadonlyMap<StackName, Figures>;

/** A row of one figure; none when one of the stacks did not run. */
function rowOf(
  all: Measured,
  comparison: Comparison,
  { unit, of }: { readonly unit: string; readonly of: (figures: Figures) => number },
): Row[] {
  const { metric, ours, theirs, against, goal = null } = comparison;
  const [our, their] = [all.get(ours), all.get(theirs)];
  if (our === undefined || their === undefined) return [];
  const cpuUs = {
    value: [our.clientUs, our.serverUs] as const,
    baseline: [their.clientUs, their.serverUs] as const,
  };
  return [row(metric, { value: of(our), baseline: of(their), unit, against, cpuUs }, goal)];
}

/** A row of how many a second. */
export const rateRow = (all: Measured, comparison: Comparison): Row[] =>
  rowOf(all, comparison, { unit: '1/s', of: ({ perSecond }) => perSecond });

/** A row of how long half of them took at most. */
export const p50Row = (all: Measured, comparison: Comparison): Row[] =>
  rowOf(all, comparison, { unit: 'us', of: ({ p50Ms }) => p50Ms * 1_000 });

/** A row of how long all but one in a hundred took at most. */
export const p99Row = (all: Measured, comparison: Comparison): Row[] =>
  rowOf(all, comparison, { unit: 'ms', of: ({ p99Ms }) => p99Ms });

/** A row of megabytes a second. */
export const volumeRow = (all: Measured, comparison: Comparison, bytes: number): Row[] =>
  rowOf(all, comparison, { unit: 'MB/s', of: ({ perSecond }) => (perSecond * bytes) / 1e6 });
