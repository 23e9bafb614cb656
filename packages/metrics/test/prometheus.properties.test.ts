import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { createFigures } from './nodes.ts';

const line =
  /^(?<name>[A-Za-z_]\w*)(?:\{(?<labels>\w+="(?:[^"\\\n]|\\["\\n])*"(?:,\w+="(?:[^"\\\n]|\\["\\n])*")*)\})? (?<value>\S+)$/;
const texts = fc.string({ unit: 'binary', maxLength: 300 });

test('whatever names and values are given, each line is a comment or a sample that Prometheus can read', async () => {
  const figures = fc.array(fc.record({ name: texts, value: texts, by: fc.double() }), { maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(figures, async (given) => {
      const { libp2p, meter, prometheus } = createFigures({ maxLabelSets: 16 });
      for (const { name, value, by } of given) {
        meter.counter({ name: 'mine_total', help: name, labels: ['value'] }, { value })(by);
        libp2p.registerMetricGroup(name, { help: value, label: value }).update({ [value]: by });
        libp2p.registerHistogram(`${name}_spread`).observe(by);
      }
      const lines = (await prometheus()).split('\n').filter((each) => each !== '' && !each.startsWith('# '));
      for (const each of lines) expect(each).toMatch(line);
      expect(new Set(lines.map((each) => each.slice(0, each.lastIndexOf(' ')))).size).toBe(lines.length);
    }),
    { numRuns: 100 },
  );
});
