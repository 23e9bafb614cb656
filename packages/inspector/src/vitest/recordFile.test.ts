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
