import type { ChartState, ChartTransition, MachineChart } from './chart.ts';
import { countOf } from './internal/counts.ts';
import { MermaidIds, mermaidText } from './internal/mermaidText.ts';
import type { MachineRun, Run } from './run.ts';

/**
 * The source of a machine's chart for [Mermaid](https://mermaid.js.org), as a `stateDiagram-v2`: for documentation,
 * since GitHub and others draw it, and for snapshots, since it reads well and changes with the machine only. With a run
 * transitions have their counts, and states that were visited the class `visited`.
 *
 * A transition to a state inside the one it belongs to comes from a box called `anywhere`. Texts are cut to 42
 * characters, descriptions of more than 80 are left out.
 *
 * @example
 * ```ts
 * await expect(chartMermaid(machineChart(requestMachine))).toMatchFileSnapshot('request.mmd');
 * ```
 */
export function chartMermaid(chart: MachineChart, run?: Pick<Run, 'machines'>): string {
  return new Diagram(
    chart,
    run?.machines.find((machine) => machine.chart.shape === chart.shape),
  ).text();
}

const maxNote = 80;
const maxNames = 3;

class Diagram {
  readonly #root: ChartState;
  readonly #run: MachineRun | undefined;
  readonly #ids = new MermaidIds();
  /** By the state's id. */
  readonly #names = new Map<string, string>();
  readonly #states = new Map<string, ChartState>();
  readonly #around = new Map<string, readonly string[]>();
  /** Names of the boxes called `anywhere`, by the state's id. */
  readonly #jumps = new Map<string, string>();

  constructor({ root }: MachineChart, run: MachineRun | undefined) {
    this.#root = root;
    this.#run = run;
    this.#collect(root, []);
  }

