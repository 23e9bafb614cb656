import type { NumberedEvent } from './events.ts';
import { shareOf, type Axis } from './scale.ts';
import { escapeText, numberText } from './words.ts';

/** The rectangle of a picture in which values are drawn, and what is around it. Units of the picture, about px. */
export const view = { width: 360, height: 196, left: 40, right: 70, top: 20, bottom: 30 };
const plotWidth = view.width - view.left - view.right;
const plotHeight = view.height - view.top - view.bottom;
const floor = view.top + plotHeight;
const rightEnd = view.left + plotWidth;

/** What a line or an area looks like: a colour, which never stands alone. */
export type Tone = 'good' | 'bad' | 'blue' | 'amber' | 'violet';
/** Solid, dashed, dotted, or dashes and dots. */
export type Dash = 0 | 1 | 2 | 3;

/** One line of a picture. */
export interface Series {
  readonly label: string;
  readonly tone: Tone;
  readonly dash: Dash;
  /** Where `y` is absent the line is broken. */
  readonly points: readonly (readonly [x: number, y: number | undefined])[];
  /** `ahead`: a value lasts until the next one; `behind`: it has been so since the one before. @default straight lines */
  readonly step?: 'ahead' | 'behind';
}

/** An area between two lines. */
export interface Area {
  readonly label: string;
  readonly tone: Tone;
  readonly points: readonly (readonly [x: number, low: number, high: number])[];
}

/** Where points lie. */
export interface Scales {
  readonly x: Axis;
  readonly y: Axis;
}

const round = (value: number): number => Math.round(value * 10) / 10;

const xOf = ({ x }: Scales, value: number): number => round(view.left + shareOf(x, value) * plotWidth);

const yOf = ({ y }: Scales, value: number): number => round(floor - shareOf(y, value) * plotHeight);

/** The frame: lines at round values, and what they stand for. */
export function frameSvg({ x, y }: Scales): string {
  const rows = y.ticks.map(({ at, text }) => {
    const place = yOf({ x, y }, at);
    return (
      `<path class="${at === y.min ? 'axis' : 'grid'}" d="M${view.left} ${place}H${rightEnd}"/>` +
      `<text x="${view.left - 5}" y="${place + 3.5}" class="end">${text}</text>`
    );
  });
  const columns = x.ticks.map(({ at, text }) => {
    const place = xOf({ x, y }, at);
    return (
      `<path class="axis" d="M${place} ${floor}v4"/>` +
      `<text x="${place}" y="${floor + 15}" class="middle">${text}</text>`
    );
  });
  return (
    rows.join('') +
    columns.join('') +
    `<text x="${view.left - 5}" y="${view.top - 9}" class="end unit">${y.unit}</text>` +
    `<text x="${rightEnd + 15}" y="${floor + 15}" class="unit">${x.unit}</text>`
  );
}

/** Bands and lines for what befell the network, with their numbers above. */
export function marksSvg(marks: readonly NumberedEvent[], scales: Scales): string {
  let freeFrom = -Infinity;
  return marks
    .map((mark) => {
      const from = xOf(scales, mark.fromMs);
      const until = mark.endMs === undefined ? from : xOf(scales, mark.endMs);
      const shape =
        mark.kind === 'load' || until - from < 1
          ? `<path class="mark" d="M${from} ${view.top}V${floor}"/>`
          : `<rect class="band" x="${from}" y="${view.top}" width="${round(until - from)}" height="${plotHeight}"/>` +
            `<path class="mark" d="M${from} ${floor}V${view.top}H${until}V${floor}"/>`;
      const isFree = from - freeFrom >= 0;
      if (isFree) freeFrom = from + 7 * `${mark.number}`.length + 3;
      return (
        shape + (isFree ? `<text class="number" x="${from}" y="${view.top - 4}">${mark.number}</text>` : '')
      );
    })
    .join('');
}

/** A line, broken where it has no values; a value alone is a dot. */
export function lineSvg(series: Series, scales: Scales): string {
  const pieces: string[] = [];
  const dots: string[] = [];
  let piece: string[] = [];
  const end = (): void => {
    if (piece.length === 1) dots.push(`${piece[0]?.replace('L', 'M')}h0`);
    else if (piece.length > 1) pieces.push(piece.join('').replace('L', 'M'));
    piece = [];
  };
  for (const [x, y] of series.points) {
    if (y === undefined) {
      end();
      continue;
    }
    const [left, top] = [xOf(scales, x), yOf(scales, y)];
    if (piece.length === 0 || series.step === undefined) piece.push(`L${left} ${top}`);
    else piece.push(series.step === 'ahead' ? `H${left}V${top}` : `V${top}H${left}`);
  }
  end();
  const line =
    pieces.length === 0 ? '' : `<path class="line ${series.tone} d${series.dash}" d="${pieces.join('')}"/>`;
  return line + (dots.length === 0 ? '' : `<path class="dots ${series.tone}" d="${dots.join('')}"/>`);
}

