// The specification's test, and a day in the life of a small marketplace: half a minute of ten nodes, then a partition.
import assert from 'node:assert/strict';
import { NetworkSimulator, reportText } from '@lloom/simulator';

const sim = new NetworkSimulator({ numNodes: 10, networkDelayMs: 50, packetLoss: 0.01 });
try {
  sim.spawnExecutorNodes(5);
  sim.spawnClientNodes(5);

  await sim.runFor(30_000);
  assert.ok(sim.allNodesConnected());

  // Five questions a second, and a cut between three executors and everybody else.
  const endLoad = sim.load({ requestsPerSecond: 5 });
  const lift = sim.partition(['e0', 'e1', 'e2'], ['e3', 'e4', 'c']);
  await sim.runFor(10_000);
  lift();
  endLoad();
  await sim.runUntil(() => sim.measure('pending').value === 0, { timeoutMs: 60_000 });

  const { asked, answered, duplicateExecutions, overbilled } = sim.metrics().requests;
  assert.ok(answered >= 0.9 * asked);
  assert.equal(duplicateExecutions + overbilled, 0);
  console.log(reportText(sim.report()));
} finally {
  await sim.stop();
}
