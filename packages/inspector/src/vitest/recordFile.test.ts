import { expect, test } from 'vitest';
import { createActor, createMachine, type InspectionEvent } from 'xstate';
import { recordFile } from './fixture.ts';

const bellMachine = createMachine({ id: 'bell' });
const machines = recordFile();
const seen: ((event: InspectionEvent) => void)[] = [];

test('the recorder of a file labels actors as that of a test does', () => {
  const inspect = machines.inspectAs({ node: 'alice' });
  seen.push(inspect);
  createActor(bellMachine, { inspect }).start();
  expect(machines.run().actors).toMatchObject([{ name: 'bell', labels: { node: 'alice' } }]);
});

test('an inspect that was made in one test records what happens in the next', () => {
  for (const inspect of seen) createActor(bellMachine, { inspect }).start();
  expect(machines.run().actors).toMatchObject([{ name: 'bell', labels: { node: 'alice' } }]);
});

let nowMs = 0;
const timed = recordFile({
  clock: { now: () => nowMs },
  maxTextLength: 3,
  labelsOf: () => ({ at: 'north' }),
});

test('the recorder of a file has the clock, the bounds and the labels that it was told', () => {
  createActor(bellMachine, { inspect: timed.inspect }).start();
  nowMs = 1_100;
  const run = timed.run();
  expect(run.durationMs).toBe(1_100);
  expect(run.actors).toMatchObject([{ labels: { at: 'no…' } }]);
});
