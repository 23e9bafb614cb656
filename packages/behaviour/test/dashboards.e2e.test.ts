// What dashboards and rules read is what a node shows, from its start: without a Prometheus.
import { expect, test } from 'vitest';
import { createNode } from './nodes.ts';
import { panelQueries, rulesText } from './prometheus.ts';

/** Names of families in PromQL, without those that rules record and without labels. */
const families = (text: string): Set<string> =>
  new Set(text.match(/(?<![\w:"$])(?:lloom|libp2p|nodejs|process)_\w+(?![\w:]|=)/g));

test('every family that a dashboard or a rule names is there from the start, with its samples', async () => {
  const node = await createNode({ packages: { metrics: { includeProcess: true } } });
  const shown = families((await node.prometheusMetrics()).replaceAll(/^#.*$/gm, ''));
  const queries = [rulesText().replaceAll(/#.*$/gm, ''), ...panelQueries().map(({ expr }) => expr)];
  const named = families(queries.join('\n'));
  // These come with the first stream, and the first collection of garbage.
  const isLater = (name: string) => /^lloom_protocol_|^nodejs_gc_/.test(name);
  expect(named.size).toBeGreaterThan(50);
  expect([...named].filter((name) => !shown.has(name) && !isLater(name))).toEqual([]);
});
