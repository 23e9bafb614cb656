import type { NodeRole } from '../types.ts';
import { activeAt, isFault, type NumberedEvent } from './events.ts';
import { layoutOf, maxDrawnNodes, pointAt, roles, side, type Layout, type Sector } from './layout.ts';
import type { Tone } from './plot.ts';
import type { SimulationReport, TopologyFrame } from './types.ts';
import { counted, durationText, escapeText, finite, readable, safe, shorten, shortName } from './words.ts';

/** The report's own bound. */
const maxFrames = 60;
/** More lines than this would be one grey surface. */
const maxLines = 3_000;
const maxSmallLines = 500;
const maxSmall = 6;
/** Names fit beside nodes in networks up to this size. */
const maxNamed = 40;

/** The time, the counts and the faults of a moment. */
type Words = readonly [string, string, string];

/** What the script needs to show other moments. */
export interface TopologyData {
  readonly places: Layout['places'];
  readonly maxLines: number;
  readonly frames: readonly {
    readonly t: number;
    readonly up: string;
    readonly links: string;
    readonly say: Words;
  }[];
  /** Where the page begins: the place of the last frame. */
  readonly at: number;
}

/** What a role looks like. */
export const roleLooks: Readonly<Record<NodeRole, { readonly tone: Tone; readonly shape: string }>> = {
  executor: { tone: 'good', shape: 'circle' },
  client: { tone: 'blue', shape: 'square' },
  validator: { tone: 'amber', shape: 'triangle' },
  relay: { tone: 'violet', shape: 'diamond' },
};

const unit = (value: number): string => `${Math.round(value * 10) / 10}`;

/** The outline of a role's shape around 0, 0. */
function outline(role: NodeRole, radius: number): string {
  const r = unit(radius);
  const across = unit(2 * Number(r));
  if (role === 'executor') return `M-${r} 0a${r} ${r} 0 1 1 ${across} 0a${r} ${r} 0 1 1 -${across} 0z`;
  if (role === 'client') {
    const half = radius * 0.88;
    return `M-${unit(half)} -${unit(half)}H${unit(half)}V${unit(half)}H-${unit(half)}z`;
  }
  if (role === 'validator') {
    const low = unit(radius * 0.85);
    return `M0 -${unit(radius * 1.2)}L${unit(radius * 1.15)} ${low}H-${unit(radius * 1.15)}z`;
  }
  const far = unit(radius * 1.2);
  return `M0 -${far}L${far} 0L0 ${far}L-${far} 0z`;
}

/** A role's shape in a legend. */
export const roleKey = (role: NodeRole): string =>
  `<svg class="key narrow" viewBox="-7 -7 14 14" aria-hidden="true"><g class="node ${roleLooks[role].tone} up">` +
  `<path class="shape" d="${outline(role, 5)}"/></g></svg>`;

const downKey =
  '<svg class="key narrow" viewBox="-7 -7 14 14" aria-hidden="true"><g class="node"><path class="off" d="M-4-4L4 4M4-4L-4 4"/></g></svg>';

/** The places of bits that are set, as text: whole frames of it take less room than lists of pairs. */
function bits(count: number, set: Iterable<number>): string {
  const bytes = new Uint8Array(Math.ceil(count / 8));
  for (const place of set) bytes[place >> 3] = (bytes[place >> 3] ?? 0) | (1 << (place & 7));
  return btoa(String.fromCharCode(...bytes));
}

interface Frame {
  readonly atMs: number;
  readonly up: ReadonlySet<number>;
  readonly links: readonly (readonly [number, number])[];
}

const isPlace = (value: number, count: number): boolean =>
  Number.isInteger(value) && value >= 0 && value < count;

function framesOf(topology: readonly TopologyFrame[], count: number): readonly Frame[] {
  const frames = topology.toSorted((a, b) => finite(a.atMs) - finite(b.atMs)).slice(-maxFrames);
  return frames.map(({ atMs, up, links }) => ({
    atMs: finite(atMs),
    up: new Set(up.filter((place) => isPlace(place, count))),
    links: links
      .filter(([a, b]) => a !== b && isPlace(a, count) && isPlace(b, count))
      .map(([a, b]): readonly [number, number] => (a < b ? [a, b] : [b, a])),
  }));
}

