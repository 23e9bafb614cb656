import type { ElkExtendedEdge, ElkNode, LayoutOptions } from 'elkjs/lib/elk-api.js';
import { statesIn, type ChartState, type ChartTransition, type MachineChart } from '../chart.ts';
import type { MachineRun, StateCount } from '../run.ts';
import { countOf } from './counts.ts';
import { durationText, shorten, textWidth } from './svgText.ts';

/** One line of text in a box. */
export interface Line {
  readonly text: string;
  /** Classes of the theme. */
  readonly look: string;
  readonly sizePx: number;
  readonly bold?: boolean;
}

/** What is drawn for one state. */
export interface StateBox {
  readonly state: ChartState;
  readonly lines: readonly Line[];
  readonly headPx: number;
  readonly isUsed: boolean;
  readonly isRegion: boolean;
}

/** What is drawn for one transition. */
export interface Arrow {
  readonly lines: readonly Line[];
  readonly taken: number;
}

/** A graph for ELK, and what its nodes and edges stand for. */
export interface ChartGraph {
  readonly graph: ElkNode;
  /** By the node's id in the graph. */
  readonly boxes: ReadonlyMap<string, StateBox>;
  /** By the edge's id in the graph. */
  readonly arrows: ReadonlyMap<string, Arrow>;
}

export const lineHeightPx = 13;
export const paddingPx = 8;
const dotPx = 9;
const manyStates = 9;
/** From here on the best placement of nodes takes seconds, and a good one is taken instead. */
const manyArrows = 30;
/** From here on any placement does, and nobody could follow the arrows: they become rows of their states. */
const maxArrows = 120;
const maxNames = 3;

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

/** The graph of a chart, with what a run did to it. */
export function chartGraph(chart: MachineChart, run: MachineRun | undefined): ChartGraph {
  return new GraphBuilder(chart, run).build();
}

class GraphBuilder {
  readonly #chart: MachineChart;
  readonly #run: MachineRun | undefined;
  readonly #direction: 'DOWN' | 'RIGHT';
  readonly #placement: 'BRANDES_KOEPF' | 'NETWORK_SIMPLEX';
  readonly #hasArrows: boolean = true;
  readonly #boxes = new Map<string, StateBox>();
  readonly #arrows = new Map<string, Arrow>();
  readonly #edges: ElkExtendedEdge[] = [];
  readonly #parents = new Map<string, string>();
  readonly #names = new Map<string, string>();
  /** What nodes are called in the graph: ids of states may be any text, that of a dot or an arrow too. */
  readonly #nodeIds = new Map<string, string>();
  /** States that an arrow leads to. */
  readonly #reached = new Set<string>();

