import { expect, test } from 'vitest';
import { createActor, fromCallback, setup, SimulatedClock } from 'xstate';
import { createRecorder, sequenceSvg, type Run, type RunActor, type RunEntry } from './index.ts';

const textsOf = (svg: string): string[] =>
  [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text ?? '');

const houseMachine = setup({
  types: {} as { events: { type: 'bell' } | { type: 'lunch' } },
  actors: { ring: fromCallback<{ type: 'bell' }>(({ sendBack }) => sendBack({ type: 'bell' })) },
  guards: { isHome: () => false },
}).createMachine({
  id: 'house',
  initial: 'waiting',
  states: {
    waiting: { invoke: { id: 'ring', src: 'ring' }, on: { bell: { target: 'answering' } } },
    answering: {
      after: { 5000: { target: 'resting' } },
      on: { bell: { guard: 'isHome', target: 'resting' } },
    },
    resting: { type: 'final' },
  },
});

function runHouse(): Run {
  const clock = new SimulatedClock();
  const recorder = createRecorder({ clock: { elapsed: () => clock.now() } });
  const house = createActor(houseMachine, { clock, inspect: recorder.inspect }).start();
  clock.increment(250);
  house.send({ type: 'lunch' });
  house.send({ type: 'bell' });
  clock.increment(5_000);
  return recorder.run();
}

/** A run as it might be: entries follow one another a millisecond apart. */
function runOf(actors: Partial<RunActor>[], entries: object[]): Run {
  return {
    actors: actors.map((actor, index) => ({
      index,
      name: `actor-${index}`,
      id: `actor-${index}`,
      kind: 'actor' as const,
      ...actor,
    })),
    entries: entries.map((entry, sequence) => ({ sequence, atMs: sequence, ...entry }) as RunEntry),
    dropped: { entries: 0, actors: 0, machines: 0, reports: 0 },
    machines: [],
    durationMs: entries.length,
  };
}

test('the sequence of a small run is the picture that was looked at', async () => {
  await expect(sequenceSvg(runHouse(), { caller: 'test' })).toMatchFileSnapshot('../test/golden/house.svg');
});

test('a sequence tells messages, states, timers, refusals and times from top to bottom', () => {
  expect(textsOf(sequenceSvg(runHouse(), { caller: 'test' }))).toEqual([
    'test',
    'caller',
    'house',
    'machine',
    'ring',
    'actor',
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
    '5.3 s',
    'after 5000 ms',
    'resting',
    'done',
  ]);
});

test('the same run gives the same picture', () => {
  expect(sequenceSvg(runHouse())).toBe(sequenceSvg(runHouse()));
});

test('actors of one name that one actor started in turn share a lane', () => {
  const started = (actor: number) => ({ type: 'started', actor, entered: [] });
  const actors = [{ name: 'node' }, ...[1, 2, 3].map(() => ({ id: 'dial', name: 'dial', parent: 0 }))];
  const texts = textsOf(sequenceSvg(runOf(actors, [0, 1, 2, 3].map(started))));
  expect(texts).toContain('dial ×3');
  expect(texts.filter((text) => text === 'start')).toHaveLength(3);
});

test('what is too much is left out in the middle, and said', () => {
  const sent = Array.from({ length: 50 }, (_, index) => ({ type: 'sent', to: 0, event: `e${index}` }));
  const texts = textsOf(sequenceSvg(runOf([{}], sent), { maxEntries: 9 }));
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
  expect(textsOf(svg)).toContain('… 10 entries not drawn …');
});

test('actors beyond the maximum have no lane, and are counted', () => {
  const actors = Array.from({ length: 30 }, () => ({}));
  const entries = actors.map((_, actor) => ({ type: 'started', actor, entered: [] }));
  const texts = textsOf(sequenceSvg(runOf(actors, entries), { maxLanes: 4 }));
  expect(texts.filter((text) => text.startsWith('actor-'))).toHaveLength(4);
  expect(texts).toContain('and 26 more actors, which are not drawn');
});

test('a run in which nothing happened says so', () => {
  expect(textsOf(sequenceSvg(createRecorder().run()))).toEqual(['Nothing happened.']);
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
});

test('names cannot leave the text that they are', () => {
  const event = `</text><script>alert(1)</script>&\u0007`;
  const svg = sequenceSvg(runOf([{ name: event }], [{ type: 'sent', to: 0, event }]), { caller: event });
  expect(svg).not.toContain('<script');
  expect(svg).not.toContain('\u0007');
  expect(svg).toContain('&lt;script&gt;');
});
