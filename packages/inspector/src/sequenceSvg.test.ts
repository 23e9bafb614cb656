import { expect, test } from 'vitest';
import { headTextsOf, rowTextsOf, runHouse, runOf, runQuestion } from '../test/madeRuns.ts';
import { createRecorder, sequenceSvg } from './index.ts';

/** The look of all pictures is one, and is looked at elsewhere. */
const withoutStyle = (svg: string): string => svg.replace(/<style>.*?<\/style>\n/, '');

test('the sequence of a small run is the picture that was looked at', async () => {
  const svg = withoutStyle(sequenceSvg(runHouse(), { caller: 'test' }));
  await expect(svg).toMatchFileSnapshot('../test/golden/house.svg');
});

test('a sequence tells messages, states, timers, refusals and times from top to bottom', () => {
  const svg = sequenceSvg(runHouse(), { caller: 'test' });
  expect(headTextsOf(svg)).toEqual(['test', 'caller', 'house', 'machine', 'ring', 'actor']);
  expect(rowTextsOf(svg)).toEqual([
    '0 ms',
    'waiting',
    'start',
    'bell',
    'answering',
    'stopped',
    '250 ms',
    'lunch',
    'ignored',
    'bell',
    'if isHome: no',
    'ignored',
    '5.25 s',
    'after 5000 ms',
    'resting',
    'done',
  ]);
});

test('the same run gives the same picture', () => {
  expect(sequenceSvg(runHouse())).toBe(sequenceSvg(runHouse()));
});

test('each row names its entry, and each head its actors, for pages that light them', () => {
  const svg = sequenceSvg(runHouse());
  const entries = [...svg.matchAll(/<g data-entry="(\d+)">/g)].map(([, sequence]) => Number(sequence));
  expect(entries).toEqual(runHouse().entries.map(({ sequence }) => sequence));
  const heads = [...svg.matchAll(/<g data-actors="([\d ]*)"><title>([^<]*)/g)];
  expect(heads.map(([, actors, title]) => [actors, title])).toEqual([
    ['', 'outside'],
    ['0', 'house'],
    ['1', 'ring'],
  ]);
});

test('times are told to the millisecond, since what is a second apart may follow from one another', () => {
  const run = runOf(
    [{}],
    [0.3, 999, 1_000, 61_053.25].map((atMs) => ({ type: 'sent', to: 0, event: 'e', atMs })),
  );
  expect(rowTextsOf(sequenceSvg(run)).filter((text) => text !== 'e')).toEqual([
    '300 µs',
    '999 ms',
    '1 s',
    '1 min 1.053 s',
  ]);
});

test('actors of one name that one actor started in turn share a lane', () => {
  const started = (actor: number) => ({ type: 'started', actor, entered: [] });
  const actors = [{ name: 'node' }, ...[1, 2, 3].map(() => ({ id: 'dial', name: 'dial', parent: 0 }))];
  const svg = sequenceSvg(runOf(actors, [0, 1, 2, 3].map(started)));
  expect(headTextsOf(svg)).toContain('dial ×3');
  expect(rowTextsOf(svg).filter((text) => text === 'start')).toHaveLength(3);
});

test('what ended badly says so, beside its last state or in its lane', () => {
  const entered = { type: 'taken', always: false, transitions: [], keys: [], refused: [], entered: ['lost'] };
  const run = runOf(
    [{}, {}],
    [
      { type: 'started', actor: 0, entered: ['open'] },
      { ...entered, actor: 0, event: 'cut' },
      { type: 'stopped', actor: 0, status: 'error' },
      { type: 'stopped', actor: 1, status: 'error' },
    ],
  );
  const svg = sequenceSvg(run);
  expect(rowTextsOf(svg)).toEqual(['0 ms', 'open', '1 ms', 'lost', 'error', 'error']);
  expect(svg.match(/class="small error"/g)).toHaveLength(2);
});

test('what is too much is left out in the middle, and said', () => {
  const sent = Array.from({ length: 50 }, (_, index) => ({ type: 'sent', to: 0, event: `e${index}` }));
  const texts = rowTextsOf(sequenceSvg(runOf([{}], sent), { maxEntries: 9 }));
  expect(texts.filter((text) => /^e\d+$/.test(text))).toEqual(
    [0, 1, 2, 44, 45, 46, 47, 48, 49].map((index) => `e${index}`),
  );
  expect(texts).toContain('… 41 entries not drawn …');
});

test('entries that the recorder did not keep are said to be missing', () => {
  const run = runOf(
    [{}],
    [
      { type: 'sent', to: 0, event: 'first', sequence: 0 },
      { type: 'sent', to: 0, event: 'last', sequence: 11 },
    ],
  );
  const svg = sequenceSvg({ ...run, dropped: { ...run.dropped, entries: 10 } });
  expect(rowTextsOf(svg)).toContain('… 10 entries not drawn …');
});

test('actors beyond the maximum have no lane, and are counted with what they did', () => {
  const actors = Array.from({ length: 30 }, () => ({}));
  const entries = actors.map((_, actor) => ({ type: 'started', actor, entered: ['on'] }));
  const svg = sequenceSvg(runOf(actors, entries), { maxLanes: 4 });
  expect(headTextsOf(svg).filter((text) => text.startsWith('actor-'))).toHaveLength(4);
  expect(rowTextsOf(svg).at(-1)).toBe('and 26 more actors with 26 entries, not drawn');
});