  constructor(chart: MachineChart, run: MachineRun | undefined) {
    this.#chart = chart;
    this.#run = run;
    const all = statesIn(chart.root);
    const drawn = all.filter(({ type }) => type !== 'history');
    this.#direction = drawn.length - 1 > manyStates ? 'RIGHT' : 'DOWN';
    for (const state of all) {
      this.#names.set(state.id, state.name);
      this.#nodeIds.set(state.id, `state ${this.#nodeIds.size}`);
      for (const child of state.states) this.#parents.set(child.id, state.id);
    }
    const arrows = all.flatMap((state) => state.transitions.filter((each) => this.#isArrow(state, each)));
    this.#placement = arrows.length > manyArrows ? 'BRANDES_KOEPF' : 'NETWORK_SIMPLEX';
    this.#hasArrows = arrows.length <= maxArrows;
    if (this.#hasArrows) for (const id of arrows.flatMap(({ targets }) => targets)) this.#reached.add(id);
  }

  build(): ChartGraph {
    const root = this.#node(this.#chart.root, false);
    const graph: ElkNode = {
      id: '(picture)',
      layoutOptions: {
        ...this.#options(),
        'elk.padding': '[top=12,left=12,bottom=12,right=12]',
        'elk.json.edgeCoords': 'ROOT',
        'elk.json.shapeCoords': 'ROOT',
      },
      children: [root],
      edges: this.#edges,
    };
    return { graph, boxes: this.#boxes, arrows: this.#arrows };
  }

  #options(): LayoutOptions {
    if (!this.#hasArrows) return packed;
    return {
      ...layered,
      'elk.layered.nodePlacement.strategy': this.#placement,
      'elk.direction': this.#direction,
    };
  }

  #node(state: ChartState, isRegion: boolean): ElkNode {
    const rows = state.transitions.filter((transition) => !this.#isArrow(state, transition));
    for (const transition of state.transitions) {
      if (this.#isArrow(state, transition)) this.#addArrow(state, transition);
    }
    if (state.type === 'history') return this.#box(state, { lines: historyLines(state), isRegion: false });
    const lines = [...this.#headLines(state), ...rows.map((row) => this.#rowLine(row))];
    return this.#box(state, { lines, isRegion });
  }

  #box(state: ChartState, { lines, isRegion }: { lines: Line[]; isRegion: boolean }): ElkNode {
    const isUsed = (this.#count(state)?.visits ?? 0) > 0;
    const textPx = Math.max(...lines.map((line) => textWidth(line.text, line)));
    const kindPx = state.type === 'parallel' ? textWidth('parallel', { sizePx: 10 }) + 16 : 0;
    const width = state.type === 'history' ? 24 : textPx + kindPx + 2 * paddingPx + 6;
    const headPx = lines.length * lineHeightPx + 2 * paddingPx - 3;
    const id = this.#nodeId(state.id);
    this.#boxes.set(id, { state, lines, headPx, isUsed, isRegion });
    if (state.states.length === 0) {
      const height = state.type === 'history' ? 24 : headPx;
      // Without an arrow that leads to it, an end would be drawn where things begin.
      const isLooseEnd = state.type === 'final' && !this.#reached.has(state.id);
      const layoutOptions = isLooseEnd ? { 'elk.layered.layering.layerConstraint': 'LAST' } : {};
      return { id, width, height, layoutOptions };
    }
    // ELK reads the least size the other way round when it lays out downwards.
    const least = this.#direction === 'DOWN' ? `(${headPx + 40},${width})` : `(${width},${headPx + 40})`;
    return {
      id,
      layoutOptions: {
        ...this.#options(),
        'elk.padding': `[top=${headPx + 16},left=16,bottom=16,right=16]`,
        'elk.nodeSize.constraints': 'MINIMUM_SIZE',
        'elk.nodeSize.minimum': least,
      },
      children: this.#children(state),
    };
  }

  #children(state: ChartState): ElkNode[] {
    const isParallel = state.type === 'parallel';
    const nodes = state.states.map((child) => this.#node(child, isParallel));
    const initial = state.initial.filter((id) => this.#names.has(id));
    if (isParallel || !this.#hasArrows || initial.length === 0) return nodes;
    const dot = `start of ${this.#nodeId(state.id)}`;
    for (const id of initial) {
      this.#edges.push({ id: this.#edgeId(), sources: [dot], targets: [this.#nodeId(id)] });
    }
    const first = { 'elk.layered.layering.layerConstraint': 'FIRST' };
    return [{ id: dot, width: dotPx, height: dotPx, layoutOptions: first }, ...nodes];
  }

  #nodeId(state: string): string {
    return this.#nodeIds.get(state) ?? '';
  }

  #edgeId(): string {
    return `edge ${this.#edges.length}`;
  }

  /** What leads nowhere, into the state itself, or out to what holds it, is a row in the box. */
  #isArrow(state: ChartState, { targets }: ChartTransition): boolean {
    const isElsewhere = (id: string): boolean =>
      this.#names.has(id) && !this.#holds(state.id, id) && !this.#holds(id, state.id);
    return this.#hasArrows && targets.length > 0 && targets.every(isElsewhere);
  }

  /** Whether a state is another, or around it. */
  #holds(outer: string, inner: string): boolean {
    for (let at: string | undefined = inner; at !== undefined; at = this.#parents.get(at)) {
      if (at === outer) return true;
    }
    return false;
  }

  #addArrow(state: ChartState, transition: ChartTransition): void {
    const taken = this.#taken(transition);
    const lines = [this.#eventLine(transition), ...this.#conditionLines(transition)];
    const width = Math.max(...lines.map((line) => textWidth(line.text, line))) + 12;
    const height = lines.length * lineHeightPx + 5;
    transition.targets.forEach((target, index) => {
      const id = this.#edgeId();
      // Inline is a property of the label: on the graph it has no effect.
      const layoutOptions = { 'elk.edgeLabels.inline': 'true' };
      const label = { id: `${id}|label`, text: transition.label, width, height, layoutOptions };
      this.#arrows.set(id, { lines: index === 0 ? lines : [], taken });
      this.#edges.push({
        id,
        sources: [this.#nodeId(state.id)],
        targets: [this.#nodeId(target)],
        ...(index === 0 && { labels: [label] }),
      });
    });
  }

  #count({ id }: ChartState): StateCount | undefined {
    return countOf(this.#run?.states ?? {}, id);
  }

  #taken({ key }: ChartTransition): number {
    return countOf(this.#run?.transitions ?? {}, key)?.taken ?? 0;
  }

  #eventLine(transition: ChartTransition): Line {
    const taken = this.#taken(transition);
    const look =
      transition.kind === 'error'
        ? 'event error'
        : transition.kind === 'after' || transition.kind === 'always'
          ? 'event slanted'
          : 'event';
    const text = `${shorten(transition.label)}${taken > 1 ? ` ×${taken}` : ''}`;
    return { text, look, sizePx: 11, bold: taken > 0 };
  }

  #conditionLines(transition: ChartTransition): Line[] {
    const { guard, actions } = transition;
    return [
      ...(guard === undefined ? [] : [this.#guardLine(transition)]),
      ...(actions.length === 0 ? [] : [{ text: `do ${namesText(actions)}`, look: 'small soft', sizePx: 10 }]),
    ];
  }

  #guardLine(transition: ChartTransition): Line {
    const look = this.#refused(transition) > 0 ? 'guard tried' : 'guard';
    return { text: this.#guardText(transition), look, sizePx: 10 };
  }

  #guardText(transition: ChartTransition): string {
    const refused = this.#refused(transition);
    return `if ${shorten(transition.guard ?? '')}${refused > 0 ? ` (no ×${refused})` : ''}`;
  }

  #refused({ key }: ChartTransition): number {
    return countOf(this.#run?.transitions ?? {}, key)?.refused ?? 0;
  }

  #rowLine(transition: ChartTransition): Line {
    const { label, guard, actions, targets, reenter } = transition;
    const taken = this.#taken(transition);
    const names = targets.map((id) => this.#names.get(id) ?? id);
    const text = [
      shorten(label),
      guard === undefined ? '' : ` [${this.#guardText(transition)}]`,
      names.length === 0 ? '' : ` → ${namesText(names)}${reenter ? ' again' : ''}`,
      actions.length === 0 ? '' : ` / ${namesText(actions)}`,
      taken > 0 ? ` ×${taken}` : '',
    ].join('');
    return { text, look: taken > 0 ? 'count' : 'small soft row', sizePx: 10 };
  }

  #headLines(state: ChartState): Line[] {
    const count = this.#count(state);
    return [
      { text: shorten(state.name), look: 'name', sizePx: 12, bold: true },
      ...(count === undefined ? [] : [{ text: countText(state, count), look: 'count', sizePx: 10 }]),
      ...state.invokes.map(({ id, src }) => ({ text: invokeText(id, src), look: 'invoke', sizePx: 10 })),
      ...actionLine('entry', state.entry),
      ...actionLine('exit', state.exit),
    ];
  }
}

/** Nothing stays in a final state, so it has no time. */
function countText({ type }: ChartState, { visits, durationMs }: StateCount): string {
  if (type === 'final') return `×${visits}`;
  return visits === 1 ? durationText(durationMs) : `×${visits} · ${durationText(durationMs)}`;
}

function actionLine(when: string, actions: readonly string[]): Line[] {
  const look = 'small soft';
  return actions.length === 0 ? [] : [{ text: `${when} / ${namesText(actions)}`, look, sizePx: 10 }];
}

function historyLines({ history }: ChartState): Line[] {
  return [{ text: history === 'deep' ? 'H*' : 'H', look: 'name', sizePx: 12, bold: true }];
}

/** An actor is shown by its name, and by its logic where that has another. */
function invokeText(id: string, src: string): string {
  return shorten(id === src || /^\d+\./.test(id) ? `invoke ${src}` : `invoke ${id} (${src})`);
}

function namesText(names: readonly string[]): string {
  const shown = names.slice(0, maxNames).map((name) => shorten(name, 30));
  return names.length > maxNames ? `${shown.join(', ')}, +${names.length - maxNames}` : shown.join(', ');
}
