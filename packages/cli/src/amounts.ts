import { usageError } from './errors.ts';

/** `500ms`, `30s`, `2m`, `1h`; a plain number is seconds. */
export function durationMs(value: string): number {
  const { amount, unit = 's' } = /^(?<amount>\d+(?:\.\d+)?)(?<unit>ms|s|m|h)?$/.exec(value)?.groups ?? {};
  const ms = Math.round(Number(amount) * ({ ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }[unit] ?? NaN));
  if (ms >= 1 && ms <= 86_400_000) return ms;
  throw usageError(`Cannot use time "${value}"`, 'Write it like 500ms, 30s or 2m; at most 24h.');
}

/** An amount of wei, as a decimal text. */
export function wei(value: string): string {
  if (/^\d{1,78}$/.test(value)) return BigInt(value).toString();
  throw usageError(
    `Cannot use price "${value}"`,
    'Write it in wei, as a whole number without unit: 1 gwei is 1000000000.',
  );
}
