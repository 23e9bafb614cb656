import { expect } from 'vitest';
import { test } from '../src/vitest.ts';

test('in fidelity model all roles find one another, are asked through, and hear messages', async ({
  createSimulator,
}) => {
  const sim = createSimulator({ numNodes: 12, fidelity: 'model', topology: 'random', networkDelayMs: 20 });
  sim.spawnRelayNodes(1);
  sim.spawnValidatorNodes(1);
  sim.spawnExecutorNodes(3, { thinkMs: 20, tokenMs: 1 });
  sim.spawnClientNodes(7);
  await sim.runFor(35_000);
  expect(sim.allNodesConnected()).toBe(true);
  expect(sim.measure('offersSeenShare').value).toBe(1);
  const untilMs = sim.elapsedMs + 5_000;
  sim.load({ requestsPerSecond: 3, answerTokens: 3, untilMs });
  sim.gossipLoad({ untilMs });
  sim.crash('e0', { isSilent: true });
  await sim.runFor(20_000);
  expect(sim.allDiscovered()).toBe(true);
  await sim.restart('e0');
  await sim.runFor(10_000);
  expect(sim.allNodesConnected()).toBe(true);
  const { requests, gossip } = sim.metrics();
  expect(requests.asked).toBeGreaterThan(5);
  expect(requests).toMatchObject({ pending: 0, duplicateExecutions: 0, overbilled: 0 });
  expect(requests.failed).toBe(0);
  expect(gossip).toMatchObject({ published: 5, reach: 1 });
  expect(sim.node('r0').behaviour.libp2p.getProtocols()).toContain('/libp2p/circuit/relay/0.2.0/hop');
});
