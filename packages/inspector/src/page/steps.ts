import { statesIn, transitionsIn, type ChartState } from '../chart.ts';
import { eventText, timeText } from '../internal/eventText.ts';
import { shownName } from '../internal/shares.ts';
import type { MachineRun, Run, RunEntry } from '../run.ts';
import type { PageData, PageMachine, PageStep } from './types.ts';

/** A run as its page steps through it. */
export function pageData(run: Run, caller: string): PageData {
  const books = run.machines.map((machine) => new ChartBook(machine));
  const found = run.actors.map(({ shape }) => books.findIndex((book) => book.shape === shape));
  const actors = run.actors.map(({ name, labels }, index) => {
    const machine = found[index] ?? -1;
    return { name, ...(machine >= 0 && { machine }), ...(labels !== undefined && { labels }) };
  });
  return {
    actors,
    machines: books.map(({ page }) => page),
    steps: stepsOf(
      run,
      found.map((index) => books[index]),
    ),
    duration: timeText(run.durationMs),
    caller,
  };
}

function stepsOf(run: Run, books: readonly (ChartBook | undefined)[]): PageStep[] {
  const steps: PageStep[] = [];
  let states = new Map<number, Set<number>>();
  let next = 0;
  for (const entry of run.entries) {
    const missing = entry.sequence - next;
    next = entry.sequence + 1;
    // What actors did meanwhile is not known.
    if (missing > 0) states = new Map();
    const book = books[entry.type === 'sent' ? entry.to : entry.actor];
    const before = steps.at(-1);
    const changes = book === undefined ? {} : changesOf(entry, book, states);
    const { sequence: last } = entry;
    if (missing === 0 && before !== undefined && isHandling(entry, before)) {
      const ignored = entry.type === 'ignored' ? { isIgnored: true } : {};
      steps[steps.length - 1] = { ...before, ...changes, ...ignored, last };
    } else {
      const { sequence: first } = entry;
      const actor = entry.type === 'sent' ? entry.to : entry.actor;
      const gap = missing > 0 ? { missing } : {};
      steps.push({
        first,
        last,
        at: timeText(entry.atMs),
        actor,
        text: textOf(entry),
        ...gap,
        ...sourceOf(run, entry),
        ...changes,
      });
    }
  }
  return steps;
}

/** Whether an entry says what came of the event that was sent in the step before, or that its sender ended with it. */
function isHandling(entry: RunEntry, step: PageStep): boolean {
  const isOpen = step.from !== undefined && step.taken === undefined && step.isIgnored === undefined;
  if (!isOpen || entry.type === 'started' || entry.type === 'sent') return false;
  if (entry.type === 'stopped') return entry.actor === step.from && /^(?:done|error)$/.test(step.text);
  if (entry.type === 'taken' && entry.always) return false;
  return step.actor === entry.actor && step.text === eventText(entry.event);
}

function textOf(entry: RunEntry): string {
  if (entry.type === 'started') return 'starts';
  if (entry.type === 'taken' && entry.always) return 'always';
  return entry.type === 'stopped' ? `ends: ${entry.status}` : eventText(entry.event);
}

function sourceOf(run: Run, entry: RunEntry): Pick<PageStep, 'from'> {
  if (entry.type === 'sent') return { from: entry.from ?? -1 };
  const parent = entry.type === 'started' ? run.actors[entry.actor]?.parent : undefined;
  return parent === undefined ? {} : { from: parent };
}

function changesOf(entry: RunEntry, book: ChartBook, known: Map<number, Set<number>>): Partial<PageStep> {
  if (entry.type === 'sent' || entry.type === 'stopped') return {};
  const refused = entry.type === 'started' ? [] : book.named(entry.refused);
  const said = refused.length === 0 ? {} : { refused };
  if (entry.type === 'ignored') return said;
  const states = known.get(entry.actor) ?? new Set();
  known.set(entry.actor, states);
  const entered = entry.entered.flatMap((path) => book.enter(path, states));
  const taken = entry.type === 'taken' ? book.keyed(entry.keys) : undefined;
  return {
    ...said,
    ...(entered.length > 0 && { entered, states: [...states].toSorted((a, b) => a - b) }),
    ...(taken !== undefined && { taken }),
  };
}

interface Place {
  readonly index: number;
  readonly parent: Place | undefined;
  readonly type: ChartState['type'];
}

/** The chart of a machine, by the numbers that its page uses. */
class ChartBook {
  readonly page: PageMachine;
  readonly shape: string;
  readonly #places: readonly Place[];
  readonly #paths = new Map<string, Place>();
  readonly #keys: ReadonlyMap<string, number>;
  readonly #names = new Map<string, number>();

  constructor({ chart }: MachineRun) {
    this.shape = chart.shape;
    const states = statesIn(chart.root);
    const transitions = transitionsIn(chart.root);
    this.page = {
      id: chart.id,
      states: states.map(({ id, path }) => [id, path]),
      transitions: transitions.map((transition) => [transition.key, shownName(transition)]),
    };
    const parents = new Map(states.flatMap((state) => state.states.map((child) => [child, state] as const)));
    const places = new Map<ChartState, Place>();
    states.forEach((state, index) => {
      const parent = parents.get(state);
      const place = { index, parent: parent && places.get(parent), type: state.type };
      places.set(state, place);
      if (!this.#paths.has(state.path)) this.#paths.set(state.path, place);
    });
    this.#places = [...places.values()];
    this.#keys = new Map(transitions.map(({ key }, index) => [key, index]));
    transitions.forEach(({ name }, index) => {
      if (!this.#names.has(name)) this.#names.set(name, index);
    });
  }

  keyed(keys: readonly string[]): number[] {
    return keys.flatMap((key) => this.#keys.get(key) ?? []);
  }

  /** Of transitions that share a name, the first one. */
  named(names: readonly string[]): number[] {
    return names.flatMap((name) => this.#names.get(name) ?? []);
  }

  /** Enters a state: whoever is in one part of a state is in no other, unless it is parallel. */
  enter(path: string, states: Set<number>): number[] {
    const place = this.#paths.get(path);
    if (place === undefined) return [];
    for (const index of states) {
      const other = this.#places[index];
      if (other !== undefined && this.#excludes(place, other)) states.delete(index);
    }
    for (let at: Place | undefined = place; at !== undefined; at = at.parent) states.add(at.index);
    return [place.index];
  }

  #excludes(entered: Place, other: Place): boolean {
    const above = new Set<Place>();
    for (let at: Place | undefined = entered; at !== undefined; at = at.parent) above.add(at);
    if (above.has(other)) return other === entered;
    let child = other;
    while (child.parent !== undefined && !above.has(child.parent)) child = child.parent;
    // Inside of what is entered everything begins anew; elsewhere it depends on where their ways part.
    return child.parent === entered || child.parent?.type !== 'parallel';
  }
}
