import { createLive, createRecorder, type Recorder } from '@lloom/inspector';
import { createActor, setup } from 'xstate';
import { median, row, type Row } from '../report.ts';
import { cpuMs } from './cpu.ts';

const rounds = 21;
const events = 4_000;
const goalUs = 6;

type Inspect = Recorder['inspect'];

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

/** What one event costs, in microseconds of CPU. */
function cost(inspect?: Inspect): number {
  const door = createActor(doorMachine, inspect === undefined ? {} : { inspect }).start();
  const startMs = cpuMs();
  for (let i = 0; i < events; i += 2) {
    door.send({ type: 'door.open' });
    door.send({ type: 'door.close' });
  }
  const us = ((cpuMs() - startMs) * 1_000) / events;
  door.stop();
  return us;
}

/** The same machine with and without a recorder or a live view in turn; the first two rounds are not counted. */
export function overheadRows(): Row[] {
  const inspects: readonly (Inspect | undefined)[] = [
    undefined,
    createRecorder().inspect,
    createLive().inspect,
  ];
  const costs: number[][] = [[], [], []];
  for (let round = -2; round < rounds; round++) {
    for (let turn = 0; turn < 3; turn++) {
      const which = (round + 3 + turn) % 3;
      const us = cost(inspects[which]);
      if (round >= 0) costs[which]?.push(us);
    }
  }
  const [plainUs = 0, recordedUs = 0, liveUs = 0] = costs.map((figures) => median(figures));
  const toGoal = { baseline: goalUs, unit: 'us', against: 'goal' };
  return [
    row('inspector.overhead.vs-goal', { ...toGoal, value: recordedUs - plainUs }, 1),
    row('inspector.live.overhead', { ...toGoal, value: liveUs - plainUs }, 1),
    row('inspector.event.recorded', {
      value: recordedUs,
      baseline: plainUs,
      unit: 'us',
      against: 'without a recorder',
    }),
  ];
}
