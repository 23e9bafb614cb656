import { expect, test } from 'vitest';
import { createActor, createMachine, type AnyStateMachine } from 'xstate';
import { createRecorder } from '../recorder.ts';
import type { MachineRun } from '../run.ts';
import { coverageRows } from './coverageTable.ts';
import { mergeMachines } from './merge.ts';

function runsOf(machine: AnyStateMachine, ...events: string[]): readonly MachineRun[] {
  const recorder = createRecorder({ clock: { elapsed: () => 0 } });
  const actor = createActor(machine, { inspect: recorder.inspect }).start();
  for (const type of events) actor.send({ type });
  return recorder.run().machines;
}

test.each(['open', '__proto__', 'constructor'])('visits of a state whose id is %s add up', (id) => {
  const states = { a: { on: { go: 'b' } }, b: { id, on: { back: 'a' } } };
  const machine = createMachine({ id: 'odd', initial: 'a', states } as never);
  const merged = [runsOf(machine), runsOf(machine, 'go'), runsOf(machine, 'go', 'back', 'go')].reduce(
    mergeMachines,
    {},
  );
  const [total] = Object.values(merged);
  expect(Object.entries(total?.states ?? {}).map(([name, { visits }]) => [name, visits])).toEqual([
    ['odd', 3],
    ['odd.a', 4],
    [id, 3],
  ]);
  expect(coverageRows(runsOf(machine), [])[0]?.states.missed.map(({ name }) => name)).toEqual(['b']);
});
