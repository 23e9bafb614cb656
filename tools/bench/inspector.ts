import { createRecorder } from '@lloom/inspector';
import { createActor, setup } from 'xstate';
import { median, row, type Row } from './report.ts';

const rounds = 21;
const events = 2_000;
const goalUs = 6;

/** Every event changes the state, every second one past a guard that says no. */
const doorMachine = setup({
  types: {} as { events: { type: 'door.open' } | { type: 'door.close' } },
  guards: { isLocked: () => false },
}).createMachine({
  id: 'door',
  initial: 'closed',
  states: {
    closed: { on: { 'door.open': [{ guard: 'isLocked', target: 'closed' }, { target: 'open' }] } },
    open: { on: { 'door.close': { target: 'closed' } } },
  },
});

/** What one event costs, in microseconds. */
function cost(inspect?: ReturnType<typeof createRecorder>['inspect']): number {
  const door = createActor(doorMachine, inspect === undefined ? {} : { inspect }).start();
  const start = performance.now();
  for (let i = 0; i < events; i += 2) {
    door.send({ type: 'door.open' });
    door.send({ type: 'door.close' });
  }
  const us = ((performance.now() - start) * 1_000) / events;
  door.stop();
  return us;
}

/** What the recorder adds to an event: the same machine with and without it in turn, the first round not counted. */
export function inspectorSuite(): Promise<Row[]> {
  const recorder = createRecorder();
  const [without, added]: [number[], number[]] = [[], []];
  for (let round = 0; round <= rounds; round++) {
    const isWithFirst = round % 2 === 1;
    const first = cost(isWithFirst ? recorder.inspect : undefined);
    const second = cost(isWithFirst ? undefined : recorder.inspect);
    const [plain, recorded] = isWithFirst ? [second, first] : [first, second];
    if (round === 0) continue;
    without.push(plain);
    added.push(recorded - plain);
  }
  const [addedUs, plainUs] = [median(added), median(without)];
  return Promise.resolve([
    row('inspector.overhead.vs-goal', { value: addedUs, baseline: goalUs, unit: 'us', against: 'goal' }, 1),
    row('inspector.event.recorded', {
      value: plainUs + addedUs,
      baseline: plainUs,
      unit: 'us',
      against: 'without a recorder',
    }),
  ]);
}
