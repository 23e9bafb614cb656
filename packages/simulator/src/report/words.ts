import type { PropertyResult } from './types.ts';

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
/** What XML 1.0 does not allow, even escaped: control characters, halves of pairs, non-characters. */
// oxlint-disable-next-line no-control-regex -- these are the characters to be replaced
const forbidden = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\ufffe\uffff]|\p{Surrogate}/gu;
/** These turn the direction of what follows them, and could make a name look like another. */
const turning = /[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]/g;

/** A text without characters that a reader would not see, or that a terminal would obey. */
export function readable(text: string): string {
  return text.replaceAll(forbidden, '\ufffd').replaceAll(turning, '\ufffd');
}

/** Any text as it may stand in HTML, between tags and in attributes. */
export function escapeText(text: string): string {
  return readable(text).replaceAll(/[&<>"']/g, (character) => entities[character] ?? character);
}

/** A text on one line, of at most some characters. */
export function shorten(text: string, maxLength: number): string {
  // A character is at most a few units long: what is far behind the end need not be split.
  const start = text.slice(0, maxLength * 4 + 4).replaceAll(/\s+/g, ' ');
  const characters = Array.from(start);
  if (characters.length <= maxLength) return start;
  return `${characters.slice(0, maxLength - 1).join('')}…`;
}

/** A name of at most some characters, cut in the middle, since both of its ends tell names apart. */
export function shortName(name: string, maxLength: number): string {
  const characters = Array.from(shorten(name, 100));
  if (characters.length <= maxLength) return characters.join('');
  const kept = Math.floor((maxLength - 1) / 2);
  return `${characters.slice(0, maxLength - 1 - kept).join('')}…${characters.slice(-kept).join('')}`;
}

/** A text from the report as it may stand in HTML, of at most some characters. */
export const safe = (text: string, maxLength = 200): string => escapeText(shorten(text, maxLength));

/** A number, or 0 where there is none. */
export const finite = (value: number | undefined): number =>
  value !== undefined && Number.isFinite(value) ? value : 0;

/** A number with as many digits as tell something. */
export function numberText(value: number): string {
  const amount = finite(value);
  const size = Math.abs(amount);
  if (size >= 1e15) return amount.toExponential(2);
  const digits = size >= 100 || Number.isInteger(amount) ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 4;
  const [whole = '0', part] = amount.toFixed(digits).split('.');
  const grouped = whole.replaceAll(/\B(?=(?:\d{3})+$)/g, '\u202f');
  const rest = part?.replace(/0+$/, '') ?? '';
  return rest === '' ? grouped : `${grouped}.${rest}`;
}

/** A share of 1 as a percentage. What is not all never reads `100 %`, and what is not nothing never `0 %`. */
export function shareText(share: number): string {
  const percent = finite(share) * 100;
  if (percent > 99.9 && percent < 100) return '> 99.9 %';
  if (percent > 0 && percent < 0.1) return '< 0.1 %';
  return `${numberText(Math.round(percent * 10) / 10)} %`;
}

/** A duration as people read it, such as `304 µs`, `33.5 ms`, `2 min 5 s`. */
export function durationText(ms: number): string {
  const amount = Math.max(0, finite(ms));
  if (amount < 0.001) return '0 s';
  if (amount < 1) return `${Math.round(amount * 1_000)} µs`;
  if (amount < 1_000) return `${oneDecimal(amount)} ms`;
  const seconds = Math.round(amount / 1_000);
  if (seconds < 60) return `${oneDecimal(amount / 1_000)} s`;
  if (seconds < 3_600) return parts([Math.floor(seconds / 60), 'min'], [seconds % 60, 's']);
  const minutes = Math.round(seconds / 60);
  return parts([Math.floor(minutes / 60), 'h'], [minutes % 60, 'min']);
}

/** An amount of bytes, such as `1.2 MB`. */
export function bytesText(bytes: number): string {
  const amount = Math.max(0, finite(bytes));
  const { divisor, unit } = bytesUnit(amount);
  return `${numberText(amount / divisor)} ${unit}`;
}

/** The unit in which an amount of bytes reads best. */
export function bytesUnit(bytes: number): { readonly divisor: number; readonly unit: string } {
  if (bytes >= 1e9) return { divisor: 1e9, unit: 'GB' };
  if (bytes >= 1e6) return { divisor: 1e6, unit: 'MB' };
  if (bytes >= 1e3) return { divisor: 1e3, unit: 'kB' };
  return { divisor: 1, unit: 'B' };
}

/** Properties by what became of them, each in its order. */
export function verdictsOf(all: readonly PropertyResult[]): {
  readonly failed: readonly PropertyResult[];
  /** Not decided. */
  readonly open: readonly PropertyResult[];
  readonly held: readonly PropertyResult[];
} {
  return {
    failed: all.filter(({ holds, isDecided }) => isDecided && !holds),
    open: all.filter(({ isDecided }) => !isDecided),
    held: all.filter(({ holds }) => holds),
  };
}

/** A count with its noun. */
export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${numberText(count)} ${count === 1 ? one : many}`;

/** The command that repeats a run, quoted as shells want it. */
export function repeatCommand(name: string, seed: number): string {
  const text = shorten(readable(name), 200);
  const quoted = /^[\w./@-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
  return `lloom simulate --scenario ${quoted} --seed ${seed}`;
}

/** An amount in wei; large ones by their power of ten. */
export function weiText(spent: string): string {
  if (!/^\d{1,80}$/.test(spent)) return `${shorten(spent, 12)} wei`;
  const digits = spent.replace(/^0+(?=\d)/, '');
  if (digits.length <= 9) return `${numberText(Number(digits))} wei`;
  return `${digits[0]}.${digits.slice(1, 3)}e${digits.length - 1} wei`;
}

function oneDecimal(value: number): number {
  return value < 100 ? Math.round(value * 10) / 10 : Math.round(value);
}

function parts([more, moreUnit]: [number, string], [less, lessUnit]: [number, string]): string {
  return less === 0 ? `${more} ${moreUnit}` : `${more} ${moreUnit} ${less} ${lessUnit}`;
}
