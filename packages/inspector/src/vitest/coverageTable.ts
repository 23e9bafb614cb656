import { statesIn, transitionsIn } from '../chart.ts';
import { countOf } from '../internal/counts.ts';
import type { MachineRun } from '../run.ts';

/** A transition that no test can take, and why. */
export interface CoverageException {
  /** The machine's `id`. */
  readonly machine: string;
  /** The transition, as the report names it: `state event [guard] → target`. */
  readonly transition: string;
  /** Why it cannot be taken, for whoever reviews the list. */
  readonly why: string;
}

/** What of one machine was reached. */
export interface CoverageRow {
  /** The machine's `id`. */
  readonly machine: string;
  /** Of all states but history states. */
  readonly states: Share;
  /** Of all transitions but excepted ones. */
  readonly transitions: Share;
  /** Excepted transitions, by name. */
  readonly excepted: readonly string[];
}

/** A part of a whole, and what is missing. */
export interface Share {
  readonly total: number;
  readonly reached: number;
  readonly missed: readonly string[];
}

/** What was reached of each machine, by name. */
export function coverageRows(
  machines: readonly MachineRun[],
  exceptions: readonly CoverageException[],
): CoverageRow[] {
  const rows = machines.map((machine) => rowOf(machine, exceptions));
  return rows.toSorted((a, b) => (a.machine < b.machine ? -1 : Number(a.machine > b.machine)));
}

function rowOf({ chart, ...counts }: MachineRun, exceptions: readonly CoverageException[]): CoverageRow {
  const excepted = exceptions.filter(({ machine }) => machine === chart.id).map((each) => each.transition);
  const states = statesIn(chart.root).filter(({ type, path }) => type !== 'history' && path !== '');
  const transitions = transitionsIn(chart.root).filter(({ name }) => !excepted.includes(name));
  return {
    machine: chart.id,
    states: shareOf(
      states.map(({ id, path }) => ({
        name: path,
        isReached: (countOf(counts.states, id)?.visits ?? 0) > 0,
      })),
    ),
    transitions: shareOf(
      transitions.map(({ key, name }) => ({
        name,
        isReached: (countOf(counts.transitions, key)?.taken ?? 0) > 0,
      })),
    ),
    excepted,
  };
}

function shareOf(parts: readonly { readonly name: string; readonly isReached: boolean }[]): Share {
  const missed = parts.filter(({ isReached }) => !isReached).map(({ name }) => name);
  return { total: parts.length, reached: parts.length - missed.length, missed };
}

/** In percent; a whole of nothing is complete. */
export function percentOf({ total, reached }: Share): number {
  return total === 0 ? 100 : (reached * 100) / total;
}

/** Never rounded up to complete. */
export function percentText(share: Share): string {
  return `${Math.floor(percentOf(share) * 10) / 10}%`;
}

/** Exceptions that are not what the list says. */
export function exceptionProblems(
  machines: readonly MachineRun[],
  exceptions: readonly CoverageException[],
): string[] {
  return exceptions.flatMap(({ machine, transition }) => {
    const copies = machines.filter(({ chart }) => chart.id === machine);
    const found = copies.flatMap(({ chart, transitions }) =>
      transitionsIn(chart.root)
        .filter(({ name }) => name === transition)
        .map(({ key }) => countOf(transitions, key)?.taken ?? 0),
    );
    const name = `the exception "${machine}: ${transition}"`;
    if (found.length === 0) return [`${name} names no transition`];
    return found.every((taken) => taken > 0) ? [`${name} was taken: it is none`] : [];
  });
}

const shownNames = 3;

/** The table that a run ends with. */
export function tableText(rows: readonly CoverageRow[]): string {
  const title = 'Machine coverage';
  const width = Math.max(title.length, ...rows.map(({ machine }) => machine.length)) + 2;
  const line = (...[name, states, transitions, missed]: [string, string, string, string]): string =>
    ` ${name.padEnd(width)}${states.padStart(7)}${transitions.padStart(13)}   ${missed}`.trimEnd();
  const lines = rows.map(({ machine, states, transitions, excepted }) => {
    const shown = transitions.missed.slice(0, shownNames);
    const more = transitions.missed.length - shown.length;
    const parts = [
      ...shown,
      ...(more > 0 ? [`+${more} more`] : []),
      ...(excepted.length > 0 ? [`(${excepted.length} excepted)`] : []),
    ];
    return line(machine, percentText(states), percentText(transitions), parts.join(', '));
  });
  return [line(title, 'states', 'transitions', 'never taken'), ...lines].join('\n');
}
