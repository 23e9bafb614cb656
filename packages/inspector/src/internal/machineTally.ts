import type { AnyStateMachine, AnyStateNode, AnyTransitionDefinition } from 'xstate';
import { keyOf, machineChart, statesIn, transitionsIn, type MachineChart } from '../chart.ts';
import type { MachineRun } from '../run.ts';

/** Counts of one state, shared by all copies of its machine. */
export interface StateTally {
  readonly id: string;
  readonly path: string;
  visits: number;
  /** How many actors are in it now. */
  inside: number;
  /** How long actors were in it, less the times at which those that are in it now entered it. */
  balanceMs: number;
}

/** Counts of one transition, shared by all copies of its machine. */
export interface TransitionTally {
  readonly key: string;
  readonly name: string;
  taken: number;
  refused: number;
}

/** Counts of one machine and of every copy that `provide` made of it. Holds no part of the machine itself. */
export class MachineTally {
  readonly chart: MachineChart;
  /** Whether refusals need to be looked for at all. */
  readonly hasGuards: boolean;
  readonly #states = new Map<string, StateTally>();
  readonly #transitions = new Map<string, TransitionTally>();
  /** For what a chart does not list: nothing is known to be like that, and a recorder must not throw. */
  readonly #unknownState: StateTally = { id: '', path: '', visits: 0, inside: 0, balanceMs: 0 };
  readonly #unknownTransition: TransitionTally = { key: '', name: '(unknown)', taken: 0, refused: 0 };

  constructor(machine: AnyStateMachine) {
    this.chart = machineChart(machine);
    const transitions = transitionsIn(this.chart.root);
    this.hasGuards = transitions.some(({ guard }) => guard !== undefined);
    for (const { id, path } of statesIn(this.chart.root)) {
      this.#states.set(id, { id, path, visits: 0, inside: 0, balanceMs: 0 });
    }
    for (const { key, name } of transitions) this.#transitions.set(key, { key, name, taken: 0, refused: 0 });
  }

  state(node: AnyStateNode): StateTally {
    return this.#states.get(node.id) ?? this.#unknownState;
  }

  transition(transition: AnyTransitionDefinition): TransitionTally {
    return this.#transitions.get(keyOf(transition)) ?? this.#unknownTransition;
  }

  /** In the order of the chart. */
  allTransitions(): readonly TransitionTally[] {
    return [...this.#transitions.values()];
  }

  /** What was counted so far; states that are not left yet last until now. */
  toRun(nowMs: number): MachineRun {
    const states = [...this.#states.values()].filter(({ visits }) => visits > 0);
    const transitions = [...this.#transitions.values()].filter(({ taken, refused }) => taken + refused > 0);
    return {
      chart: this.chart,
      states: Object.fromEntries(
        states.map((state) => [
          state.id,
          { visits: state.visits, durationMs: rounded(Math.max(0, state.balanceMs + state.inside * nowMs)) },
        ]),
      ),
      transitions: Object.fromEntries(
        transitions.map(({ key, taken, refused }) => [key, { taken, refused }]),
      ),
    };
  }
}

/** An actor enters a state. */
export function enter(state: StateTally, atMs: number): void {
  state.visits += 1;
  state.inside += 1;
  state.balanceMs -= atMs;
}

/** An actor leaves a state that it had entered. */
export function leave(state: StateTally, atMs: number): void {
  state.inside -= 1;
  state.balanceMs += atMs;
}

/** A microsecond is as exact as a picture or a test needs. */
export function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
