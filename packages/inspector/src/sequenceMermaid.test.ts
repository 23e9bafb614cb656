import { expect, test } from 'vitest';
import { runHouse, runOf, runQuestion } from '../test/madeRuns.ts';
import { createRecorder, sequenceMermaid } from './index.ts';

const linesOf = (source: string): string[] => source.trimEnd().split('\n').slice(1);

test('the source of a small run is the one that Mermaid was seen to draw', async () => {
  const source = sequenceMermaid(runHouse(), { caller: 'test', times: true });
  await expect(source).toMatchFileSnapshot('../test/golden/house.mmd');
});

test('the source of three nodes is the one that Mermaid was seen to draw', async () => {
  const source = sequenceMermaid(runQuestion(), { laneBy: 'node', threadBy: 'request' });
  await expect(source).toMatchFileSnapshot('../test/golden/question.mmd');
});

test('without times, the same steps give the same text whenever they happen', () => {
  const run = runHouse();
  const later = run.entries.map((entry) => ({ ...entry, atMs: entry.atMs * 3 + 7 }));
  expect(sequenceMermaid({ ...run, entries: later })).toBe(sequenceMermaid(run));
  expect(sequenceMermaid({ ...run, entries: later }, { times: true })).not.toBe(
    sequenceMermaid(run, { times: true }),
  );
});

test('a child that fails, and an actor that had ended, are told as such', () => {
  const run = runOf(
    [{ name: 'shop' }, { name: 'till', parent: 0 }],
    [
      { type: 'started', actor: 0, entered: ['open'] },
      { type: 'started', actor: 1, entered: [] },
      { type: 'sent', from: 1, to: 0, event: 'xstate.error.actor.till' },
      { type: 'stopped', actor: 1, status: 'error' },
      { type: 'ignored', actor: 0, event: 'coin', refused: [], ended: true },
    ],
  );
  expect(linesOf(sequenceMermaid(run))).toEqual([
    '  participant p1 as shop',
    '  participant p2 as till',
    '  Note over p1: open',
    '  p1-->>p2: start',
    '  p2--xp1: error',
    '  Note over p1: ignored, it had ended',
  ]);
});

test('what is left out is said, across all participants', () => {
  const sent = Array.from({ length: 50 }, (_, index) => ({
    type: 'sent',
    to: index % 3,
    event: `e${index}`,
  }));
  const run = runOf([{}, {}, {}], sent);
  const lines = linesOf(sequenceMermaid(run, { maxEntries: 9, maxLanes: 2 }));
  expect(lines).toContain('  Note over p0,p2: … 41 entries not drawn …');
  expect(lines.at(-1)).toBe('  Note over p0,p2: and 1 more actor with 3 entries, not drawn');
  expect(linesOf(sequenceMermaid(createRecorder().run()))).toEqual(['  participant p0 as Nothing happened.']);
});

test('any name stays the text that it is', () => {
  const event = 'a:b;c#d%%{e}\n<f>"g"`h`\u0007\u202e\ud800 end $$x$$';
  const run = runOf([{ name: event }], [{ type: 'sent', to: 0, event }]);
  const [caller, participant, message, ...rest] = linesOf(sequenceMermaid(run, { caller: '' }));
  expect(rest).toEqual([]);
  expect(caller).toBe('  participant p0 as #32;');
  for (const line of [participant, message]) {
    const text = line?.replace(/^ {2}(?:participant p1 as|p0->>p1:) /, '') ?? '';
    expect(text).toContain('a#58;b#59;c#35;d#37;#37;#123;e#125; #60;f#62;');
    expect(text.replaceAll(/#\d+;/g, '')).toMatch(/^[\w …]+$/);
  }
});
