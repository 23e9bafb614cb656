import type { ElkExtendedEdge, ElkNode, LayoutOptions } from 'elkjs/lib/elk-api.js';
import { statesIn, type ChartState, type ChartTransition, type MachineChart } from '../chart.ts';
import type { MachineRun } from '../run.ts';
import { ChartText, type Line, type TransitionText } from './chartText.ts';
import { textWidth } from './svgText.ts';

/** What is drawn for one state. */
export interface StateBox {
  readonly state: ChartState;
  readonly lines: readonly Line[];
  /** Its transitions that no arrow shows. */
  readonly rows: readonly TransitionText[];
  readonly headPx: number;
  readonly isUsed: boolean;
  readonly isRegion: boolean;
}

/** What is drawn for all transitions between the same states: one arrow, with a label that lists them. */
export interface Arrow {
  readonly parts: readonly TransitionText[];
  readonly taken: number;
  /** Ids of its edges in the graph, one for each target. */
  readonly edges: readonly string[];
  /** Where it begins when it comes from anywhere inside a state: the id of a node in the graph. */
  readonly ring?: string;
}

/** A graph for ELK, and what its nodes and edges stand for. */
export interface ChartGraph {
  readonly graph: ElkNode;
  /** By the node's id in the graph. */
  readonly boxes: ReadonlyMap<string, StateBox>;
  readonly arrows: readonly Arrow[];
  /** Ids of the edges that lead from a dot to where a state starts. */
  readonly starts: readonly string[];
  /** Whether another layout would result when it is turned. */
  readonly canTurn: boolean;
}

/** Which way arrows lead. */
export type Direction = 'DOWN' | 'RIGHT';

/** How a chart is laid out. */
export interface Way {
  readonly direction: Direction;
  /** Whether arrows inside a state that none of them leaves lead the other way than those around it. */
  readonly isTurned: boolean;
}

export const lineHeightPx = 13;
export const paddingPx = 8;
/** Between the transitions of one label. */
export const partGapPx = 4;
const dotPx = 9;
const ringPx = 8;
const historyPx = 24;
/** From here on the best placement of nodes takes seconds, and a good one is taken instead. */
const manyArrows = 30;
/** From here on any placement does, and nobody could follow the arrows: they become rows of their states. */
const maxArrows = 120;

const layered: LayoutOptions = {
  'elk.algorithm': 'layered',
  'elk.edgeRouting': 'ORTHOGONAL',
  'elk.layered.spacing.nodeNodeBetweenLayers': '24',
  'elk.layered.spacing.edgeNodeBetweenLayers': '12',
  'elk.layered.spacing.edgeEdgeBetweenLayers': '10',
  'elk.spacing.nodeNode': '26',
  'elk.spacing.edgeNode': '14',
  'elk.spacing.edgeEdge': '10',
  'elk.spacing.edgeLabel': '3',
  'elk.layered.cycleBreaking.strategy': 'DEPTH_FIRST',
  'elk.hierarchyHandling': 'INCLUDE_CHILDREN',
};

/** For states without arrows between them. */
const packed: LayoutOptions = {
  'elk.algorithm': 'rectpacking',
  'elk.aspectRatio': '1.6',
  'elk.spacing.nodeNode': '12',
};

const atTheStart: LayoutOptions = { 'elk.layered.layering.layerConstraint': 'FIRST' };
const atTheEnd: LayoutOptions = { 'elk.layered.layering.layerConstraint': 'LAST' };

/** The graph of a chart, with what a run did to it. */
export function chartGraph(chart: MachineChart, run: MachineRun | undefined, way: Way): ChartGraph {
  return new GraphBuilder(chart, run, way).build();
}

/** Transitions of one state that lead to the same states. */
interface Bundle {
  readonly source: ChartState;
  readonly targets: readonly string[];
  readonly isInward: boolean;
  readonly transitions: ChartTransition[];
}

class GraphBuilder {
  readonly #chart: MachineChart;
  readonly #text: ChartText;
  readonly #way: Way;
  readonly #placement: 'BRANDES_KOEPF' | 'NETWORK_SIMPLEX';
  readonly #hasArrows: boolean;
  readonly #boxes = new Map<string, StateBox>();
  readonly #arrows: Arrow[] = [];
  readonly #starts: string[] = [];
  /** By the id of the state that they are laid out in, which is empty for the whole picture. */
  readonly #edges = new Map<string, ElkExtendedEdge[]>();
  #edgeCount = 0;
  readonly #parents = new Map<string, string>();
  /** What nodes are called in the graph: ids of states may be any text, that of a dot or an arrow too. */
  readonly #nodeIds = new Map<string, string>();
  /** By the id of the state they start from. */
  readonly #bundles = new Map<string, Bundle[]>();
  /** States that an arrow leads to. */
  readonly #reached = new Set<string>();
  /** Ids of states whose border, or that of a state in them, an arrow crosses. Others are laid out by themselves. */
  readonly #crossed = new Set<string>();