function linksPath({ links }: Frame, places: Layout['places'], max: number): string {
  const step = Math.max(1, Math.ceil(links.length / max));
  return links
    .filter((_, place) => place % step === 0)
    .map(([a, b]) => `M${places[a]?.join(' ')}L${places[b]?.join(' ')}`)
    .join('');
}

function sectorSvg({ region, from, until }: Sector): string {
  const [start, end] = [pointAt(from, 247), pointAt(until, 247)];
  const middle = (from + until) / 2;
  const [x, y] = pointAt(middle, 256);
  const anchor = Math.abs(Math.sin(middle)) < 0.3 ? 'middle' : Math.sin(middle) > 0 ? 'start' : 'end';
  const down = Math.cos(middle) < -0.3 ? 9 : Math.cos(middle) > 0.3 ? 0 : 4;
  const isLong = until - from > Math.PI ? 1 : 0;
  return (
    `<path class="sector" d="M${start.join(' ')}A247 247 0 ${isLong} 1 ${end.join(' ')}"/>` +
    `<text class="region ${anchor}" x="${x}" y="${y + down}">${region === '' ? 'no region' : safe(region, 16)}</text>`
  );
}

function wordsAt(frame: Frame, nodes: number, events: readonly NumberedEvent[]): Words {
  const active = activeAt(events, frame.atMs).filter(isFault);
  const shown = active.slice(0, 4).map(({ number, text }) => `${number} ${readable(shorten(text, 90))}`);
  const more = active.length > shown.length ? [`and ${active.length - shown.length} more`] : [];
  return [
    durationText(frame.atMs),
    `${frame.up.size} of ${counted(nodes, 'node')} up, ${counted(frame.links.length, 'link')}`,
    active.length === 0 ? 'No fault lasts.' : `Faults: ${[...shown, ...more].join('; ')}`,
  ];
}

const nodesSvg = (nodes: SimulationReport['nodes'], { places, radius }: Layout, frame: Frame): string =>
  nodes
    .map(({ name, role, region }, place) => {
      const arm = unit(radius * 0.55);
      const label =
        nodes.length <= maxNamed
          ? `<text y="${unit(radius + 11)}" class="middle">${escapeText(shortName(name, nodes.length <= 16 ? 17 : 9))}</text>`
          : '';
      return (
        `<g class="node ${roleLooks[role].tone}${frame.up.has(place) ? ' up' : ''}" transform="translate(${places[place]?.join(' ')})">` +
        `<title>${safe(name, 60)}: ${role}${region === undefined ? '' : `, ${safe(region, 30)}`}</title>` +
        `<path class="shape" d="${outline(role, radius)}"/><path class="off" d="M-${arm}-${arm}L${arm} ${arm}M${arm}-${arm}L-${arm} ${arm}"/>` +
        `${label}</g>`
      );
    })
    .join('');

/** The network at a few moments, small: what paper and pages without scripts have in place of the slider. */
function smallSvg(frame: Frame, nodes: SimulationReport['nodes'], layout: Layout): string {
  const dots = roles.map((role) => {
    const path = nodes
      .flatMap((node, place) =>
        node.role === role && frame.up.has(place) ? [`M${layout.places[place]?.join(' ')}h0`] : [],
      )
      .join('');
    return path === '' ? '' : `<path class="dots ${roleLooks[role].tone}" d="${path}"/>`;
  });
  const down = nodes
    .flatMap((_, place) =>
      frame.up.has(place) ? [] : [`M${layout.places[place]?.join(' ')}m-9-9l18 18m0-18l-18 18`],
    )
    .join('');
  const text = `${frame.up.size} up, ${counted(frame.links.length, 'link')}`;
  return (
    `<figure><svg viewBox="30 30 500 500" role="img" aria-label="${durationText(frame.atMs)}: ${text}">` +
    `<path class="links" d="${linksPath(frame, layout.places, maxSmallLines)}"/>${dots.join('')}` +
    `<path class="off" d="${down}"/></svg><figcaption><b>${durationText(frame.atMs)}</b> ${text}</figcaption></figure>`
  );
}

