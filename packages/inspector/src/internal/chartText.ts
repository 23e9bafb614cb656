import type { ChartState, ChartTransition, MachineChart } from '../chart.ts';
import type { MachineRun, StateCount } from '../run.ts';
import { statesIn, transitionsIn } from '../chart.ts';
import { countOf } from './counts.ts';
import { durationText, shorten } from './svgText.ts';

/** One line of text in a box. */
export interface Line {
  readonly text: string;
  /** Classes of the theme. */
  readonly look: string;
  readonly sizePx: number;
  readonly bold?: boolean;
}

/** What is written for one transition: in the label of an arrow, or as a row of its state. */
export interface TransitionText {
  readonly transition: ChartTransition;
  readonly lines: readonly Line[];
  readonly taken: number;
  /** What its lines do not say in full. */
  readonly title?: string;
}

const maxNames = 3;

/** The texts of a chart, with what a run did to it. */
export class ChartText {
  readonly #run: MachineRun | undefined;
  /** Ids of the states that transitions which were taken lead to. */
  readonly #entered: ReadonlySet<string>;
  readonly #names = new Map<string, string>();

  constructor(chart: MachineChart, run: MachineRun | undefined) {
    this.#run = run;
    const taken = transitionsIn(chart.root).filter((each) => this.#taken(each) > 0);
    this.#entered = new Set(taken.flatMap(({ targets }) => targets));
    for (const { id, name } of statesIn(chart.root)) this.#names.set(id, name);
  }

  isVisited(state: ChartState): boolean {
    // Nobody is ever in a history state: it was used when a transition led through it.
    if (state.type === 'history') return this.#entered.has(state.id);
    return (this.#count(state)?.visits ?? 0) > 0;
  }

  /** What stands in a state's box above its rows. */
  head(state: ChartState): Line[] {
    if (state.type === 'history') return [{ text: historyMark(state), look: 'name', sizePx: 12, bold: true }];
    const count = this.#count(state);
    return [
      { text: shorten(state.name), look: 'name', sizePx: 12, bold: true },
      ...(count === undefined ? [] : [{ text: countText(state, count), look: 'count', sizePx: 10 }]),
      ...state.invokes.map(({ id, src }) => ({ text: invokeText(id, src), look: 'invoke', sizePx: 10 })),
      ...actionLine('entry', state.entry),
      ...actionLine('exit', state.exit),
    ];
  }

  row(transition: ChartTransition): TransitionText {
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
    return this.#textOf(transition, [{ text, look: taken > 0 ? 'count' : 'small soft', sizePx: 10 }]);
  }

  label(transition: ChartTransition): TransitionText {
    const { guard, actions } = transition;
    return this.#textOf(transition, [
      this.#eventLine(transition),
      ...(guard === undefined ? [] : [this.#guardLine(transition)]),
      ...actionLine('do', actions),
    ]);
  }

  #textOf(transition: ChartTransition, lines: Line[]): TransitionText {
    const { name, actions, description } = transition;
    const isCut = actions.length > maxNames || lines.some(({ text }) => text.includes('…'));
    const full = isCut ? `${name}${actions.length === 0 ? '' : ` / ${actions.join(', ')}`}` : undefined;
    const title = [description, full].filter((text) => text !== undefined).join('\n');
    return { transition, lines, taken: this.#taken(transition), ...(title !== '' && { title }) };
  }

  #count({ id }: ChartState): StateCount | undefined {
    return countOf(this.#run?.states ?? {}, id);
  }

  #taken({ key }: ChartTransition): number {
    return countOf(this.#run?.transitions ?? {}, key)?.taken ?? 0;
  }

  #refused({ key }: ChartTransition): number {
    return countOf(this.#run?.transitions ?? {}, key)?.refused ?? 0;
  }

  #eventLine(transition: ChartTransition): Line {
    const taken = this.#taken(transition);
    const { kind } = transition;
    const isSlanted = kind === 'after' || kind === 'always';
    const look = kind === 'error' ? 'event error' : isSlanted ? 'event slanted' : 'event';
    const text = `${shorten(transition.label)}${taken > 1 ? ` ×${taken}` : ''}`;
    return { text, look, sizePx: 11, bold: taken > 0 };
  }

  #guardLine(transition: ChartTransition): Line {
    const look = this.#refused(transition) > 0 ? 'guard tried' : 'guard';
    return { text: this.#guardText(transition), look, sizePx: 10 };
  }

  #guardText(transition: ChartTransition): string {
    const refused = this.#refused(transition);
    return `if ${shorten(transition.guard ?? '')}${refused > 0 ? ` (no ×${refused})` : ''}`;
  }
}

const historyMark = ({ history }: ChartState): string => (history === 'deep' ? 'H*' : 'H');

/** Nothing stays in a final state, so it has no time. */
function countText({ type }: ChartState, { visits, durationMs }: StateCount): string {
  if (type === 'final') return `×${visits}`;
  return visits === 1 ? durationText(durationMs) : `×${visits} · ${durationText(durationMs)}`;
}

function actionLine(when: 'entry' | 'exit' | 'do', actions: readonly string[]): Line[] {
  if (actions.length === 0) return [];
  const names = namesText(actions);
  return [{ text: when === 'do' ? `do ${names}` : `${when} / ${names}`, look: 'small soft', sizePx: 10 }];
}

/** An actor is shown by its name, and by its logic where that has another. */
function invokeText(id: string, src: string): string {
  return shorten(id === src || /^\d+\./.test(id) ? `invoke ${src}` : `invoke ${id} (${src})`);
}

function namesText(names: readonly string[]): string {
  const shown = names.slice(0, maxNames).map((name) => shorten(name, 30));
  return names.length > maxNames ? `${shown.join(', ')}, +${names.length - maxNames}` : shown.join(', ');
}
