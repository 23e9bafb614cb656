import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { runOf } from '../test/madeRuns.ts';
import { wellFormed } from '../test/wellFormed.ts';
import { filterRun, sequenceMermaid, sequenceSvg, type Run, type RunActor } from './index.ts';

const text = fc.oneof(fc.constantFrom('a', 'b', 'xstate.done.actor.a', 'xstate.after.5.a'), fc.string());
const labels = fc.dictionary(
  fc.constantFrom('node', 'request', '__proto__'),
  fc.constantFrom('a', 'b', '<c>'),
);
const actors = fc.array(
  fc.record(
    { id: text, name: text, machine: text, parent: fc.nat(5), labels },
    { requiredKeys: ['id', 'name'] },
  ),
  { maxLength: 6 },
);
// Also of actors that are not there.
const actor = fc.nat(6);
const paths = fc.array(text, { maxLength: 3 });
const entry = fc.oneof(
  fc.record({ type: fc.constant('started'), actor, entered: paths }),
  fc.record({
    type: fc.constant('sent'),
    from: fc.option(actor, { nil: undefined }),
    to: actor,
    event: text,
  }),
  fc.record({ type: fc.constant('taken'), actor, event: text, entered: paths, refused: paths }),
  fc.record({ type: fc.constant('ignored'), actor, event: text, refused: paths, ended: fc.boolean() }),
  fc.record({ type: fc.constant('stopped'), actor, status: fc.constantFrom('done', 'error', 'stopped') }),
);
const runs = fc.tuple(actors, fc.array(entry, { maxLength: 30 })).map(([some, entries]): Run =>
  // A parent is there before its children.
  runOf(
    some.map(
      ({ parent, ...rest }, index) =>
        ({ ...rest, ...(parent !== undefined && parent < index && { parent }) }) as RunActor,
    ),
    entries,
  ),
);
const config = fc.record(
  {
    laneBy: fc.constantFrom('node', 'request', '__proto__'),
    threadBy: fc.constantFrom('node', 'request'),
    maxEntries: fc.nat(20),
    maxLanes: fc.nat(4),
  },
  { requiredKeys: [] },
);

const numRuns = 150;

test('any run can be drawn, and the picture is well formed', () => {
  fc.assert(
    fc.property(runs, config, (run, given) => {
      const svg = sequenceSvg(run, given);
      expect(wellFormed(svg)).toBe(true);
      expect(svg).not.toMatch(/="[^"]*(?:NaN|undefined|Infinity)/);
    }),
    { numRuns },
  );
});

const line =
  /^ {2}(?:participant p\d+ as|p\d+(?:->>|-->>|--x)p\d+:|Note over p\d+(?:,p\d+)?:) (?:[^\n;<>"#]|#\d+;)*$/;

test('any run has a source whose lines say one thing each', () => {
  fc.assert(
    fc.property(runs, config, (run, given) => {
      const [first, ...lines] = sequenceMermaid(run, given).trimEnd().split('\n');
      expect(first).toBe('sequenceDiagram');
      for (const each of lines) expect(each).toMatch(line);
    }),
    { numRuns },
  );
});

test('a part of a run is a run, and a part of a part is the part that both say', () => {
  const wanted = fc.dictionary(fc.constantFrom('node', 'request'), fc.constantFrom('a', 'b'));
  fc.assert(
    fc.property(runs, wanted, (run, values) => {
      const part = filterRun(run, { labels: values });
      expect(part.actors.map(({ index }) => index)).toEqual(part.actors.map((_, place) => place));
      for (const { parent = -1, index } of part.actors) expect(parent).toBeLessThan(index);
      const stepwise = Object.entries(values).reduce(
        (rest, pair) => filterRun(rest, { labels: Object.fromEntries([pair]) }),
        run,
      );
      expect(stepwise).toEqual(part);
    }),
    { numRuns },
  );
});
