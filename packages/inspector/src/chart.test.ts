import { expect, test } from 'vitest';
import { and, createMachine, fromPromise, raise, setup } from 'xstate';
import { machineChart, type ChartState, type ChartTransition } from './index.ts';

const machine = setup({
  types: {} as { events: { type: 'go' } | { type: 'back' } | { type: 'break' } },
  actors: { work: fromPromise(() => Promise.resolve()) },
  guards: { isReady: () => true, isBrave: () => true },
  actions: { note: () => undefined, clear: () => undefined },
  delays: { patienceMs: 500 },
}).createMachine({
  id: 'trip',
  initial: 'home',
  on: { break: { target: '.lost', actions: ['note', 'clear'] } },
  states: {
    home: {
      description: 'Nobody knows yet.',
      entry: 'clear',
      exit: 'note',
      on: { go: [{ guard: 'isReady', target: 'away' }, { actions: 'note' }], '*': { actions: 'note' } },
    },
    away: {
      type: 'parallel',
      onDone: { target: 'home' },
      on: { back: { target: 'home', reenter: true } },
      states: {
        body: {
          initial: 'walking',
          states: {
            walking: { after: { patienceMs: { target: 'resting' }, 1000: { target: 'memory' } } },
            resting: { always: { guard: and(['isReady', 'isBrave']), target: 'done' } },
            done: { type: 'final' },
            memory: { type: 'history', history: 'deep' },
          },
        },
        mind: {
          invoke: { id: 'job', src: 'work', onDone: { target: '.calm' }, onError: { actions: 'note' } },
          initial: 'busy',
          states: { busy: { entry: raise({ type: 'go' }) }, calm: { type: 'final' } },
        },
      },
    },
    lost: { type: 'final' },
  },
});

type Wanted = Pick<ChartState, 'id' | 'path' | 'name' | 'type'> & Partial<ChartState>;
const state = (wanted: Wanted): ChartState => ({
  initial: [],
  entry: [],
  exit: [],
  invokes: [],
  transitions: [],
  states: [],
  ...wanted,
});
const transition = (
  wanted: Pick<ChartTransition, 'key' | 'name' | 'event' | 'label'> & Partial<ChartTransition>,
): ChartTransition => ({ kind: 'event', actions: [], targets: [], reenter: false, ...wanted });

const walking = state({
  id: 'trip.away.body.walking',
  path: 'away.body.walking',
  name: 'walking',
  type: 'atomic',
  transitions: [
    transition({
      key: 'trip.away.body.walking|xstate.after.1000.trip.away.body.walking|0',
      name: 'away.body.walking xstate.after.1000.trip.away.body.walking → away.body.memory',
      kind: 'after',
      event: 'xstate.after.1000.trip.away.body.walking',
      label: 'after 1000 ms',
      targets: ['trip.away.body.memory'],
    }),
    transition({
      key: 'trip.away.body.walking|xstate.after.patienceMs.trip.away.body.walking|0',
      name: 'away.body.walking xstate.after.patienceMs.trip.away.body.walking → away.body.resting',
      kind: 'after',
      event: 'xstate.after.patienceMs.trip.away.body.walking',
      label: 'after patienceMs',
      targets: ['trip.away.body.resting'],
    }),
  ],
});

const body = state({
  id: 'trip.away.body',
  path: 'away.body',
  name: 'body',
  type: 'compound',
  initial: ['trip.away.body.walking'],
  states: [
    walking,
    state({
      id: 'trip.away.body.resting',
      path: 'away.body.resting',
      name: 'resting',
      type: 'atomic',
      transitions: [
        transition({
          key: 'trip.away.body.resting||0',
          name: 'away.body.resting always → away.body.done',
          kind: 'always',
          event: '',
          label: 'always',
          guard: 'and',
          targets: ['trip.away.body.done'],
        }),
      ],
    }),
    state({ id: 'trip.away.body.done', path: 'away.body.done', name: 'done', type: 'final' }),
    state({
      id: 'trip.away.body.memory',
      path: 'away.body.memory',
      name: 'memory',
      type: 'history',
      history: 'deep',
    }),
  ],
});

