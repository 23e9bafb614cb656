import type { NumberedEvent } from './events.ts';
import {
  areaKey,
  areaSvg,
  endLabelsSvg,
  frameSvg,
  glyphKey,
  lineKey,
  lineSvg,
  marksSvg,
  scatterSvg,
  valueText,
  view,
  type Area,
  type Glyph,
  type Scales,
  type Series,
  type Tone,
} from './plot.ts';
import { axisOf, logAxis, type Axis, type Quantity } from './scale.ts';
import { escapeText, finite } from './words.ts';

/** What every picture has. */
interface FigureHead {
  readonly id: string;
  readonly title: string;
  /** What it shows, in one sentence. */
  readonly help: string;
}

/** A picture over virtual time. */
export interface TimeFigure extends FigureHead {
  readonly quantity: Quantity;
  readonly series: readonly Series[];
  readonly areas?: readonly Area[];
  /** What is said when there is nothing to draw. */
  readonly empty: string;
}

/** What all pictures over time share. */
export interface TimeContext {
  readonly time: Axis;
  readonly marks: readonly NumberedEvent[];
}

/** The values of a picture, for the script that tells them at a moment: in the unit of the axis. */
export interface FigureData {
  readonly id: string;
  readonly unit: string;
  readonly series: readonly (readonly (number | null)[])[];
}

/** A picture as HTML, and its values. */
export interface DrawnFigure {
  readonly html: string;
  readonly data?: FigureData;
}

const shell = ({ id, title, help }: FigureHead, body: string): string =>
  `<figure class="card chart" id="${id}"><figcaption><h3>${escapeText(title)}</h3><p>${escapeText(help)}</p></figcaption>` +
  `${body}</figure>`;

const picture = ({ id, title }: FigureHead, description: string, content: string): string =>
  `<svg class="plot" viewBox="0 0 ${view.width} ${view.height}" role="img" aria-labelledby="${id}-t ${id}-d">` +
  `<title id="${id}-t">${escapeText(title)}</title><desc id="${id}-d">${escapeText(description)}</desc>${content}</svg>`;

/** A picture in which there is nothing to see, and why. */
export const emptyFigure = (head: FigureHead, why: string): DrawnFigure => ({
  html: shell(head, `<p class="empty">${escapeText(why)}</p>`),
});

interface Drawn {
  readonly label: string;
  readonly tone: Tone;
  readonly key: string;
  readonly values: readonly (number | undefined)[];
}

const inWords = (drawn: readonly Drawn[], axis: Axis): string =>
  drawn
    .map(({ label, values }) => {
      const known = values.filter((value) => value !== undefined);
      const first = known.at(0);
      if (first === undefined) return `${label}: no values.`;
      const text = (value: number): string => valueText(value, axis);
      const least = known.reduce((a, b) => Math.min(a, b));
      const most = known.reduce((a, b) => Math.max(a, b));
      return `${label}: from ${text(first)} at the beginning to ${text(known.at(-1) ?? first)} at the end, between ${text(least)} and ${text(most)}.`;
    })
    .join(' ');

const legend = (drawn: readonly Drawn[], axis: Axis): string =>
  `<ul class="legend">${drawn
    .map(({ label, key, values }) => {
      const last = values.findLast((value) => value !== undefined);
      const text = last === undefined ? '–' : valueText(last, axis);
      return `<li>${key}${escapeText(label)} <b data-value>${escapeText(text)}</b></li>`;
    })
    .join('')}</ul>`;

const places = (value: number): number =>
  Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3));

