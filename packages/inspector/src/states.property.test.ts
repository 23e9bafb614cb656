import { array, assert, boolean, nat, property } from 'fast-check';
import { expect, test } from 'vitest';
import {
  createActor,
  SimulatedClock,
  type AnyStateMachine,
  type AnyStateNode,
  type InspectionEvent,
} from 'xstate';
import { anyMachine } from '../test/anyMachine.ts';
import { transitionsIn } from './chart.ts';
import { createLive, createRecorder, machineChart } from './index.ts';
import { pageData } from './page/steps.ts';

/** Guards say yes as a list of chances has it, and no from its end on, so that nothing goes on for ever. */
function guarded(machine: AnyStateMachine, chances: readonly boolean[]): AnyStateMachine {
  const left = [...chances];
  const copy = machine.provide({ guards: { isRight: () => left.pop() ?? false } } as never);
  // Some go on for ever, such as those with a state that is done as soon as it is entered, and then entered again.
  copy.options = { maxIterations: 40 };
  return copy;
}

/** Every event that the machine knows, timers and ends included, and one that it does not. */
const eventsOf = (machine: AnyStateMachine): string[] =>
  [...new Set(transitionsIn(machineChart(machine).root).map(({ event }) => event))]
    .filter((event) => event !== '' && event !== '*')
    .concat('unknown');

test('whatever a machine does, a live view and a recorded run know the states that it is in', () => {
  let compared = 0;
  const chancesOf = array(boolean(), { maxLength: 60 });
  const picksOf = array(nat(), { maxLength: 25 });
  assert(
    property(anyMachine, chancesOf, picksOf, (made, chances, picks) => {
      const [live, recorder] = [createLive(), createRecorder()];
      const inspect = (event: InspectionEvent): void => {
        live.inspect(event);
        recorder.inspect(event);
      };
      const machine = guarded(made, chances);
      const events = eventsOf(machine);
      const actor = createActor(machine, { inspect, clock: new SimulatedClock() });
      actor.subscribe({ error: () => undefined });
      actor.start();
      const wanted = new Map<number, string[]>();
      const look = (): boolean => {
        const { status, _nodes } = actor.getSnapshot();
        // What came before an error is not taken back by who only looks on.
        if (status === 'error') return false;
        const states = _nodes.map(({ id }: AnyStateNode) => id).toSorted();
        expect(live.changes().actors[0]?.states.toSorted()).toEqual(states);
        expect(live.changes().actors[0]?.status).toBe(status);
        const inStates = status === 'active' ? states.map((id: string) => [id, 1]) : [];
        expect(live.machines()[0]?.inStates).toEqual(Object.fromEntries(inStates));
        wanted.set(recorder.run().entries.length - 1, states);
        compared += 1;
        return status === 'active';
      };
      let goesOn = look();
      for (const pick of picks) {
        if (!goesOn) break;
        actor.send({ type: events[pick % events.length] ?? '' });
        goesOn = look();
      }
      const { machines, steps } = pageData(recorder.run(), 'test');
      let states: string[] = [];
      const told = steps.map(({ last, states: indices }) => {
        states = indices?.map((index) => machines[0]?.states[index]?.[0] ?? '').toSorted() ?? states;
        return [last, states.filter((id) => id !== machine.root.id)];
      });
      // The machine itself is always there, and no page lights it up.
      const known = [...wanted].map(([last, ids]) => [last, ids.filter((id) => id !== machine.root.id)]);
      expect(told).toEqual(expect.arrayContaining(known));
      actor.stop();
    }),
    { numRuns: 60 },
  );
  expect(compared).toBeGreaterThan(60);
});
