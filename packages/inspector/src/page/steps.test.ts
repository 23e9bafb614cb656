import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { createActor, SimulatedClock, type AnyStateMachine } from 'xstate';
import { restingMachine } from '../../test/anyMachine.ts';
import { gateMachine } from '../../test/runs.ts';
import { createRecorder } from '../index.ts';
import { pageData } from './steps.ts';

test('an event and what it did are one step, what follows by itself is another', () => {
  const recorder = createRecorder();
  const gate = createActor(gateMachine, { inspect: recorder.inspect }).start();
  gate.send({ type: 'gate.kick' });
  gate.send({ type: 'gate.pay' });
  gate.send({ type: 'gate.pay' });
  const { steps, machines } = pageData(recorder.run(), 'test');
  const [machine] = machines;
  const told = steps.map(({ text, from, isIgnored, entered = [], taken = [], refused = [] }) => ({
    text,
    from,
    ...(isIgnored === true && { isIgnored }),
    entered: entered.map((index) => machine?.states[index]?.[1]),
    taken: taken.map((index) => machine?.transitions[index]?.[1]),
    refused: refused.map((index) => machine?.transitions[index]?.[1]),
  }));
  const refused = ['locked gate.kick [isBroken] → free', 'locked gate.kick [isStrong] → free'];
  expect(told).toEqual([
    { text: 'starts', from: undefined, entered: ['locked'], taken: [], refused: [] },
    { text: 'gate.kick', from: -1, isIgnored: true, entered: [], taken: [], refused },
    { text: 'gate.pay', from: -1, entered: [], taken: ['locked gate.pay'], refused: [] },
    { text: 'gate.pay', from: -1, entered: [], taken: ['locked gate.pay'], refused: [] },
    {
      text: 'always',
      from: undefined,
      entered: ['free'],
      taken: ['locked always [isPaid] → free'],
      refused: [],
    },
  ]);
});

test('where entries are missing nothing is told of states that may have been left meanwhile', () => {
  const recorder = createRecorder({ firstEntries: 1, lastEntries: 2 });
  const gate = createActor(gateMachine, { inspect: recorder.inspect }).start();
  gate.send({ type: 'gate.kick' });
  gate.send({ type: 'gate.reset' });
  const { steps } = pageData(recorder.run(), 'test');
  expect(steps.map(({ text, missing }) => [text, missing])).toEqual([
    ['starts', undefined],
    ['gate.reset', 2],
  ]);
});

test('after each step an actor is in the states that XState says', () => {
  const event = fc.record({ type: fc.constantFrom('e0', 'e1', 'e2'), isRight: fc.boolean() });
  const guards = { isRight: (step: { event: { isRight?: boolean } }) => step.event.isRight === true };
  fc.assert(
    fc.property(restingMachine, fc.array(event, { maxLength: 8 }), (machine: AnyStateMachine, events) => {
      const recorder = createRecorder();
      const provided = machine.provide({ guards } as never);
      const clock = new SimulatedClock();
      const actor = createActor(provided, { clock, inspect: recorder.inspect }).start();
      for (const each of events) if (actor.getSnapshot().status === 'active') actor.send(each);
      const { steps, machines } = pageData(recorder.run(), 'test');
      const states = steps.findLast((step) => step.states !== undefined)?.states ?? [0];
      const { _nodes: nodes } = actor.getSnapshot() as unknown as {
        _nodes: readonly { readonly id: string }[];
      };
      const ids = states.map((index) => machines[0]?.states[index]?.[0]);
      expect(new Set(ids)).toEqual(new Set(nodes.map(({ id }) => id)));
      actor.stop();
    }),
    { numRuns: 100, seed: 12 },
  );
});