  #collect(state: ChartState, around: readonly string[]): void {
    this.#states.set(state.id, state);
    this.#around.set(state.id, around);
    this.#names.set(state.id, this.#ids.give(state.path || state.name));
    for (const child of state.states) this.#collect(child, [...around, state.id]);
  }

  text(): string {
    const root = this.#root;
    // Only a state has regions, and only a state can have internal transitions.
    const isWrapped = root.type !== 'compound' || root.transitions.some((each) => this.#isRow(root, each));
    const body = isWrapped ? this.#state(root) : this.#inside(root);
    const lines = [...body, ...this.#arrows(), ...this.#visited()];
    return ['stateDiagram-v2', ...lines.map((line) => `  ${line}`)].join('\n').concat('\n');
  }

  #name(id: string): string {
    return this.#names.get(id) ?? '';
  }

  #state(state: ChartState): string[] {
    const name = this.#name(state.id);
    const title = state.type === 'history' ? (state.history === 'deep' ? 'H*' : 'H') : state.name;
    const named = title === name ? name : `"${mermaidText(title)}" as ${name}`;
    const rows = state.transitions.filter((each) => this.#isRow(state, each)).map((each) => this.#row(each));
    const { description = '' } = state;
    const said =
      description === '' || description.length > maxNote ? [] : [mermaidText(description, maxNote)];
    if (state.states.length === 0) {
      return [
        title === name ? name : `state ${named}`,
        ...rows.map((row) => `${name}: ${row}`),
        ...noteOf(name, said),
      ];
    }
    const inside = this.#inside(state).map((line) => `  ${line}`);
    return [`state ${named} {`, ...inside, '}', ...noteOf(name, [...said, ...rows])];
  }

  /** What stands between the braces of a state. */
  #inside(state: ChartState): string[] {
    const isParallel = state.type === 'parallel';
    // A history state is no region: it stands in the first one.
    const isAside = ({ type }: ChartState): boolean => isParallel && type === 'history';
    const aside = state.states.filter(isAside).flatMap((child) => this.#state(child));
    const parts = state.states.filter((child) => !isAside(child)).map((child) => this.#state(child));
    const anywhere = state.transitions.some((each) => this.#isInward(state, each))
      ? [`state "anywhere" as ${this.#anywhere(state)}`]
      : [];
    if (isParallel) {
      const [first = [], ...others] = anywhere.length === 0 ? parts : [...parts, anywhere];
      const regions = [[...aside, ...first], ...others];
      return regions.flatMap((lines, index) => (index === 0 ? lines : ['--', ...lines]));
    }
    const starts = state.initial.map((id) => `[*] --> ${this.#name(id)}`);
    const ends = state.states.filter(({ type }) => type === 'final');
    return [...parts.flat(), ...anywhere, ...starts, ...ends.map(({ id }) => `${this.#name(id)} --> [*]`)];
  }

  /** The box that transitions into a state's own states come from. */
  #anywhere({ id, path }: ChartState): string {
    const name = this.#jumps.get(id) ?? this.#ids.give(`${path}_anywhere`);
    this.#jumps.set(id, name);
    return name;
  }

  /** They stand below all states: Mermaid puts a state where it is named first, or in braces. */
  #arrows(): string[] {
    return [...this.#states.values()].flatMap((state) =>
      state.transitions
        .filter((each) => !this.#isRow(state, each))
        .flatMap((each) => {
          const from = this.#isInward(state, each) ? this.#anywhere(state) : this.#name(state.id);
          return each.targets.map((id) => `${from} --> ${this.#name(id)}: ${this.#label(each)}`);
        }),
    );
  }

  #isInward({ id }: ChartState, { targets }: ChartTransition): boolean {
    return targets.length > 0 && targets.every((target) => this.#around.get(target)?.includes(id));
  }

  /** Leads nowhere, or to a state around it, or is a loop that Mermaid cannot draw: it is a line of text. */
  #isRow(state: ChartState, transition: ChartTransition): boolean {
    if (this.#isInward(state, transition)) return false;
    const { targets } = transition;
    const isGroup = state.states.length > 0;
    return (
      targets.length === 0 ||
      targets.some((id) => (isGroup && id === state.id) || this.#areNested(state.id, id))
    );
  }

  #areNested(one: string, other: string): boolean {
    const holds = (outer: string, inner: string): boolean =>
      this.#around.get(inner)?.includes(outer) === true;
    return !this.#names.has(other) || holds(one, other) || holds(other, one);
  }

  #row(transition: ChartTransition): string {
    const targets = transition.targets.map((id) => mermaidText(this.#states.get(id)?.name ?? id));
    return [this.#label(transition), ...(targets.length === 0 ? [] : [`→ ${targets.join(', ')}`])].join(' ');
  }

  #label({ key, label, guard, actions }: ChartTransition): string {
    const { taken, refused } = countOf(this.#run?.transitions ?? {}, key) ?? { taken: 0, refused: 0 };
    const shown = actions.slice(0, maxNames).map((name) => mermaidText(name, 30));
    const others = actions.length > maxNames ? `, +${actions.length - maxNames}` : '';
    return [
      mermaidText(label),
      guard === undefined ? '' : ` [${mermaidText(guard)}${refused > 0 ? ` no ×${refused}` : ''}]`,
      shown.length === 0 ? '' : ` / ${shown.join(', ')}${others}`,
      taken > 0 ? ` ×${taken}` : '',
    ].join('');
  }

  #visited(): string[] {
    const visited = [...this.#states.values()]
      .filter(({ id, path }) => path !== '' && (countOf(this.#run?.states ?? {}, id)?.visits ?? 0) > 0)
      .map(({ id }) => this.#name(id));
    if (visited.length === 0) return [];
    return [
      'classDef visited fill:#e7f6ef,stroke:#0b7a54,color:#1f2328',
      `class ${visited.join(',')} visited`,
    ];
  }
}

function noteOf(name: string, lines: readonly string[]): string[] {
  if (lines.length <= 1) return lines.map((line) => `note right of ${name}: ${line}`);
  return [`note right of ${name}`, ...lines.map((line) => `  ${line}`), 'end note'];
}