/** The frames nearest to the beginning, the faults and the end; evenly spread where those are few. */
function chosen(frames: readonly Frame[], events: readonly NumberedEvent[]): readonly Frame[] {
  const last = frames.at(-1)?.atMs ?? 0;
  const even = Array.from({ length: maxSmall }, (_, place) => (last * place) / (maxSmall - 1));
  const faulty = events
    .filter(isFault)
    .slice(0, 2)
    .map(({ fromMs, endMs }) => (fromMs + (endMs ?? fromMs)) / 2);
  const nearest = (moment: number): number =>
    frames.reduce((best, { atMs }, place) => {
      const bestAt = frames[best]?.atMs ?? Infinity;
      return Math.abs(atMs - moment) < Math.abs(bestAt - moment) ? place : best;
    }, 0);
  const wanted = new Set([0, last, ...faulty, ...even].map(nearest));
  return [...wanted]
    .slice(0, maxSmall)
    .toSorted((a, b) => a - b)
    .flatMap((place) => frames[place] ?? []);
}

/** The section on who was connected with whom, and what its script needs. */
export function topologyOf(
  report: SimulationReport,
  events: readonly NumberedEvent[],
): { readonly html: string; readonly data: TopologyData | undefined } {
  const { nodes } = report;
  const frames = nodes.length <= maxDrawnNodes ? framesOf(report.topology, nodes.length) : [];
  const last = frames.at(-1);
  if (last === undefined || nodes.length === 0) {
    const why =
      nodes.length > maxDrawnNodes
        ? `Networks of more than ${maxDrawnNodes} nodes are not drawn: this one has ${nodes.length}.`
        : 'No topology was recorded.';
    return { html: `<p class="empty card">${why}</p>`, data: undefined };
  }
  const layout = layoutOf(nodes);
  const says = frames.map((frame) => wordsAt(frame, nodes.length, events));
  const present = roles.filter((role) => nodes.some((node) => node.role === role));
  const keys = present.map(
    (role) => `<li>${roleKey(role)}${role} <b>${nodes.filter((node) => node.role === role).length}</b></li>`,
  );
  const isThinned = frames.some(({ links }) => links.length > maxLines);
  const html =
    '<div class="card topology"><div class="controls" data-script hidden>' +
    '<button type="button" id="play" aria-controls="network">Play</button>' +
    `<label for="moment">Moment</label><input type="range" id="moment" min="0" max="${frames.length - 1}" step="1" ` +
    `value="${frames.length - 1}" aria-valuetext="${durationText(last.atMs)}"></div>` +
    `<p class="say" id="say">${(says.at(-1) ?? []).map((words) => `<span>${escapeText(words)}</span>`).join(' ')}</p>` +
    `<svg id="network" viewBox="-40 -10 ${side + 80} ${side + 20}" role="img" aria-labelledby="network-t" aria-describedby="say">` +
    '<title id="network-t">Nodes and their links</title>' +
    `${layout.sectors.map(sectorSvg).join('')}<path class="links" d="${linksPath(last, layout.places, maxLines)}"/>` +
    `${nodesSvg(nodes, layout, last)}</svg>` +
    `<ul class="legend">${keys.join('')}<li>${downKey}down</li></ul>` +
    (isThinned ? '<p class="note">Of very many links only a part is drawn, evenly chosen.</p>' : '') +
    '</div>' +
    `<div class="strip">${chosen(frames, events)
      .map((frame) => smallSvg(frame, nodes, layout))
      .join('')}</div>`;
  const pair = ([a, b]: readonly [number, number]): number =>
    a * nodes.length - (a * (a + 1)) / 2 + (b - a - 1);
  const data: TopologyData = {
    places: layout.places,
    maxLines,
    frames: frames.map((frame, place) => ({
      t: frame.atMs,
      up: bits(nodes.length, frame.up),
      links: bits((nodes.length * (nodes.length - 1)) / 2, frame.links.map(pair)),
      say: says[place] ?? ['', '', ''],
    })),
    at: frames.length - 1,
  };
  return { html, data };
}
