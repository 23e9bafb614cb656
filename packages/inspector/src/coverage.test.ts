import { expect, test } from 'vitest';
import { createActor, fromCallback, fromPromise, setup, SimulatedClock } from 'xstate';
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

/** One transition of every sort. */
const lampMachine = setup({
  types: {} as { events: { type: 'lamp.switch' } | { type: 'lamp.dim' } | { type: 'lamp.break' } },
  actors: { warmUp: fromPromise(() => Promise.resolve()) },
  delays: { patienceMs: 1_000 },
  actions: { note: () => undefined },
}).createMachine({
  id: 'lamp',
  initial: 'off',
  on: { 'lamp.break': { target: '.broken' } },
  states: {
    off: {
      on: { 'lamp.switch': { target: 'warming' }, '*': { actions: 'note' } },
    },
    warming: {
      invoke: { src: 'warmUp', id: 'warmUp', onDone: { target: 'on' }, onError: { target: 'broken' } },
    },
    on: {
      initial: 'bright',
      after: { patienceMs: { target: 'off' } },
      states: {
        bright: { on: { 'lamp.dim': { target: 'dim' } } },
        dim: { on: { 'lamp.dim': { target: 'bright' } } },
      },
    },
    broken: { type: 'final' },
  },
});

const allOfLamp = [
  '(root) lamp.break → broken',
  'off lamp.switch → warming',
  'off *',
  'warming xstate.done.actor.warmUp → on',
  'warming xstate.error.actor.warmUp → broken',
  'on xstate.after.patienceMs.lamp.on → off',
  'on.bright lamp.dim → on.dim',
  'on.dim lamp.dim → on.bright',
];

test('a machine that never ran has missed everything', () => {
  expect(createRecorder().coverage(lampMachine)).toEqual({
    machine: 'lamp',
    total: 8,
    taken: 0,
    missed: allOfLamp,
  });
});

test('a recorder sees transitions of every sort: nested, delayed, by an invoked actor, by any event, of the root', async () => {
  const recorder = createRecorder();
  const clock = new SimulatedClock();
  const lamp = createActor(lampMachine, { inspect: recorder.inspect, clock }).start();
  const missed = (): readonly string[] => recorder.coverage(lampMachine).missed;
  lamp.send({ type: 'lamp.dim' });
  expect(missed()).not.toContain('off *');
  lamp.send({ type: 'lamp.switch' });
  await new Promise<void>((resolve) => lamp.subscribe((snapshot) => snapshot.matches('on') && resolve()));
  lamp.send({ type: 'lamp.dim' });
  lamp.send({ type: 'lamp.dim' });
  clock.increment(1_000);
  lamp.send({ type: 'lamp.switch' });
  lamp.send({ type: 'lamp.break' });
  expect(missed()).toEqual(['warming xstate.error.actor.warmUp → broken']);
});

test('a recorder sees the failure of an invoked actor', async () => {
  const recorder = createRecorder();
  const failing = lampMachine.provide({
    actors: { warmUp: fromPromise(() => Promise.reject(new Error('cold'))) },
  });
  const lamp = createActor(failing, { inspect: recorder.inspect }).start();
  lamp.send({ type: 'lamp.switch' });
  await new Promise<void>((resolve) => lamp.subscribe({ complete: resolve }));
  expect(recorder.coverage(lampMachine).missed).not.toContain('warming xstate.error.actor.warmUp → broken');
});

test('a recorder keeps machines apart, children of a machine included', () => {
  const streetMachine = setup({
    types: {} as { events: { type: 'street.dusk' } },
    actors: { lamp: lampMachine, watch: fromCallback(() => undefined) },
  }).createMachine({
    id: 'street',
    initial: 'day',
    states: {
      day: { on: { 'street.dusk': { target: 'night' } } },
      night: { invoke: [{ src: 'lamp', id: 'lamp' }, { src: 'watch' }] },
    },
  });
  const recorder = createRecorder();
  const street = createActor(streetMachine, { inspect: recorder.inspect }).start();
  street.send({ type: 'street.dusk' });
  street.getSnapshot().children['lamp']?.send({ type: 'lamp.switch' });
  expect(recorder.coverage(streetMachine)).toMatchObject({ machine: 'street', taken: 1, missed: [] });
  expect(recorder.coverage(lampMachine)).toMatchObject({ machine: 'lamp', taken: 1 });
  expect(recorder.coverage(doorMachine).taken).toBe(0);
});

test('an event that changes nothing takes no transition', () => {
  const recorder = createRecorder();
  const door = createActor(doorMachine, { input: { locked: false }, inspect: recorder.inspect }).start();
  door.send({ type: 'door.close' });
  expect(recorder.coverage(doorMachine).taken).toBe(0);
});