const mind = state({
  id: 'trip.away.mind',
  path: 'away.mind',
  name: 'mind',
  type: 'compound',
  initial: ['trip.away.mind.busy'],
  invokes: [{ id: 'job', src: 'work' }],
  transitions: [
    transition({
      key: 'trip.away.mind|xstate.done.actor.job|0',
      name: 'away.mind xstate.done.actor.job → away.mind.calm',
      kind: 'done',
      event: 'xstate.done.actor.job',
      label: 'job done',
      targets: ['trip.away.mind.calm'],
    }),
    transition({
      key: 'trip.away.mind|xstate.error.actor.job|0',
      name: 'away.mind xstate.error.actor.job',
      kind: 'error',
      event: 'xstate.error.actor.job',
      label: 'job error',
      actions: ['note'],
    }),
  ],
  states: [
    state({
      id: 'trip.away.mind.busy',
      path: 'away.mind.busy',
      name: 'busy',
      type: 'atomic',
      entry: ['raise'],
    }),
    state({ id: 'trip.away.mind.calm', path: 'away.mind.calm', name: 'calm', type: 'final' }),
  ],
});

test('a chart lists every state and every transition of a machine, of every sort, as plain JSON', () => {
  const chart = machineChart(machine);
  expect(JSON.parse(JSON.stringify(chart))).toEqual(chart);
  expect(chart).toEqual({
    id: 'trip',
    shape: expect.stringMatching(/^[0-9a-f]{16}$/) as string,
    root: state({
      id: 'trip',
      path: '',
      name: 'trip',
      type: 'compound',
      initial: ['trip.home'],
      transitions: [
        transition({
          key: 'trip|break|0',
          name: '(root) break → lost',
          event: 'break',
          label: 'break',
          actions: ['note', 'clear'],
          targets: ['trip.lost'],
        }),
      ],
      states: [
        state({
          id: 'trip.home',
          path: 'home',
          name: 'home',
          type: 'atomic',
          description: 'Nobody knows yet.',
          entry: ['clear'],
          exit: ['note'],
          transitions: [
            transition({
              key: 'trip.home|go|0',
              name: 'home go [isReady] → away',
              event: 'go',
              label: 'go',
              guard: 'isReady',
              targets: ['trip.away'],
            }),
            transition({
              key: 'trip.home|go|1',
              name: 'home go',
              event: 'go',
              label: 'go',
              actions: ['note'],
            }),
            transition({
              key: 'trip.home|*|0',
              name: 'home *',
              event: '*',
              label: 'any event',
              actions: ['note'],
            }),
          ],
        }),
        state({
          id: 'trip.away',
          path: 'away',
          name: 'away',
          type: 'parallel',
          initial: ['trip.away.body', 'trip.away.mind'],
          transitions: [
            transition({
              key: 'trip.away|back|0',
              name: 'away back → home',
              event: 'back',
              label: 'back',
              targets: ['trip.home'],
              reenter: true,
            }),
            transition({
              key: 'trip.away|xstate.done.state.trip.away|0',
              name: 'away xstate.done.state.trip.away → home',
              kind: 'done',
              event: 'xstate.done.state.trip.away',
              label: 'done',
              targets: ['trip.home'],
            }),
          ],
          states: [body, mind],
        }),
        state({ id: 'trip.lost', path: 'lost', name: 'lost', type: 'final' }),
      ],
    }),
  });
});

test('copies of a machine have the same chart, and machines that differ have another shape', () => {
  const copy = machine.provide({ guards: { isReady: () => false } });
  expect(machineChart(copy)).toEqual(machineChart(machine));
  const other = setup({}).createMachine({ id: 'trip', initial: 'home', states: { home: {} } });
  expect(machineChart(other).shape).not.toBe(machineChart(machine).shape);
});

test('what is written in place of a name is called a function', () => {
  const inline = createMachine({
    initial: 'a',
    states: {
      a: { entry: () => undefined, invoke: { src: fromPromise(() => Promise.resolve()) } },
      b: { always: { guard: () => true, target: 'a' } },
    },
  });
  const [a, b] = machineChart(inline).root.states;
  expect(a?.entry).toHaveLength(1);
  expect(a?.invokes).toEqual([{ id: '0.(machine).a', src: expect.any(String) as string }]);
  expect(b?.transitions[0]?.guard).toEqual(expect.any(String));
});
