import type { ElkExtendedEdge, ElkNode, ElkPoint } from 'elkjs/lib/elk-api.js';
import { statesIn, transitionsIn, type MachineChart } from './chart.ts';
import {
  chartGraph,
  lineHeightPx,
  paddingPx,
  partGapPx,
  type Arrow,
  type ChartGraph,
  type Direction,
  type StateBox,
} from './internal/chartGraph.ts';
import type { Line, TransitionText } from './internal/chartText.ts';
import { countOf } from './internal/counts.ts';
import { layOut } from './internal/elk.ts';
import { escapeText } from './internal/svgText.ts';
import { chartStyle } from './internal/theme.ts';
import type { MachineRun, Run } from './run.ts';

/**
 * A picture of a machine as SVG: its states, transitions, guards, actions and actors. With a run it shows how often
 * and how long each state was visited, which transitions were taken, and how often a guard said no; what never
 * happened is dashed. Light or dark as the reader's system asks, or as `data-theme` says on an element around it. The
 * same input gives the same text.
 *
 * Each state's element has its id in `data-state`, each transition's its key in `data-transition`. A page that shows
 * a machine as it stands gives them the class `now` and `hit`.
 *
 * @throws {Error} when the layout fails
 * @example
 * ```ts
 * writeFileSync('request.svg', await chartSvg(machineChart(requestMachine), recorder.run()));
 * ```
 */
export async function chartSvg(chart: MachineChart, run?: Pick<Run, 'machines'>): Promise<string> {
  const found = run?.machines.find((machine) => machine.chart.shape === chart.shape);
  const { drawing, placed } = await best(chart, found);
  const { width, height } = sizeOf(placed);
  const nodes = nodesIn(placed);
  const body = [
    ...nodesOf(placed, drawing),
    ...startsOf(placed, drawing),
    ...arrowsOf(placed, drawing, nodes),
    ...[...drawing.boxes].flatMap(([id, box]) => headingSvg(box, rectangleOf(nodes.get(id) ?? {}))),
  ];
  const look = run === undefined ? 'lm' : 'lm counted';
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="${look}" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">`,
    `<title>${escapeText(`Machine ${chart.id}`)}</title>`,
    `<desc>${escapeText(descriptionOf(chart, run === undefined ? undefined : (found ?? noCounts)))}</desc>`,
    chartStyle,
    `<rect class="ground" width="${width}" height="${height}"/>`,
    ...body,
    '</svg>',
  ].join('\n');
}

type Counts = Pick<MachineRun, 'states' | 'transitions'>;
const noCounts: Counts = { states: {}, transitions: {} };