test('whatever else the recorder could not keep is said below', () => {
  const run = runOf([{}], [{ type: 'started', actor: 0, entered: ['on'] }]);
  const dropped = { entries: 0, actors: 7, machines: 0, reports: 1, labels: 2 };
  expect(rowTextsOf(sequenceSvg({ ...run, dropped })).slice(-3)).toEqual([
    '7 actors not told apart: there were too many',
    '2 labels not kept',
    '1 report could not be read',
  ]);
});

test.each([-1, 1.5, Number.NaN])('a bound of %s bounds nothing, and is refused', (bound) => {
  for (const name of ['maxEntries', 'maxLanes'])
    expect(() => sequenceSvg(runHouse(), { [name]: bound })).toThrow(`${name} must be a whole number`);
  expect(rowTextsOf(sequenceSvg(runHouse(), { maxEntries: 0 }))).toContain('… 12 entries not drawn …');
});

test('a run in which nothing happened says so', () => {
  expect(rowTextsOf(sequenceSvg(createRecorder().run()))).toEqual(['Nothing happened.']);
});

/** Whether all that is drawn of an actor or of a state lies within the picture. */
function fits(svg: string): boolean {
  const width = Number(/<svg [^>]*width="(?<px>[\d.]+)"/.exec(svg)?.groups?.['px']);
  const boxes = [...svg.matchAll(/<rect class="(?:actor|pill)" x="([-\d.]+)" y="[\d.]+" width="([\d.]+)"/g)];
  return boxes.length > 0 && boxes.every(([, x, px]) => Number(x) >= 0 && Number(x) + Number(px) <= width);
}

test.each(['m', 'x'])('long names of actors and states made of %s are not cut at the edges', (letter) => {
  const name = letter.repeat(120);
  const entered = [1, 2, 3, 4].map((copy) => `${name}${copy}`);
  const started = (actor: number, paths: readonly string[]) => ({ type: 'started', actor, entered: paths });
  expect(fits(sequenceSvg(runOf([{ name }], [started(0, ['a'])])))).toBe(true);
  expect(fits(sequenceSvg(runOf([{}, { name }], [started(0, ['a']), started(1, ['a'])])))).toBe(true);
  expect(fits(sequenceSvg(runOf([{}], [started(0, entered)])))).toBe(true);
  const labels = { node: name };
  const shared = runOf([{ name, labels }, { labels }], [started(0, entered), started(1, entered)]);
  expect(fits(sequenceSvg(shared, { laneBy: 'node' }))).toBe(true);
});

test('names cannot leave the text that they are', () => {
  const event = `</text><script>alert(1)</script>&\u0007`;
  const run = runOf([{ name: event, labels: { node: event } }], [{ type: 'sent', to: 0, event }]);
  for (const config of [{ caller: event }, { laneBy: 'node' }]) {
    const svg = sequenceSvg(run, config);
    expect(svg).not.toContain('<script');
    expect(svg).not.toContain('\u0007');
    expect(svg).toContain('&lt;script&gt;');
  }
});

const byNode = { laneBy: 'node', threadBy: 'request' };

test('the sequence of three nodes is the picture that was looked at', async () => {
  const svg = withoutStyle(sequenceSvg(runQuestion(), byNode));
  await expect(svg).toMatchFileSnapshot('../test/golden/question.svg');
});

test('actors with the same value of a label share a lane, where each says who it is', () => {
  const svg = sequenceSvg(runQuestion(), byNode);
  expect(headTextsOf(svg)).toEqual([
    'ann',
    'node · 4 actors',
    'bob',
    'node · 2 actors',
    'cem',
    'node · 2 actors',
  ]);
  expect(rowTextsOf(svg).filter((text) => !/^\d+ ms$/.test(text))).toEqual([
    'pool: steady',
    'pool: steady',
    'request tea: dialing',
    'request.sent',
    'request tea: awaiting',
    'execution: running',
    'after 30 ms',
    'request tea: silent',
    'done',
    'request tea 2: awaiting',
    'execution: running',
    'meter: counting',
    'meter.tick → meter',
    'meter: done',
    'execution: answered',
    'done',
    'answer.ended',
    'request tea 2: succeeded',
    'done',
    'request jam: dialing',
    'request jam: stopped',
    'execution: error',
  ]);
});

test('a dotted line leads to each lane where a thing goes on, and to nothing that each lane has', () => {
  const threads = (config: object): number =>
    sequenceSvg(runQuestion(), config).match(/class="thread"/g)?.length ?? 0;
  expect(threads(byNode)).toBe(2);
  expect(threads({ laneBy: 'node' })).toBe(0);
  expect(threads({ threadBy: 'request' })).toBe(0);
  const run = runQuestion();
  const actors = run.actors.map((actor) => ({ ...actor, id: actor.labels?.['request'] ?? actor.id }));
  expect(sequenceSvg({ ...run, actors }, { laneBy: 'node' }).match(/class="thread"/g)).toHaveLength(2);
});

test('actors without the label keep a lane of their own', () => {
  const run = runQuestion();
  const actors = run.actors.map((actor) => (actor.index === 1 ? { ...actor, labels: {} } : actor));
  const titles = headTextsOf(sequenceSvg({ ...run, actors }, byNode)).filter((_, at) => at % 2 === 0);
  expect(titles).toEqual(['ann', 'pool', 'bob', 'cem']);
  expect(
    headTextsOf(sequenceSvg(run, { laneBy: 'constructor' })).filter((text) => text === 'pool'),
  ).toHaveLength(2);
});