  constructor(chart: MachineChart, run: MachineRun | undefined, way: Way) {
    this.#chart = chart;
    this.#text = new ChartText(chart, run);
    this.#way = way;
    const all = statesIn(chart.root);
    for (const state of all) {
      this.#nodeIds.set(state.id, `state ${this.#nodeIds.size}`);
      for (const child of state.states) this.#parents.set(child.id, state.id);
    }
    let count = 0;
    for (const state of all) {
      const bundles = this.#bundlesOf(state);
      count += bundles.length;
      this.#bundles.set(state.id, bundles);
    }
    this.#placement = count > manyArrows ? 'BRANDES_KOEPF' : 'NETWORK_SIMPLEX';
    this.#hasArrows = count <= maxArrows;
    if (!this.#hasArrows) this.#bundles.clear();
    for (const { source, targets, isInward } of [...this.#bundles.values()].flat()) {
      for (const id of targets) {
        this.#reached.add(id);
        this.#noteCrossed(isInward ? this.#within(source.id) : this.#around(source.id), id);
      }
    }
    for (const { id, initial } of all) {
      for (const target of initial) this.#noteCrossed(this.#within(id), target);
    }
  }

  build(): ChartGraph {
    const root = this.#node(this.#chart.root, { isRegion: false, direction: this.#way.direction });
    const graph: ElkNode = {
      id: '(picture)',
      layoutOptions: {
        ...this.#options(this.#way.direction),
        'elk.padding': '[top=12,left=12,bottom=12,right=12]',
        'elk.json.edgeCoords': 'ROOT',
        'elk.json.shapeCoords': 'ROOT',
      },
      children: [root],
      edges: this.#edges.get('') ?? [],
    };
    const canTurn = this.#hasArrows && statesIn(this.#chart.root).some((state) => this.#canTurn(state));
    return { graph, boxes: this.#boxes, arrows: this.#arrows, starts: this.#starts, canTurn };
  }

  #options(direction: Direction): LayoutOptions {
    if (!this.#hasArrows) return packed;
    return {
      ...layered,
      'elk.layered.nodePlacement.strategy': this.#placement,
      'elk.direction': direction,
    };
  }

  /** The states around a state, inner ones first. */
  #around(id: string): string[] {
    const parent = this.#parents.get(id);
    return parent === undefined ? [] : this.#within(parent);
  }

  #within(id: string): string[] {
    return [id, ...this.#around(id)];
  }

  /** An arrow crosses every border that is around one of its ends only. */
  #noteCrossed(source: readonly string[], target: string): void {
    const targets = this.#around(target);
    const crossed = [
      ...source.filter((id) => !targets.includes(id)),
      ...targets.filter((id) => !source.includes(id)),
    ];
    for (const id of crossed.flatMap((each) => this.#within(each))) this.#crossed.add(id);
  }

  /** What leads nowhere, to the state itself, or out to what holds it, is in none of them: it is a row in the box. */
  #bundlesOf(state: ChartState): Bundle[] {
    const bundles = new Map<string, Bundle>();
    for (const transition of state.transitions) {
      const { targets } = transition;
      const isElsewhere = targets.every((id) => this.#isApart(state.id, id));
      const isInward = targets.every((id) => id !== state.id && this.#holds(state.id, id));
      if (targets.length === 0 || (!isElsewhere && !isInward)) continue;
      const key = JSON.stringify(targets);
      const found = bundles.get(key) ?? { source: state, targets, isInward, transitions: [] };
      found.transitions.push(transition);
      bundles.set(key, found);
    }
    return [...bundles.values()];
  }

  #isApart(one: string, other: string): boolean {
    return this.#nodeIds.has(other) && !this.#holds(one, other) && !this.#holds(other, one);
  }

  /** Whether a state is another, or around it. */
  #holds(outer: string, inner: string): boolean {
    for (let at: string | undefined = inner; at !== undefined; at = this.#parents.get(at)) {
      if (at === outer) return true;
    }
    return false;
  }

  #node(state: ChartState, { isRegion, direction }: { isRegion: boolean; direction: Direction }): ElkNode {
    const bundles = this.#bundles.get(state.id) ?? [];
    const shown = new Set(bundles.flatMap(({ transitions }) => transitions));
    const rows = state.transitions.filter((each) => !shown.has(each)).map((each) => this.#text.row(each));
    const lines = this.#text.head(state);
    const isHistory = state.type === 'history';
    const textPx = Math.max(...[...lines, ...linesOf(rows)].map((line) => textWidth(line.text, line)));
    const kindPx = state.type === 'parallel' ? textWidth('parallel', { sizePx: 10 }) + 16 : 0;
    const width = isHistory ? historyPx : textPx + kindPx + 2 * paddingPx + 6;
    const headPx = (lines.length + rows.length) * lineHeightPx + 2 * paddingPx - 3;
    const id = this.#nodeId(state.id);
    this.#boxes.set(id, { state, lines, rows, headPx, isUsed: this.#text.isVisited(state), isRegion });
    const rings = bundles.flatMap((bundle) => this.#addArrow(bundle));
    if (state.states.length === 0) {
      // Without an arrow that leads to it, an end would be drawn where things begin.
      const isLooseEnd = state.type === 'final' && !this.#reached.has(state.id);
      const height = isHistory ? historyPx : headPx;
      return { id, width, height, layoutOptions: isLooseEnd ? atTheEnd : {} };
    }
    const inside = this.#directionIn(state, direction);
    const isSeparate = !this.#crossed.has(state.id);
    // ELK reads the least size of a state in a larger layout the other way round when that goes downwards.
    const isTransposed = inside === 'DOWN' && !isSeparate;
    const least = isTransposed ? `(${headPx + 40},${width})` : `(${width},${headPx + 40})`;
    const children = [...this.#children(state, inside), ...rings];
    return {
      id,
      layoutOptions: {
        ...this.#options(inside),
        ...(isSeparate && { 'elk.hierarchyHandling': 'SEPARATE_CHILDREN' }),
        'elk.padding': `[top=${headPx + 16},left=16,bottom=16,right=16]`,
        'elk.nodeSize.constraints': 'MINIMUM_SIZE',
        'elk.nodeSize.minimum': least,
      },
      children,
      edges: this.#edges.get(state.id) ?? [],
    };
  }

  #canTurn({ id, states }: ChartState): boolean {
    return states.length > 1 && this.#parents.has(id) && !this.#crossed.has(id);
  }

  #directionIn(state: ChartState, outside: Direction): Direction {
    if (!this.#way.isTurned || !this.#canTurn(state)) return outside;
    return outside === 'DOWN' ? 'RIGHT' : 'DOWN';
  }

  #children(state: ChartState, direction: Direction): ElkNode[] {
    const isParallel = state.type === 'parallel';
    const nodes = state.states.map((child) => this.#node(child, { isRegion: isParallel, direction }));
    const initial = state.initial.filter((id) => this.#nodeIds.has(id));
    if (isParallel || !this.#hasArrows || initial.length === 0) return nodes;
    const dot = `start of ${this.#nodeId(state.id)}`;
    for (const target of initial) {
      const edge = this.#addEdge(this.#within(state.id), { source: dot, target });
      this.#starts.push(edge.id);
    }
    return [{ id: dot, width: dotPx, height: dotPx, layoutOptions: atTheStart }, ...nodes];
  }

  #nodeId(state: string): string {
    return this.#nodeIds.get(state) ?? '';
  }

  /** `around` are the states around its beginning. It belongs to the innermost that is laid out by itself. */
  #addEdge(
    around: readonly string[],
    { source, target }: { source: string; target: string },
  ): ElkExtendedEdge {
    const id = `edge ${this.#edgeCount++}`;
    const edge: ElkExtendedEdge = { id, sources: [source], targets: [this.#nodeId(target)] };
    const ends = this.#around(target);
    const home = around.find((state) => ends.includes(state) && !this.#crossed.has(state)) ?? '';
    this.#edges.set(home, [...(this.#edges.get(home) ?? []), edge]);
    return edge;
  }

  /** The arrow of a bundle, and the node where it begins when that is not its state. */
  #addArrow({ source, targets, isInward, transitions }: Bundle): ElkNode[] {
    const parts = transitions.map((transition) => this.#text.label(transition));
    const width = Math.max(...linesOf(parts).map((line) => textWidth(line.text, line))) + 12;
    const height = linesOf(parts).length * lineHeightPx + (parts.length - 1) * partGapPx + 5;
    const ring = isInward ? `ring ${this.#arrows.length}` : undefined;
    const around = isInward ? this.#within(source.id) : this.#around(source.id);
    const from = ring ?? this.#nodeId(source.id);
    const edges = targets.map((target) => this.#addEdge(around, { source: from, target }));
    const [first] = edges;
    if (first !== undefined) {
      // Inline is a property of the label: on the graph it has no effect.
      const layoutOptions = { 'elk.edgeLabels.inline': 'true' };
      first.labels = [{ id: `${first.id}|label`, text: source.name, width, height, layoutOptions }];
    }
    const taken = parts.reduce((sum, part) => sum + part.taken, 0);
    const ids = edges.map(({ id }) => id);
    this.#arrows.push({ parts, taken, edges: ids, ...(ring !== undefined && { ring }) });
    return ring === undefined ? [] : [{ id: ring, width: ringPx, height: ringPx }];
  }
}

const linesOf = (texts: readonly TransitionText[]): Line[] => texts.flatMap(({ lines }) => lines);
