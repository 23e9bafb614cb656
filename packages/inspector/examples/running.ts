// What do the machines of a program that goes on running do right now? And what did one of them do in the end?
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createLive, createRecorder, runPage, type RecorderConfig } from '@lloom/inspector';
import { createActor, fromPromise, setup } from 'xstate';

const jobMachine = setup({
  types: {} as { input: { name: string }; context: { name: string } },
  actors: { work: fromPromise(() => new Promise((resolve) => setTimeout(resolve, 40))) },
}).createMachine({
  id: 'job',
  context: ({ input }) => input,
  initial: 'waiting',
  states: {
    waiting: { after: { 10: { target: 'working' } } },
    working: { invoke: { id: 'work', src: 'work', onDone: { target: 'finished' } } },
    finished: { type: 'final' },
  },
});

const folder = mkdtempSync(join(tmpdir(), 'lloom-running-'));
const print = (text: string): void => console.log(text);

// #region main
const config: RecorderConfig = { labelsOf: ({ context }) => ({ job: context?.['name'] }) };
const live = createLive(config);
const recorder = createRecorder(config);
const jobs = ['brew', 'pour', 'serve'].map((name) =>
  createActor(jobMachine, {
    input: { name },
    inspect(event) {
      live.inspect(event);
      recorder.inspect(event);
    },
  }).start(),
);

// Whoever looks, each second or a few times a second, is told what changed since.
let version: number | undefined;
const look = (): void => {
  const changes = live.changes(version);
  version = changes.version;
  for (const { machine, labels, status, states } of changes.actors) {
    if (machine === 'job') print(`${labels?.['job']}: ${status}, ${states.at(-1)}`);
  }
};
const timer = setInterval(look, 20);
// #endregion

await Promise.all(jobs.map((job) => new Promise<void>((resolve) => job.subscribe({ complete: resolve }))));
clearInterval(timer);
look();

// #region end
const [counts] = live.machines();
print(`${counts?.started} started, ${counts?.living} living`);
writeFileSync(join(folder, 'jobs.html'), await runPage(recorder.run(), { title: 'Three jobs' }));
// #endregion

assert.deepEqual([counts?.started, counts?.living], [3, 0]);
assert.equal(live.chart('job')?.root.states.length, 3);
assert.deepEqual(live.changes(version).actors, []);
rmSync(folder, { recursive: true });
