import { gzipSync } from 'node:zlib';
import { chartSvg, createRecorder, machineChart, runPage, type Run } from '@lloom/inspector';
import { createActor, SimulatedClock } from 'xstate';
import { median, row, type Row } from '../report.ts';
import { cpuMs } from './cpu.ts';
import { largeMachine } from './machines.ts';

const rounds = 5;
const goalMs = 500;
const entries = 300;

/** What one picture costs, in ms of CPU. */
async function cost(draw: () => Promise<string>): Promise<number> {
  const startMs = cpuMs();
  await draw();
  return cpuMs() - startMs;
}

/** What a large machine did until so many entries were there: its phases one after another, with steps that fail. */
function largeRun(): Run {
  const recorder = createRecorder();
  const machine = largeMachine();
  const clock = new SimulatedClock();
  const large = createActor(machine, { inspect: recorder.inspect, clock }).start();
  const events = machine.events.filter((event) => event !== 'large.stop' && !event.startsWith('xstate.'));
  for (let turn = 0; recorder.run().entries.length < entries; turn++) {
    const fitting = events.filter((type) => large.getSnapshot().can({ type }));
    large.send({ type: fitting[turn % fitting.length] ?? 'large.stop' });
    clock.increment(7);
  }
  return recorder.run();
}

/** The picture of a machine of 60 states, the first one and those that follow, and the page of a run of it. */
export async function pictureRows(): Promise<Row[]> {
  const chart = machineChart(largeMachine());
  const firstMs = await cost(() => chartSvg(chart));
  const costs: number[] = [];
  for (let round = -2; round < rounds; round++) {
    const ms = await cost(() => chartSvg(chart));
    if (round >= 0) costs.push(ms);
  }
  const page = await runPage(largeRun(), { title: 'A large machine' });
  const bytes = Buffer.byteLength(page);
  const toGoal = { baseline: goalMs, unit: 'ms', against: 'goal' };
  return [
    row('inspector.chart60.vs-goal', { ...toGoal, value: median(costs) }, 1),
    row('inspector.chart60.first', { ...toGoal, value: firstMs }),
    row('inspector.page.size', {
      value: gzipSync(page).byteLength / 1_024,
      baseline: bytes / 1_024,
      unit: 'KiB',
      against: 'not compressed',
    }),
  ];
}
