import { describe, expect, test } from 'vitest';
import { assign, createMachine, emit, fromCallback, raise, type AnyStateMachine } from 'xstate';
import { inboundMachine } from './inbound.machine.ts';
import { requestMachine } from './request.machine.ts';
import { compileTable, type TableState } from './transitionTable.ts';

const event = { type: 'begin' };
const edges = ({ on }: TableState): Record<string, string | undefined> =>
  Object.fromEntries([...on].map(([type, { target }]) => [type, target?.name]));

test('a table has every state of its machine, the transitions of the machine as a whole included', () => {
  const { id, initial, states, timers } = compileTable(requestMachine);
  expect([id, initial.name]).toEqual(['request', 'dialing']);
  expect([...states.keys()]).toEqual(Object.keys(requestMachine.states));
  expect(edges(states.get('receiving')!)).toEqual({
    'answer.ended': 'verifying',
    'answer.stalled': 'stalled',
    'request.cancel': 'cancelled',
    'request.stop': 'stopped',
    'exchange.failed': 'failed',
    'xstate.after.timeoutMs.request': 'timedOut',
  });
  expect(timers).toHaveLength(1);
  expect(timers[0]!.delayMs({ timeoutMs: 7 }, event)).toBe(7);
});

test('what a state says itself wins over what the machine says', () => {
  const { states } = compileTable(inboundMachine);
  expect(edges(states.get('reading')!)['inbound.stop']).toBe('stopped');
  expect(edges(states.get('handling')!)['inbound.stop']).toBe('interrupted');
});

test('a final state leads nowhere and waits for nothing', () => {
  const finals = [...compileTable(inboundMachine).states.values()].filter(({ isFinal }) => isFinal);
  expect(finals).toHaveLength(9);
  for (const { on, timers } of finals) expect([on.size, timers.length]).toEqual([0, 0]);
});

test('what an event does on its way is kept in its order', () => {
  const { steps } = compileTable(inboundMachine).states.get('reading')!.on.get('request.read')!;
  expect(steps.map(({ type }) => type)).toEqual(['assign', 'start']);
});

const done = { type: 'final' } as const;
const cases: [what: string, machine: () => AnyStateMachine, says: string][] = [
  ['no states', () => createMachine({ id: 'm' }), '"m" has atomic states'],
  [
    'states side by side that are all entered',
    () => createMachine({ id: 'm', type: 'parallel', states: { a: {}, b: {} } }),
    '"m" has parallel states',
  ],
  [
    'states within states',
    () => createMachine({ id: 'm', initial: 'a', states: { a: { initial: 'b', states: { b: {} } } } }),
    '"m.a" has states within it',
  ],
  [
    'parallel states within states',
    () => createMachine({ id: 'm', initial: 'a', states: { a: { type: 'parallel', states: { b: {} } } } }),
    '"m.a" has parallel states',
  ],
  [
    'history',
    () => createMachine({ id: 'm', initial: 'a', states: { a: {}, h: { type: 'history' } } }),
    '"m.h" has history states',
  ],
  [
    'a guard',
    () =>
      createMachine({
        id: 'm',
        initial: 'a',
        states: { a: { on: { x: { guard: () => true, target: 'a' } } } },
      }),
    '"m.a" has a guard or a choice at "x"',
  ],
  [
    'a choice',
    () => createMachine({ id: 'm', initial: 'a', states: { a: { on: { x: [{ target: 'a' }, {}] } } } }),
    '"m.a" has a guard or a choice at "x"',
  ],
  [
    'a guard of a delay',
    () =>
      createMachine({
        id: 'm',
        initial: 'a',
        states: { a: { after: { 5: { guard: () => true, target: 'a' } } } },
      }),
    '"m.a" has a guard or a choice at "xstate.after.5.m.a"',
  ],
  [
    'a wildcard',
    () => createMachine({ id: 'm', initial: 'a', states: { a: { on: { '*': 'b' } }, b: done } }),
    '"m.a" has the wildcard "*"',
  ],
  [
    'an invoked actor',
    () =>
      createMachine({
        id: 'm',
        initial: 'a',
        states: { a: {} },
        invoke: { src: fromCallback(() => undefined) },
      }),
    '"m" has "invoke"',
  ],
  [
    'a transition without an event',
    () => createMachine({ id: 'm', initial: 'a', states: { a: { always: 'b' }, b: done } }),
    '"m.a" has "always"',
  ],
  [
    'an action on entry',
    () => createMachine({ id: 'm', initial: 'a', states: { a: { entry: assign({}) } } }),
    '"m.a" has "entry"',
  ],
  [
    'an action on exit',
    () => createMachine({ id: 'm', initial: 'a', states: { a: { exit: assign({}) } } }),
    '"m.a" has "exit"',
  ],
  [
    'an output',
    () => createMachine({ id: 'm', initial: 'a', states: { a: {}, b: done }, output: 1 }),
    '"m" has "output"',
  ],
  [
    'an action at the beginning',
    () => createMachine({ id: 'm', initial: { target: 'a', actions: assign({}) }, states: { a: {} } }),
    '"m" has actions at the beginning',
  ],
  [
    'an end at the beginning',
    () => createMachine({ id: 'm', initial: 'a', states: { a: done } }),
    '"m" has an end at the beginning',
  ],
  [
    'a restart of the machine',
    () =>
      createMachine({ id: 'm', initial: 'a', states: { a: {} }, on: { x: { target: '.a', reenter: true } } }),
    '"m" has a restart at "x"',
  ],
  [
    'the machine as a target',
    () => createMachine({ id: 'm', initial: 'a', states: { a: { on: { x: '#m' } } } }),
    '"m.a" has a target that is no state',
  ],
  [
    'an action with effects',
    () =>
      createMachine({ id: 'm', initial: 'a', states: { a: { on: { x: { actions: [() => undefined] } } } } }),
    '"m.a" has the action "a function", which is neither assign nor raise',
  ],
  [
    'an action that nobody provides',
    () => createMachine({ id: 'm', initial: 'a', states: { a: { on: { x: { actions: 'tell' } } } } }),
    '"m.a" has the action "tell", which is neither assign nor raise',
  ],
  [
    'another action of XState',
    () =>
      createMachine({
        id: 'm',
        initial: 'a',
        states: { a: { on: { x: { actions: emit({ type: 'y' }) } } } },
      }),
    '"m.a" has the action "xstate.emit", which is neither assign nor raise',
  ],
  [
    'an event that is raised at once',
    () =>
      createMachine({
        id: 'm',
        initial: 'a',
        states: { a: { on: { x: { actions: raise({ type: 'y' }) } } } },
      }),
    '"m.a" has "y" raised without a delay',
  ],
  [
    'an event that is made when it is raised',
    () =>
      createMachine({
        id: 'm',
        initial: 'a',
        states: { a: { on: { x: { actions: raise(() => ({ type: 'y' }), { delay: 1 }) } } } },
      }),
    '"m.a" has an event that is raised by a function',
  ],
  [
    'a delay that nobody provides',
    () => createMachine({ id: 'm', initial: 'a', states: { a: { after: { laterMs: 'b' } }, b: done } }),
    '"m.a" has the delay "laterMs", which is none',
  ],
];

describe('a machine is refused that has', () => {
  test.each(cases)('%s', (_, machine, says) => {
    expect(() => compileTable(machine())).toThrow(`Cannot make a table of the machine "m": ${says}`);
  });
});
