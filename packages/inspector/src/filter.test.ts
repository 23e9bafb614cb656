import { expect, test } from 'vitest';
import { createActor } from 'xstate';
import { gateMachine, storyOf } from '../test/runs.ts';
import { rowTextsOf, runOf, runQuestion } from '../test/madeRuns.ts';
import { createRecorder, filterRun, sequenceSvg, type RunFilter } from './index.ts';

const idsOf = (filter: RunFilter): string[] => filterRun(runQuestion(), filter).actors.map(({ id }) => id);

test.each<[string, RunFilter, string[]]>([
  ['one label', { labels: { request: 'jam' } }, ['a-2']],
  ['one of several values', { labels: { node: ['bob', 'cem'] } }, ['pool', 'b-1', 'c-1', 'meter']],
  ['all of several labels', { labels: { node: 'bob', request: 'tea' } }, ['b-1']],
  ['text of an id', { text: 'A-1' }, ['a-1', 'a-1']],
  ['text of a machine', { text: 'execut' }, ['b-1', 'c-1']],
  ['text of a label', { text: 'jam' }, ['a-2']],
  ['places', { actors: [0, 6] }, ['pool', 'meter']],
  ['all of it together', { actors: [2, 3, 7], labels: { request: 'tea' }, text: 'b' }, ['b-1']],
  ['a label that nobody has', { labels: { constructor: 'x' } }, []],
])('actors are found by %s', (_, filter, ids) => {
  expect(idsOf(filter)).toEqual(ids);
});

test('a part of a run is a run: places and numbers follow one another again', () => {
  const part = filterRun(runQuestion(), { labels: { node: 'cem' } });
  expect(part.actors.map(({ index, parent }) => [index, parent])).toEqual([
    [0, undefined],
    [1, 0],
  ]);
  expect(part.entries.map(({ sequence }) => sequence)).toEqual(part.entries.map((_, index) => index));
  expect(storyOf(part)).toEqual([
    'execution starts running',
    'meter starts counting',
    'execution sends meter.tick to meter',
    'meter takes meter.tick',
    'meter sends xstate.done.actor.meter to execution',
    'meter ends: done',
    'execution takes xstate.done.actor.meter',
    'execution ends: done',
  ]);
});

test('what others send comes from outside, and what is sent to others is left out', () => {
  expect(storyOf(filterRun(runQuestion(), { text: 'meter' }))).toEqual([
    'meter starts counting',
    'outside sends meter.tick to meter',
    'meter takes meter.tick',
    'meter ends: done',
  ]);
});

test('what the recorder did not keep is still said to be missing, as much of it as it was', () => {
  const event = { type: 'sent', event: 'e' };
  const run = runOf(
    [{}, {}],
    [
      { ...event, to: 0 },
      { ...event, to: 1 },
      { ...event, to: 1, sequence: 12 },
      { ...event, to: 0, sequence: 13 },
    ],
  );
  const part = filterRun({ ...run, dropped: { ...run.dropped, entries: 10, actors: 3 } }, { actors: [0] });
  expect(part.dropped).toMatchObject({ entries: 10, actors: 3 });
  expect(part.entries.map(({ sequence }) => sequence)).toEqual([0, 11]);
  expect(rowTextsOf(sequenceSvg(part))).toContain('… 10 entries not drawn …');
});

test('machines are those of the actors, with the counts of all that ran them', () => {
  const recorder = createRecorder();
  for (const id of ['north', 'south']) {
    const gate = createActor(gateMachine, { id, inspect: recorder.inspect }).start();
    gate.send({ type: 'gate.pay' });
  }
  const run = recorder.run();
  expect(filterRun(run, { text: 'north' }).machines).toEqual(run.machines);
  expect(filterRun(run, { text: 'west' })).toMatchObject({ actors: [], entries: [], machines: [] });
  expect(filterRun(run, {})).toBe(run);
});

test('a filter changes nothing of the run', () => {
  const run = runQuestion();
  filterRun(run, { labels: { node: 'cem' } });
  expect(run).toEqual(runQuestion());
});
