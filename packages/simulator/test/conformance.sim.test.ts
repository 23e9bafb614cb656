// The row of the specification's table that stands above `behaviour`; the others are tested there.
import { expect } from 'vitest';
import { ConfigError } from '@lloom/core';
import { NetworkSimulator, type SimulationConfig } from '../src/index.ts';
import { test } from '../src/vitest.ts';

test('NetworkSimulator, SimulationConfig: ten nodes know one another after half a minute', async ({
  createSimulator,
}) => {
  const sim = createSimulator({ numNodes: 10, networkDelayMs: 50, packetLoss: 0.01 });
  sim.spawnExecutorNodes(5);
  sim.spawnClientNodes(5);
  await sim.runFor(30_000);
  expect(sim.allNodesConnected()).toBe(true);
  expect([sim.isConnected(), sim.allDiscovered()]).toEqual([true, true]);
  expect(sim.metrics()).toMatchObject({
    nodes: { spawned: 10, up: 10 },
    connectedShare: 1,
    discoveredShare: 1,
  });
});

test('SimulationConfig in the spelling of the specification is told the names that it has here', () => {
  const given = { num_nodes: 10, network_delay: 50 } as unknown as SimulationConfig;
  const problem = (): unknown => {
    try {
      return new NetworkSimulator(given);
    } catch (error) {
      return error;
    }
  };
  expect(problem()).toBeInstanceOf(ConfigError);
  const { message } = problem() as ConfigError;
  expect(message).toContain(
    '"simulation.num_nodes" is an unknown field, want one of numNodes, networkDelayMs',
  );
  expect(message).toContain('"simulation.network_delay" is an unknown field');
  expect(message).toContain('"simulation.numNodes" is null, want a whole number from 1 to 10000');
});
