import { bytesUnit, finite, numberText } from './words.ts';

/** Values along one side of a picture. */
export interface Axis {
  readonly min: number;
  readonly max: number;
  readonly ticks: readonly { readonly at: number; readonly text: string }[];
  readonly unit: string;
  /** Whether each step is ten times the one before. @default false */
  readonly isLog?: boolean;
  /** What a value is divided by to be told in that unit. */
  readonly divisor: number;
}

/** What an axis counts. */
export type Quantity = 'count' | 'share' | 'ms' | 'bytes' | 'rate';

/** Steps that people count in. */
const steps = [1, 2, 2.5, 5, 10];
/** Steps of virtual time, in ms, above a second. */
const timeSteps = [
  1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000,
  3_600_000, 7_200_000, 14_400_000, 21_600_000, 43_200_000, 86_400_000,
];

/** An axis from 0 to at least `max`, with round ticks. */
export function axisOf(quantity: Quantity, max: number, maxTicks = 4): Axis {
  const most = Math.max(0, finite(max));
  if (quantity === 'share') return shareAxis();
  const { divisor, unit } = unitOf(quantity, most);
  const step = roundStep(most / divisor / maxTicks, quantity === 'count');
  const count = Math.max(1, Math.ceil(most / divisor / step - 1e-9));
  const ticks = Array.from({ length: count + 1 }, (_, place) => ({
    at: place * step * divisor,
    text: numberText(place * step),
  }));
  return { min: 0, max: count * step * divisor, ticks, unit, divisor };
}

/** The axis of virtual time, from 0 to `durationMs` exactly. */
export function timeAxis(durationMs: number, maxTicks = 6): Axis {
  const max = Math.max(1, finite(durationMs));
  const isShort = max < 2_000;
  const wanted = max / maxTicks;
  const step = isShort
    ? roundStep(wanted, false)
    : (timeSteps.find((each) => each >= wanted) ?? Math.ceil(wanted / 86_400_000) * 86_400_000);
  const [divisor, unit] = isShort
    ? [1, 'ms']
    : step < 60_000
      ? [1_000, 's']
      : step < 3_600_000
        ? [60_000, 'min']
        : [3_600_000, 'h'];
  const count = Math.floor(max / step + 1e-9);
  const ticks = Array.from({ length: count + 1 }, (_, place) => ({
    at: place * step,
    text: numberText((place * step) / divisor),
  }));
  return { min: 0, max, ticks, unit, divisor };
}

/** Shorter times are as good as none, in ms. */
const shortest = 10;

/** An axis for durations that differ by powers of ten. */
export function logAxis(least: number, most: number): Axis {
  const first = Math.floor(Math.log10(Math.max(shortest, finite(least))) + 1e-9);
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(shortest, finite(most))) - 1e-9));
  const every = Math.ceil((last - first) / 6);
  const ticks = Array.from({ length: Math.floor((last - first) / every) + 1 }, (_, place) => {
    const at = 10 ** (first + place * every);
    const below = place === 0 && least < at ? '≤ ' : '';
    return { at, text: below + (at < 1_000 ? `${at} ms` : `${numberText(at / 1_000)} s`) };
  });
  return { min: 10 ** first, max: 10 ** last, ticks, unit: '', divisor: 1, isLog: true };
}

/** Where a value lies on an axis, from 0 at its beginning to 1 at its end. */
export function shareOf({ min, max, isLog }: Axis, value: number): number {
  const within = Math.min(Math.max(value, min), max);
  return isLog === true ? Math.log10(within / min) / Math.log10(max / min) : (within - min) / (max - min);
}

function shareAxis(): Axis {
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((at) => ({ at, text: `${at * 100}` }));
  return { min: 0, max: 1, ticks, unit: '%', divisor: 0.01 };
}

function unitOf(quantity: Quantity, max: number): { readonly divisor: number; readonly unit: string } {
  if (quantity === 'ms') {
    return max >= 2_000 ? { divisor: 1_000, unit: 's' } : { divisor: 1, unit: 'ms' };
  }
  if (quantity === 'bytes') {
    const { divisor, unit } = bytesUnit(max);
    return { divisor, unit: `${unit}/s` };
  }
  return { divisor: 1, unit: quantity === 'rate' ? '/s' : '' };
}

function roundStep(wanted: number, isWhole: boolean): number {
  if (wanted <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(wanted));
  const step = (steps.find((each) => each * power >= wanted * (1 - 1e-9)) ?? 10) * power;
  if (!isWhole) return step;
  return step === 2.5 ? 5 : Math.max(1, Math.ceil(step));
}
