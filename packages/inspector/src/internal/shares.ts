import { statesIn, transitionsIn, type ChartTransition } from '../chart.ts';
import type { MachineRun } from '../run.ts';
import { countOf } from './counts.ts';

/** A transition that no test can take, and why. */
export interface CoverageException {
  /** The machine's `id`. */
  readonly machine: string;
  /** The transition, as the report or `coverage().missed` names it: `state event [guard] → target`. */
  readonly transition: string;
  /** Why it cannot be taken, for whoever reviews the list. */
  readonly why: string;
}

/** A part of a whole, and what is missing. */
export interface Share {
  readonly total: number;
  readonly reached: number;
  readonly missed: readonly MissedPart[];
}

/** Something of a machine that nothing ever reached. */
export interface MissedPart {
  /** The state's id, or the transition's key. */
  readonly key: string;
  /** The state's path, or the transition's name. */
  readonly name: string;
  /** The same for readers: with what people call an event of XState's own. */
  readonly shown: string;
}

/** What was reached of a machine: of all states but history states, and of all transitions but excepted ones. */
export function sharesOf(
  { chart, states, transitions }: MachineRun,
  exceptions: readonly CoverageException[] = [],
): { readonly states: Share; readonly transitions: Share } {
  const excepted = exceptions.filter(({ machine }) => machine === chart.id).map((each) => each.transition);
  const wantedStates = statesIn(chart.root).filter(({ type, path }) => type !== 'history' && path !== '');
  const wanted = transitionsIn(chart.root).filter((each) => !excepted.some((name) => isNamed(each, name)));
  return {
    states: shareOf(
      wantedStates.map(({ id, path }) => ({ key: id, name: path, shown: path })),
      (id) => countOf(states, id)?.visits,
    ),
    transitions: shareOf(
      wanted.map((transition) => ({ ...transition, shown: shownName(transition) })),
      (key) => countOf(transitions, key)?.taken,
    ),
  };
}

function shareOf(parts: readonly MissedPart[], countFor: (key: string) => number | undefined): Share {
  const missed = parts
    .filter(({ key }) => (countFor(key) ?? 0) === 0)
    .map(({ key, name, shown }) => ({ key, name, shown }));
  return { total: parts.length, reached: parts.length - missed.length, missed };
}

/** Whether a transition is called so, by coverage or by readers. */
export function isNamed(transition: ChartTransition, name: string): boolean {
  return name === transition.name || name === shownName(transition);
}

/** What readers call a transition: `waiting after 1000 ms → idle`. */
export function shownName({ name, event, label }: ChartTransition): string {
  return event.startsWith('xstate.') ? name.replace(` ${event}`, () => ` ${label}`) : name;
}

/** What readers call machines: by their ids, which those of several shapes may share. */
export function machineTitles(machines: readonly Pick<MachineRun, 'chart'>[]): string[] {
  const given = new Set<string>();
  const ids = new Set(machines.map(({ chart }) => chart.id));
  return machines.map(({ chart: { id } }) => {
    let title = id;
    for (let copy = 2; given.has(title) || (title !== id && ids.has(title)); copy++)
      title = `${id} (${copy})`;
    given.add(title);
    return title;
  });
}

/** In percent; a whole of nothing is complete. */
export function percentOf({ total, reached }: Pick<Share, 'total' | 'reached'>): number {
  return total === 0 ? 100 : (reached * 100) / total;
}

/** Never rounded up to complete. */
export function percentText(share: Pick<Share, 'total' | 'reached'>): string {
  return `${Math.floor(percentOf(share) * 10) / 10}%`;
}
