import { expect, test } from 'vitest';
import { createMachine, type AnyStateMachine } from 'xstate';
import { coveragePage, createRecorder, runPage, type CoverageException, type MachineRun } from '../index.ts';
import { coverageRows, exceptionProblems, tableText } from './coverageTable.ts';

function declared(...machines: readonly AnyStateMachine[]): readonly MachineRun[] {
  const recorder = createRecorder();
  for (const machine of machines) recorder.declare(machine);
  return recorder.run().machines;
}

const playerMachine = createMachine({
  id: 'player',
  initial: 'broken',
  states: { broken: { after: { 100: 'on' } }, on: {} },
});

test('a transition of a timer has the name that people read in the table', () => {
  expect(tableText(coverageRows(declared(playerMachine), []))).toContain('   broken after 100 ms → on');
});

test.each(['broken after 100 ms → on', 'broken xstate.after.100.player.broken → on'])(
  'an exception may be called "%s"',
  (transition) => {
    const exceptions: CoverageException[] = [{ machine: 'player', transition, why: 'it takes too long' }];
    const machines = declared(playerMachine);
    expect(coverageRows(machines, exceptions)[0]?.transitions).toMatchObject({ total: 0, missed: [] });
    expect(exceptionProblems(machines, exceptions)).toEqual([]);
  },
);

test('machines of one id and several shapes are told apart', async () => {
  const door = createMachine({ id: 'door', initial: 'open', states: { open: {} } });
  const other = createMachine({ id: 'door', initial: 'shut', states: { shut: {} } });
  const machines = declared(door, other);
  expect(coverageRows(machines, []).map(({ machine }) => machine)).toEqual(['door', 'door (2)']);
  expect(await coveragePage(machines)).toContain('<a href="#machine-1">door (2)</a>');
  const recorder = createRecorder();
  for (const machine of [door, other]) recorder.declare(machine);
  expect(await runPage(recorder.run(), { title: 'doors' })).toContain('>door (2)</button>');
});
