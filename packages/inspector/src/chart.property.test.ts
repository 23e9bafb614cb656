import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  getInitialSnapshot,
  type AnyStateMachine,
  type AnyStateNode,
  type AnyTransitionDefinition,
} from 'xstate';
import { toDirectedGraph, type DirectedGraphNode } from 'xstate/graph';
import { anyMachine, restingMachine } from '../test/anyMachine.ts';
import { wellFormed } from '../test/wellFormed.ts';
import { chartMermaid, chartSvg, machineChart } from './index.ts';
import { statesIn, transitionsIn, type ChartState } from './chart.ts';

const check = (holds: (machine: AnyStateMachine) => void): void =>
  fc.assert(fc.property(anyMachine, holds), { numRuns: 100 });

const nodesIn = (node: DirectedGraphNode): DirectedGraphNode[] => [node, ...node.children.flatMap(nodesIn)];

const statesOf = (node: AnyStateNode): AnyStateNode[] => [
  node,
  ...Object.values(node.states).flatMap(statesOf),
];

const sorted = (texts: readonly string[]): string[] => texts.toSorted((a, b) => (a < b ? -1 : 1));

/** A line for each transition and target; without a target it stays where it is. */
const edgesOf = (state: ChartState): string[] =>
  state.transitions.flatMap(({ event, targets }) =>
    (targets.length === 0 ? [state.id] : targets).map((target) => `${state.id} ${event} ${target}`),
  );

test('a chart has the transitions that the graph of XState has, and those that only a guard decides', () => {
  check((machine) => {
    const states = statesIn(machineChart(machine).root);
    const graph = nodesIn(toDirectedGraph(machine)).flatMap(({ edges }) => edges);
    const always = statesOf(machine.root).flatMap((node) =>
      (node.always ?? []).flatMap(({ target }: AnyTransitionDefinition) =>
        (target ?? [node]).map((to: AnyStateNode) => `${node.id}  ${to.id}`),
      ),
    );
    const wanted = graph.map(({ source, target, label }) => `${source.id} ${label.text} ${target.id}`);
    expect(sorted(states.flatMap(edgesOf))).toEqual(sorted([...wanted, ...always]));
  });
});

test('a chart has every state once, and tells all transitions apart', () => {
  check((machine) => {
    const { root } = machineChart(machine);
    const ids = statesIn(root).map(({ id }) => id);
    expect(sorted(ids)).toEqual(sorted(statesOf(machine.root).map(({ id }) => id)));
    const keys = transitionsIn(root).map(({ key }) => key);
    expect(new Set(keys).size).toBe(keys.length);
  });
});

test('a chart starts where the machine does', () => {
  const startsAlike = (machine: AnyStateMachine): void => {
    const { root } = machineChart(machine);
    const states = new Map(statesIn(root).map((state) => [state.id, state]));
    const entered = (state: ChartState): string[] => [
      state.id,
      ...state.initial.flatMap((id) => entered(states.get(id) ?? root)),
    ];
    const started = getInitialSnapshot(machine)._nodes.map(({ id }: AnyStateNode) => id);
    expect(sorted(entered(root))).toEqual(sorted(started));
  };
  fc.assert(fc.property(restingMachine, startsAlike), { numRuns: 100 });
});

test('copies of a machine have the same chart', () => {
  check((machine) => {
    const copy = machine.provide({ guards: { isRight: () => true } } as never);
    expect(machineChart(copy)).toEqual(machineChart(machine));
  });
});

test('every picture is well-formed, and shows each state and each transition once', async () => {
  await fc.assert(
    fc.asyncProperty(anyMachine, async (machine) => {
      const chart = machineChart(machine);
      const svg = await chartSvg(chart);
      expect(wellFormed(svg)).toBe(true);
      expect(svg).not.toMatch(/NaN|undefined/);
      const shown = (name: string): string[] =>
        [...svg.matchAll(new RegExp(` data-${name}="([^"]*)"`, 'g'))].map(([, value]) => value ?? '');
      expect(sorted(shown('state'))).toEqual(sorted(statesIn(chart.root).map(({ id }) => id)));
      expect(sorted(shown('transition'))).toEqual(sorted(transitionsIn(chart.root).map(({ key }) => key)));
    }),
    { numRuns: 12 },
  );
});

test('the source for Mermaid names every state once, and opens and closes braces in pairs', () => {
  check((machine) => {
    const text = chartMermaid(machineChart(machine));
    const names = text.split('\n').flatMap((line) => /^\s*state .* as (\w+)/.exec(line)?.[1] ?? []);
    expect(new Set(names).size).toBe(names.length);
    expect(text.match(/\{$/gm)?.length ?? 0).toBe(text.match(/^\s*\}$/gm)?.length ?? 0);
    expect(text).not.toMatch(/undefined|--> :|-->\s*$/m);
  });
});
