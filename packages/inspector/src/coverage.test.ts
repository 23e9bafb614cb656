import { expect, test } from 'vitest';
import { createActor, setup } from 'xstate';
import { createRecorder } from './index.ts';

const doorMachine = setup({
  types: {} as {
    events: { type: 'door.open' } | { type: 'door.close' };
    input: { locked: boolean };
    context: { locked: boolean };
  },
  guards: { isLocked: ({ context }) => context.locked },
}).createMachine({
  id: 'door',
  context: ({ input }) => input,
  initial: 'closed',
  states: {
    closed: { on: { 'door.open': [{ guard: 'isLocked', target: 'closed' }, { target: 'opening' }] } },
    opening: { always: { target: 'open' } },
    open: { on: { 'door.close': { target: 'closed' } } },
  },
});

test('a recorder names the transitions that a run never took', () => {
  const recorder = createRecorder();
  const door = createActor(doorMachine, { input: { locked: false }, inspect: recorder.inspect }).start();
  door.send({ type: 'door.open' });
  expect(recorder.coverage(doorMachine)).toEqual({
    machine: 'door',
    total: 4,
    taken: 2,
    missed: ['closed door.open [isLocked] → closed', 'open door.close → closed'],
  });
});

test('a recorder merges the runs of copies made by provide', () => {
  const recorder = createRecorder();
  const copy = doorMachine.provide({ guards: { isLocked: () => true } });
  createActor(copy, { input: { locked: false }, inspect: recorder.inspect })
    .start()
    .send({ type: 'door.open' });
  const door = createActor(doorMachine, { input: { locked: false }, inspect: recorder.inspect }).start();
  door.send({ type: 'door.open' });
  door.send({ type: 'door.close' });
  expect(recorder.coverage(doorMachine).missed).toEqual([]);
});