/** An area with the pattern of its tone. */
export function areaSvg({ points, tone }: Area, scales: Scales): string {
  if (points.length === 0) return '';
  const upper = points.map(([x, , high]) => `${xOf(scales, x)} ${yOf(scales, high)}`);
  const lower = points.toReversed().map(([x, low]) => `${xOf(scales, x)} ${yOf(scales, low)}`);
  return (
    `<path class="area ${tone}" d="M${upper.join('L')}L${lower.join('L')}Z"/>` +
    `<path class="line ${tone} d0" d="M${upper.join('L')}"/>`
  );
}

/** What stands for one outcome of a request: shapes differ, not colours alone. */
export type Glyph = 'dot' | 'cross' | 'triangle' | 'square' | 'diamond' | 'plus';

const glyphs: Readonly<Record<Glyph, string>> = {
  dot: 'h0',
  cross: 'm-3-3l6 6m0-6l-6 6',
  triangle: 'm0-3.4l3.4 6h-6.8z',
  square: 'm-2.7-2.7h5.4v5.4h-5.4z',
  diamond: 'm0-3.8l3.8 3.8l-3.8 3.8l-3.8-3.8z',
  plus: 'm-3.4 0h6.8m-3.4-3.4v6.8',
};

/** Many points of one kind as one path. */
export function scatterSvg(
  points: readonly (readonly [x: number, y: number])[],
  scales: Scales,
  { tone, glyph }: { readonly tone: Tone; readonly glyph: Glyph },
): string {
  const path = points.map(([x, y]) => `M${xOf(scales, x)} ${yOf(scales, y)}${glyphs[glyph]}`).join('');
  return path === '' ? '' : `<path class="${glyph === 'dot' ? 'dots' : 'glyphs'} ${tone}" d="${path}"/>`;
}

/** Labels at the ends of lines, moved apart where they would touch. */
export function endLabelsSvg(
  labels: readonly { readonly text: string; readonly tone: Tone; readonly value: number }[],
  scales: Scales,
): string {
  const gap = 12;
  const placed = labels
    .map((label) => ({ ...label, top: yOf(scales, label.value) + 3.5 }))
    .toSorted((a, b) => a.top - b.top);
  let least = view.top + 3;
  for (const label of placed) {
    label.top = Math.max(label.top, least);
    least = label.top + gap;
  }
  let most = floor + 2;
  for (const label of placed.toReversed()) {
    label.top = round(Math.min(label.top, most));
    most = label.top - gap;
  }
  return placed
    .map(
      ({ text, tone, top }) =>
        `<text class="label ${tone}" x="${rightEnd + 5}" y="${top}">${escapeText(text)}</text>`,
    )
    .join('');
}

/** What a legend shows of a line: its colour and its dashes. */
export const lineKey = (tone: Tone, dash: Dash): string =>
  `<svg class="key" viewBox="0 0 24 10" aria-hidden="true"><path class="line ${tone} d${dash}" d="M0 5H24"/></svg>`;

/** What a legend shows of an area. */
export const areaKey = (tone: Tone): string =>
  `<svg class="key" viewBox="0 0 24 10" aria-hidden="true"><path class="area ${tone}" d="M0 0H24V10H0Z"/></svg>`;

/** What a legend shows of a point. */
export const glyphKey = (tone: Tone, glyph: Glyph): string =>
  `<svg class="key narrow" viewBox="0 0 12 10" aria-hidden="true"><path class="${
    glyph === 'dot' ? 'dots' : 'glyphs'
  } ${tone}" d="M6 5${glyphs[glyph]}"/></svg>`;

/** A value in the unit of an axis. */
export function valueText(value: number, { divisor, unit }: Axis): string {
  const text = numberText(value / divisor);
  return unit === '' ? text : `${text} ${unit}`;
}

/** The patterns that tell areas apart without their colours; once on a page. */
export const patternsSvg =
  '<svg class="hidden" aria-hidden="true" width="0" height="0"><defs>' +
  '<pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">' +
  '<path class="hatch" d="M0 0V5"/></pattern>' +
  '<pattern id="dotted" width="5" height="5" patternUnits="userSpaceOnUse"><circle class="dotted" cx="2.5" cy="2.5" r="1.2"/>' +
  '</pattern></defs></svg>';