/** Lines and areas over virtual time, under the marks of what befell the network. */
export function timeFigure(figure: TimeFigure, { time, marks }: TimeContext): DrawnFigure {
  const areas = figure.areas ?? [];
  const drawn: Drawn[] = [
    ...areas.map(({ label, tone, points }) => ({
      label,
      tone,
      key: areaKey(tone),
      values: points.map(([, low, high]) => high - low),
    })),
    ...figure.series.map(({ label, tone, dash, points }) => ({
      label,
      tone,
      key: lineKey(tone, dash),
      values: points.map(([, y]) => y),
    })),
  ];
  const tops = [
    ...areas.flatMap(({ points }) => points.map(([, , high]) => high)),
    ...figure.series.flatMap(({ points }) => points.map(([, y]) => finite(y))),
  ];
  if (drawn.every(({ values }) => values.every((value) => value === undefined))) {
    return emptyFigure(figure, figure.empty);
  }
  const y = axisOf(
    figure.quantity,
    tops.reduce((a, b) => Math.max(a, b), 0),
  );
  const scales: Scales = { x: time, y };
  const ends = [
    ...areas.flatMap(({ label, tone, points }) => {
      const last = points.at(-1);
      return last === undefined || last[2] === last[1]
        ? []
        : [{ text: label, tone, value: (last[1] + last[2]) / 2 }];
    }),
    ...figure.series.flatMap(({ label, tone, points }) => {
      const value = points.findLast(([, each]) => each !== undefined)?.[1];
      const text = drawn.length === 1 && value !== undefined ? valueText(value, y) : label;
      return value === undefined ? [] : [{ text, tone, value }];
    }),
  ];
  const content =
    marksSvg(marks, scales) +
    frameSvg(scales) +
    areas.map((area) => areaSvg(area, scales)).join('') +
    figure.series.map((series) => lineSvg(series, scales)).join('') +
    endLabelsSvg(ends, scales) +
    `<path class="cursor" d="M0 ${view.top}V${view.height - view.bottom}"/>`;
  const description = `${inWords(drawn, y)} Over ${valueText(time.max, time)} of virtual time.`;
  return {
    html: shell(figure, legend(drawn, y) + picture(figure, description, content)),
    data: {
      id: figure.id,
      unit: y.unit,
      series: drawn.map(({ values }) =>
        values.map((value) => (value === undefined ? null : places(value / y.divisor))),
      ),
    },
  };
}

/** Points of one kind in a scatter. */
export interface PointGroup {
  readonly label: string;
  readonly tone: Tone;
  readonly glyph: Glyph;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** Points over virtual time, a shape for each kind. */
export function scatterFigure(
  figure: FigureHead & { readonly groups: readonly PointGroup[]; readonly empty: string },
  { time, marks }: TimeContext,
): DrawnFigure {
  const all = figure.groups.flatMap(({ points }) => points);
  if (all.length === 0) return emptyFigure(figure, figure.empty);
  const values = all.map(([, value]) => value);
  const y = logAxis(
    values.reduce((a, b) => Math.min(a, b)),
    values.reduce((a, b) => Math.max(a, b)),
  );
  const scales: Scales = { x: time, y };
  const keys = figure.groups
    .map(
      ({ label, tone, glyph, points }) =>
        `<li>${glyphKey(tone, glyph)}${escapeText(label)} <b>${points.length}</b></li>`,
    )
    .join('');
  const content =
    marksSvg(marks, scales) +
    frameSvg(scales) +
    figure.groups.map((group) => scatterSvg(group.points, scales, group)).join('');
  const description = figure.groups.map(({ label, points }) => `${label}: ${points.length}.`).join(' ');
  return { html: shell(figure, `<ul class="legend">${keys}</ul>${picture(figure, description, content)}`) };
}

/** A share that grows to 1 over ms. */
export function curveFigure(
  figure: FigureHead & {
    readonly points: readonly (readonly [number, number])[];
    readonly empty: string;
    readonly tone: Tone;
  },
): DrawnFigure {
  const points = figure.points
    .map(([x, share]) => [Math.max(0, finite(x)), Math.min(1, Math.max(0, finite(share)))] as const)
    .toSorted((a, b) => a[0] - b[0]);
  const last = points.at(-1);
  if (last === undefined) return emptyFigure(figure, figure.empty);
  const x = axisOf('ms', last[0], 5);
  const y = axisOf('share', 1);
  const scales: Scales = { x, y };
  const reached = [0.5, 0.9, 0.99].flatMap((share) => {
    const at = points.find(([, each]) => each >= share)?.[0];
    return at === undefined ? [] : [{ share, at }];
  });
  const series: Series = {
    label: figure.title,
    tone: figure.tone,
    dash: 0,
    step: 'ahead',
    points: [[0, points[0]?.[0] === 0 ? points[0][1] : 0], ...points],
  };
  const content =
    frameSvg(scales) +
    lineSvg(series, scales) +
    scatterSvg(
      reached.map(({ share, at }) => [at, share]),
      scales,
      { tone: figure.tone, glyph: 'diamond' },
    ) +
    endLabelsSvg([{ text: valueText(last[1], y), tone: figure.tone, value: last[1] }], scales);
  const facts = reached
    .map(
      ({ share, at }) => `<li>${escapeText(valueText(share, y))} <b>${escapeText(valueText(at, x))}</b></li>`,
    )
    .join('');
  const description =
    reached.map(({ share, at }) => `${valueText(share, y)} within ${valueText(at, x)}.`).join(' ') +
    ` At the end ${valueText(last[1], y)}.`;
  return {
    html: shell(figure, `<ul class="legend within">${facts}</ul>${picture(figure, description, content)}`),
  };
}
