// What one question did at all nodes that had to do with it: a picture with a line for each node.
import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRecorder, filterRun, sequenceSvg } from '@lloom/inspector';
import { NetworkSimulator } from '@lloom/simulator';

// #region main
const recorder = createRecorder({
  lastEntries: 20_000,
  labelsOf: ({ context }) => ({
    peer: context?.['peerId'],
    request: context?.['idempotencyKey'] ?? context?.['requestId'],
  }),
});
const sim = new NetworkSimulator({ numNodes: 4, networkDelayMs: 50, inspect: recorder });
// #endregion
try {
  sim.spawnExecutorNodes(1, { group: 'dear', pricing: { inboundPrice: '5', outboundPrice: '5' } });
  sim.spawnExecutorNodes(2, { group: 'broken', conduct: 'fails' });
  sim.spawnClientNodes(1, { group: 'client' });
  sim.load({ name: 'tea', requestsPerSecond: 1, untilMs: 4_000, answerTokens: 4 });
  await sim.runFor(8_000);
  assert.ok(sim.metrics().requests.answered > 0);
} finally {
  await sim.stop();
}

const folder = mkdtempSync(join(tmpdir(), 'lloom-inspect-'));
// #region picture
const question = filterRun(recorder.run(), { labels: { request: 'tea-0' } });
writeFileSync(join(folder, 'tea-0.svg'), sequenceSvg(question, { laneBy: 'node', threadBy: 'request' }));
// #endregion
const nodes = new Set(question.actors.map(({ labels }) => labels?.['node']));
assert.ok(nodes.has('client0') && nodes.size > 1, 'the question went from the client to others');
console.log(`${[...nodes].join(', ')}: see ${join(folder, 'tea-0.svg')}`);
