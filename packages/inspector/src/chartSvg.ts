import type { ElkNode, ElkPoint } from 'elkjs/lib/elk-api.js';
import type { MachineChart } from './chart.ts';
import {
  chartGraph,
  lineHeightPx,
  paddingPx,
  type Arrow,
  type ChartGraph,
  type Line,
  type StateBox,
} from './internal/chartGraph.ts';
import { layOut } from './internal/elk.ts';
import { escapeText } from './internal/svgText.ts';
import { pictureStyle } from './internal/theme.ts';
import type { Run } from './run.ts';

/**
 * A picture of a machine as SVG: its states, transitions, guards, actions and actors. With a run it shows how often
 * and how long each state was visited, which transitions were taken, and how often a guard said no; what never
 * happened is dashed. Light or dark as the reader's system asks. The same input gives the same text.
 *
 * @throws {Error} when the layout fails
 * @example
 * ```ts
 * writeFileSync('request.svg', await chartSvg(machineChart(requestMachine), recorder.run()));
 * ```
 */
export async function chartSvg(chart: MachineChart, run?: Pick<Run, 'machines'>): Promise<string> {
  const found = run?.machines.find((machine) => machine.chart.shape === chart.shape);
  const drawing = chartGraph(chart, found);
  const placed = await layOut(drawing.graph);
  const [width, height] = [Math.ceil(placed.width ?? 0), Math.ceil(placed.height ?? 0)];
  const body = [...nodesOf(placed, drawing), ...edgesOf(placed, drawing)];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="lm" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">`,
    `<title>${escapeText(`Machine ${chart.id}`)}</title>`,
    pictureStyle,
    `<rect class="ground" width="${width}" height="${height}"/>`,
    ...body,
    '</svg>',
  ].join('\n');
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

function nodesOf(node: ElkNode, drawing: ChartGraph): string[] {
  return (node.children ?? []).flatMap((child) => {
    const box = drawing.boxes.get(child.id);
    const at = rectangleOf(child);
    if (box !== undefined) return [stateSvg(box, at), ...nodesOf(child, drawing)];
    const radius = at.width / 2;
    return `<circle class="dot" cx="${rounded(at.x + radius)}" cy="${rounded(at.y + radius)}" r="${radius}"/>`;
  });
}

function stateSvg(box: StateBox, at: Rectangle): string {
  const { state, lines, headPx, isUsed, isRegion } = box;
  const isGroup = state.states.length > 0;
  const look = isGroup ? `group${isRegion ? ' region' : ''}` : 'state';
  const radius = state.type === 'history' ? at.width / 2 : 6;
  const inner = { x: at.x + 3, y: at.y + 3, width: at.width - 6, height: at.height - 6 };
  const left = at.x + paddingPx + 2;
  const middle = at.x + at.width / 2;
  const top = state.type === 'history' ? at.y + 3 : at.y + paddingPx - 1;
  const isLeft = isGroup || lines.some((line) => line.look.includes('row'));
  const text = linesSvg(lines, { x: isLeft ? left : middle, y: top, anchor: isLeft ? 'start' : 'middle' });
  const parts = [
    `<rect class="${look}" ${attributes(at)} rx="${radius}"/>`,
    ...(state.type === 'final' ? [`<rect class="state inner" ${attributes(inner)} rx="4"/>`] : []),
    ...(isGroup ? [`<path class="rule" d="M${at.x} ${rounded(at.y + headPx)}h${at.width}"/>`] : []),
    ...(state.type === 'parallel'
      ? [
          `<text class="small soft" x="${rounded(at.x + at.width - 10)}" y="${rounded(top + 11)}" text-anchor="end">parallel</text>`,
        ]
      : []),
    ...(state.description === undefined ? [] : [`<title>${escapeText(state.description)}</title>`]),
    ...text,
  ];
  return `<g class="${isUsed ? 'used' : 'unused'}">${parts.join('')}</g>`;
}

function attributes({ x, y, width, height }: Rectangle): string {
  return `x="${rounded(x)}" y="${rounded(y)}" width="${rounded(width)}" height="${rounded(height)}"`;
}

function linesSvg(
  lines: readonly Line[],
  { x, y, anchor }: { x: number; y: number; anchor: 'start' | 'middle' },
): string[] {
  return lines.map((line, index) => {
    const baseline = rounded(y + (index + 1) * lineHeightPx - 2);
    const middle = anchor === 'middle' ? ' text-anchor="middle"' : '';
    return `<text class="${line.look}" x="${rounded(x)}" y="${baseline}"${middle}>${escapeText(line.text)}</text>`;
  });
}

const noArrow: Arrow = { lines: [], taken: 0 };

/** Used ones last, so that they lie on top where arrows cross. */
function edgesOf(graph: ElkNode, drawing: ChartGraph): string[] {
  const drawn = (graph.edges ?? []).map((edge) => {
    const isStart = !drawing.arrows.has(edge.id);
    const arrow = drawing.arrows.get(edge.id) ?? noArrow;
    const isUsed = arrow.taken > 0 || (isStart && isEntered(edge.targets[0] ?? '', drawing));
    const sections = (edge.sections ?? []).map(({ startPoint, bendPoints = [], endPoint }) =>
      pathSvg([startPoint, ...bendPoints, endPoint]),
    );
    const [label] = edge.labels ?? [];
    const parts = label === undefined ? sections : [...sections, labelSvg(arrow, rectangleOf(label))];
    const look = isUsed ? `used${arrow.taken > 1 ? ' often' : ''}` : 'unused';
    return { isUsed, text: `<g class="${look}">${parts.join('')}</g>` };
  });
  return [...drawn.filter(({ isUsed }) => !isUsed), ...drawn.filter(({ isUsed }) => isUsed)].map(
    ({ text }) => text,
  );
}

function isEntered(id: string, drawing: ChartGraph): boolean {
  return drawing.boxes.get(id)?.isUsed === true;
}

function labelSvg({ lines }: Arrow, at: Rectangle): string {
  const text = linesSvg(lines, { x: at.x + at.width / 2, y: at.y + 1, anchor: 'middle' });
  return `<rect class="label" ${attributes(at)} rx="4"/>${text.join('')}`;
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
