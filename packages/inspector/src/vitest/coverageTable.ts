import { transitionsIn } from '../chart.ts';
import { countOf } from '../internal/counts.ts';
import {
  isNamed,
  machineTitles,
  percentText,
  sharesOf,
  type CoverageException,
  type Share,
} from '../internal/shares.ts';
import type { MachineRun } from '../run.ts';
import { sortedMachines } from './merge.ts';

/** What of one machine was reached. */
export interface CoverageRow {
  /** The machine's `id`; `door (2)` is the second shape of a machine of the `id` `door`. */
  readonly machine: string;
  /** Of all states but history states. */
  readonly states: Share;
  /** Of all transitions but excepted ones. */
  readonly transitions: Share;
  /** Excepted transitions, by name. */
  readonly excepted: readonly string[];
}

/** What was reached of each machine, by name. */
export function coverageRows(
  machines: readonly MachineRun[],
  exceptions: readonly CoverageException[],
): CoverageRow[] {
  const sorted = sortedMachines(machines);
  const titles = machineTitles(sorted);
  return sorted.map((machine, index) => ({
    machine: titles[index] ?? machine.chart.id,
    ...sharesOf(machine, exceptions),
    excepted: exceptions.filter((each) => each.machine === machine.chart.id).map((each) => each.transition),
  }));
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
        .filter((each) => isNamed(each, transition))
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
    const names = transitions.missed.slice(0, shownNames).map(({ shown }) => shown);
    const more = transitions.missed.length - names.length;
    const parts = [
      ...names,
      ...(more > 0 ? [`+${more} more`] : []),
      ...(excepted.length > 0 ? [`(${excepted.length} excepted)`] : []),
    ];
    return line(machine, percentText(states), percentText(transitions), parts.join(', '));
  });
  return [line(title, 'states', 'transitions', 'never taken'), ...lines].join('\n');
}
