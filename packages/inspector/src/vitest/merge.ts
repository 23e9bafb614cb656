import type { MachineRun, StateCount, TransitionCount } from '../run.ts';

/** Machines of one shape are one machine, whichever process ran them. */
export const machineKey = ({ chart }: MachineRun): string => `${chart.id} ${chart.shape}`;

/** In an order that does not depend on which test ran first. */
export function sortedMachines(machines: readonly MachineRun[]): MachineRun[] {
  return machines.toSorted((a, b) => (machineKey(a) < machineKey(b) ? -1 : 1));
}

/** Adds what machines did to what they did before. */
export function mergeMachines(
  before: Readonly<Record<string, MachineRun>>,
  more: readonly MachineRun[],
): Record<string, MachineRun> {
  const merged = { ...before };
  for (const machine of more) {
    const key = machineKey(machine);
    const known = merged[key];
    merged[key] = known === undefined ? machine : mergeTwo(known, machine);
  }
  return merged;
}

function mergeTwo(one: MachineRun, other: MachineRun): MachineRun {
  const states = new Map(Object.entries(one.states));
  for (const [id, { visits, durationMs }] of Object.entries(other.states)) {
    const known: StateCount = states.get(id) ?? { visits: 0, durationMs: 0 };
    states.set(id, { visits: known.visits + visits, durationMs: known.durationMs + durationMs });
  }
  const transitions = new Map(Object.entries(one.transitions));
  for (const [key, { taken, refused }] of Object.entries(other.transitions)) {
    const known: TransitionCount = transitions.get(key) ?? { taken: 0, refused: 0 };
    transitions.set(key, { taken: known.taken + taken, refused: known.refused + refused });
  }
  return {
    chart: one.chart,
    states: Object.fromEntries(states),
    transitions: Object.fromEntries(transitions),
  };
}