/** What is shown, for those who do not see it. */
function descriptionOf({ root }: MachineChart, counts: Counts | undefined): string {
  const states = statesIn(root).filter(({ type, path }) => type !== 'history' && path !== '');
  const transitions = transitionsIn(root);
  const names = states.filter(({ id }) => root.initial.includes(id)).map(({ name }) => name);
  const sizes = `A state chart with ${counted(states.length, 'state')} and ${counted(transitions.length, 'transition')}`;
  const start = names.length === 0 ? '' : `, starting in ${names.join(' and ')}`;
  if (counts === undefined) return `${sizes}${start}.`;
  const visited = states.filter(({ id }) => (countOf(counts.states, id)?.visits ?? 0) > 0).length;
  const taken = transitions.filter(({ key }) => (countOf(counts.transitions, key)?.taken ?? 0) > 0).length;
  return `${sizes}${start}. ${visited} of the states were visited, ${taken} of the transitions taken.`;
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

interface Picture {
  readonly drawing: ChartGraph;
  readonly placed: ElkNode;
}

/** What most readers can show without making it smaller. */
const page = { width: 1_150, height: 800 };
const manyStates = 9;
/** From here on each layout takes a tenth of a second, and only those that are likely to fit are tried. */
const veryManyStates = 30;

/** The first layout that fits a page, or the one that comes nearest to that. */
async function best(chart: MachineChart, run: MachineRun | undefined): Promise<Picture> {
  const count = statesIn(chart.root).filter(({ type }) => type !== 'history').length - 1;
  const [one, other]: [Direction, Direction] = count > manyStates ? ['RIGHT', 'DOWN'] : ['DOWN', 'RIGHT'];
  const first = chartGraph(chart, run, { direction: one, isTurned: false });
  const turned = [one, other].map((direction) => ({ direction, isTurned: true }));
  const straight = { direction: other, isTurned: false };
  const isVeryLarge = first.canTurn && count > veryManyStates;
  const ways = [...(isVeryLarge ? [] : [straight]), ...(first.canTurn ? turned : [])];
  let found = isVeryLarge ? undefined : await pictureOf(first);
  for (const way of ways) {
    if (found !== undefined && excessOf(found) <= 1) break;
    const next = await pictureOf(chartGraph(chart, run, way));
    if (found === undefined || excessOf(next) < excessOf(found)) found = next;
  }
  return found ?? pictureOf(first);
}

const pictureOf = async (drawing: ChartGraph): Promise<Picture> => ({
  drawing,
  placed: await layOut(drawing.graph),
});

const sizeOf = ({ width = 0, height = 0 }: ElkNode): { width: number; height: number } => ({
  width: Math.ceil(width),
  height: Math.ceil(height),
});

/** How many times too large a picture is. */
function excessOf({ placed }: Picture): number {
  const { width, height } = sizeOf(placed);
  return Math.max(width / page.width, height / page.height);
}

interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const rectangleOf = ({ x = 0, y = 0, width = 0, height = 0 }: Partial<Rectangle>): Rectangle => ({
  x: rounded(x),
  y: rounded(y),
  width: rounded(width),
  height: rounded(height),
});

const rounded = (value: number): number => Math.round(value * 10) / 10;

/** Every node by its id. */
function nodesIn(node: ElkNode): Map<string, Rectangle> {
  const nodes = new Map<string, Rectangle>();
  const collect = (at: ElkNode): void => {
    nodes.set(at.id, rectangleOf(at));
    for (const child of at.children ?? []) collect(child);
  };
  collect(node);
  return nodes;
}

/** States, outer ones first, and the dots where they start. */
function nodesOf(node: ElkNode, drawing: ChartGraph): string[] {
  return (node.children ?? []).flatMap((child) => {
    const box = drawing.boxes.get(child.id);
    if (box !== undefined) return [stateSvg(box, rectangleOf(child)), ...nodesOf(child, drawing)];
    return drawing.arrows.some(({ ring }) => ring === child.id) ? [] : circleSvg('dot', rectangleOf(child));
  });
}

function circleSvg(look: string, { x, y, width }: Rectangle, title = ''): string {
  const radius = width / 2;
  const at = `cx="${rounded(x + radius)}" cy="${rounded(y + radius)}" r="${radius}"`;
  return title === '' ? `<circle class="${look}" ${at}/>` : `<circle class="${look}" ${at}>${title}</circle>`;
}

function stateSvg(box: StateBox, at: Rectangle): string {
  const { state, headPx, isRegion } = box;
  const isGroup = state.states.length > 0;
  const look = isGroup ? `group${isRegion ? ' region' : ''}` : 'state';
  const inner = { x: at.x + 3, y: at.y + 3, width: at.width - 6, height: at.height - 6 };
  const parts = [
    titleSvg(state.description),
    `<rect class="${look}" ${attributes(at)} rx="${state.type === 'history' ? at.width / 2 : 6}"/>`,
    ...(state.type === 'final' ? [`<rect class="state inner" ${attributes(inner)} rx="4"/>`] : []),
    ...(isGroup
      ? [`<path class="rule" d="M${at.x} ${rounded(at.y + headPx)}h${at.width}"/>`]
      : textsOf(box, at)),
  ];
  return `<g class="${usedOf(box)}" data-state="${escapeText(state.id)}">${parts.join('')}</g>`;
}

const usedOf = ({ isUsed }: StateBox): string => (isUsed ? 'used' : 'unused');

/** The text of a state that holds others; arrows may lead across it, so it is drawn after them. */
function headingSvg(box: StateBox, at: Rectangle): string[] {
  const { states, type } = box.state;
  if (states.length === 0) return [];
  const place = `x="${rounded(at.x + at.width - 10)}" y="${rounded(at.y + paddingPx + 10)}"`;
  const kind =
    type === 'parallel' ? `<text class="small soft" ${place} text-anchor="end">parallel</text>` : '';
  const own = `data-heading="${escapeText(box.state.id)}"`;
  return [`<g class="heading ${usedOf(box)}" ${own}>${kind}${textsOf(box, at).join('')}</g>`];
}

function textsOf({ state, lines, rows }: StateBox, at: Rectangle): string[] {
  const isLeft = state.states.length > 0 || rows.length > 0;
  const left = at.x + paddingPx + 2;
  const x = isLeft ? left : at.x + at.width / 2;
  const y = state.type === 'history' ? at.y + 3 : at.y + paddingPx - 1;
  return [
    ...linesSvg(lines, { x, y, anchor: isLeft ? 'start' : 'middle' }),
    ...rows.map((row, index) =>
      partSvg(row, { x: left, y: y + (lines.length + index) * lineHeightPx, anchor: 'start' }),
    ),
  ];
}

const titleSvg = (text: string | undefined): string =>
  text === undefined ? '' : `<title>${escapeText(text)}</title>`;

function attributes({ x, y, width, height }: Rectangle): string {
  return `x="${rounded(x)}" y="${rounded(y)}" width="${rounded(width)}" height="${rounded(height)}"`;
}

interface TextPlace {
  readonly x: number;
  readonly y: number;
  readonly anchor: 'start' | 'middle';
}

function linesSvg(lines: readonly Line[], { x, y, anchor }: TextPlace): string[] {
  return lines.map((line, index) => {
    const baseline = rounded(y + (index + 1) * lineHeightPx - 2);
    const middle = anchor === 'middle' ? ' text-anchor="middle"' : '';
    return `<text class="${line.look}" x="${rounded(x)}" y="${baseline}"${middle}>${escapeText(line.text)}</text>`;
  });
}

const lookOf = ({ taken }: { readonly taken: number }): string =>
  taken === 0 ? 'unused' : taken === 1 ? 'used' : 'used often';

/** One of several transitions of a label, or of a state's rows. */
function partSvg(part: TransitionText, at: TextPlace): string {
  const text = linesSvg(part.lines, at).join('');
  return `<g class="row ${lookOf(part)}" ${keyOf(part)}>${titleSvg(part.title)}${text}</g>`;
}

const keyOf = ({ transition }: TransitionText): string => `data-transition="${escapeText(transition.key)}"`;

/** Every edge by its id. */
function edgesIn(node: ElkNode): Map<string, ElkExtendedEdge> {
  const edges = new Map<string, ElkExtendedEdge>();
  const collect = (at: ElkNode): void => {
    for (const edge of at.edges ?? []) edges.set(edge.id, edge);
    for (const child of at.children ?? []) collect(child);
  };
  collect(node);
  return edges;
}

const pathsOf = ({ sections = [] }: ElkExtendedEdge): string[] =>
  sections.map(({ startPoint, bendPoints = [], endPoint }) => pathSvg([startPoint, ...bendPoints, endPoint]));

function startsOf(graph: ElkNode, drawing: ChartGraph): string[] {
  const edges = edgesIn(graph);
  return drawing.starts.flatMap((id) => {
    const edge = edges.get(id);
    if (edge === undefined) return [];
    const isUsed = drawing.boxes.get(edge.targets[0] ?? '')?.isUsed === true;
    return `<g class="${isUsed ? 'used' : 'unused'}">${pathsOf(edge).join('')}</g>`;
  });
}

/** Used ones last, so that they lie on top where arrows cross. */
function arrowsOf(graph: ElkNode, { arrows }: ChartGraph, nodes: ReadonlyMap<string, Rectangle>): string[] {
  const edges = edgesIn(graph);
  const drawn = arrows.toSorted((a, b) => Number(a.taken > 0) - Number(b.taken > 0));
  return drawn.map((arrow) => {
    const own = arrow.edges.flatMap((id) => edges.get(id) ?? []);
    const ring = nodes.get(arrow.ring ?? '');
    const label = own.flatMap(({ labels = [] }) => labels).map((each) => labelSvg(arrow, rectangleOf(each)));
    const body = [
      ...own.flatMap((edge) => pathsOf(edge)),
      ...(ring === undefined ? [] : [circleSvg('ring', ring, titleSvg('from anywhere inside'))]),
      ...label,
    ].join('');
    const [first, ...others] = arrow.parts;
    if (first === undefined || others.length > 0) return `<g class="${lookOf(arrow)}">${body}</g>`;
    return `<g class="${lookOf(arrow)}" ${keyOf(first)}>${titleSvg(first.title)}${body}</g>`;
  });
}

/** One transition's lines, or those of all that share the arrow, with rules between them. */
function labelSvg({ parts }: Arrow, at: Rectangle): string {
  const place: TextPlace = { x: at.x + at.width / 2, y: at.y + 1, anchor: 'middle' };
  const box = `<rect class="label" ${attributes(at)} rx="4"/>`;
  const [first, ...others] = parts;
  if (first === undefined || others.length === 0) {
    return `${box}${linesSvg(first?.lines ?? [], place).join('')}`;
  }
  let { y } = place;
  const texts = parts.map((part, index) => {
    const ruleY = rounded(y + partGapPx / 2 - partGapPx + 1.5);
    const rule = index === 0 ? '' : `<path class="rule" d="M${at.x} ${ruleY}h${at.width}"/>`;
    const text = partSvg(part, { ...place, y });
    y += part.lines.length * lineHeightPx + partGapPx;
    return rule + text;
  });
  return `${box}${texts.join('')}`;
}

const cornerPx = 5;
const headPx = { long: 6, wide: 3 };

/** A line with round corners, and a head at its end. */
function pathSvg(points: readonly ElkPoint[]): string {
  const end = points.at(-1);
  const before = points.at(-2);
  if (end === undefined || before === undefined) return '';
  const steps = [`M${rounded(points[0]?.x ?? 0)} ${rounded(points[0]?.y ?? 0)}`];
  for (let i = 1; i < points.length - 1; i++) {
    const [from, corner, to] = [points[i - 1], points[i], points[i + 1]] as [ElkPoint, ElkPoint, ElkPoint];
    const [near, far] = [towards(corner, from), towards(corner, to)];
    steps.push(`L${near.x} ${near.y}Q${rounded(corner.x)} ${rounded(corner.y)} ${far.x} ${far.y}`);
  }
  steps.push(`L${rounded(end.x)} ${rounded(end.y)}`);
  return `<path class="edge" d="${steps.join('')}"/>${headSvg(before, end)}`;
}

/** The point on the way to another where a corner begins to bend. */
function towards(corner: ElkPoint, other: ElkPoint): ElkPoint {
  const distance = Math.hypot(other.x - corner.x, other.y - corner.y);
  const share = distance === 0 ? 0 : Math.min(cornerPx, distance / 2) / distance;
  return {
    x: rounded(corner.x + (other.x - corner.x) * share),
    y: rounded(corner.y + (other.y - corner.y) * share),
  };
}

function headSvg(from: ElkPoint, to: ElkPoint): string {
  const distance = Math.hypot(to.x - from.x, to.y - from.y) || 1;
  const [ux, uy] = [(to.x - from.x) / distance, (to.y - from.y) / distance];
  const [x, y] = [to.x - ux * headPx.long, to.y - uy * headPx.long];
  const corners = [
    [to.x, to.y],
    [x - uy * headPx.wide, y + ux * headPx.wide],
    [x + uy * headPx.wide, y - ux * headPx.wide],
  ];
  const text = corners.map((corner) => corner.map(rounded).join(',')).join(' ');
  return `<polygon class="head" points="${text}"/>`;
}
