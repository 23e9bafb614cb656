import type { CurvePoint } from '../report/types.ts';
import type { Spread } from '../types.ts';

const maxPoints = 200;

/** The smallest of some rising values that so many percent of them do not exceed; 0 of none. */
export function percentileOf(rising: ArrayLike<number>, percentile: number): number {
  const place = Math.ceil((percentile / 100) * rising.length) - 1;
  return rising[Math.min(rising.length - 1, Math.max(0, place))] ?? 0;
}

/** Some values, rising. */
export const risingOf = (values: Iterable<number>): Float64Array => Float64Array.from(values).toSorted();

/** How rising values are distributed. */
export function spreadOf(rising: ArrayLike<number>): Spread {
  const at = (percentile: number): number => percentileOf(rising, percentile);
  return { count: rising.length, p50: at(50), p90: at(90), p99: at(99), max: at(100) };
}

/** Which share of rising values is at most x, from 0 on; at most 200 points. `whole` is how many values make a share of 1. */
export function curveOf(rising: ArrayLike<number>, whole = rising.length): readonly CurvePoint[] {
  const count = rising.length;
  if (count === 0) return [];
  const points: CurvePoint[] = [[0, 0]];
  const steps = Math.min(maxPoints - 1, count);
  for (let step = 1; step <= steps; step += 1) {
    const place = Math.ceil((step / steps) * count);
    points.push([rising[place - 1]!, Math.min(1, place / whole)]);
  }
  return points;
}

/** At most `most` of a list, evenly. */
export function evenly<T>(all: readonly T[], most: number): readonly T[] {
  if (all.length <= most) return all;
  return Array.from({ length: most }, (_, place) => all[Math.floor((place * all.length) / most)]!);
}
