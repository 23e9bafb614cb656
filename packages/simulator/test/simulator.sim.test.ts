import { createRecorder } from '@lloom/inspector';
import { expect, describe } from 'vitest';
import { NetworkSimulator, type SimulationConfig } from '../src/index.ts';
import { test } from '../src/vitest.ts';

const planet = { networkDelayMs: 50, packetLoss: 0.01 };

describe('a simulator that is not run', () => {
  test('takes no time of the process, and knows its nodes', async () => {
    const { setTimeout } = globalThis;
    await using sim = new NetworkSimulator({ numNodes: 3, seed: 7 });
    const [first] = sim.spawnExecutorNodes(2);
    sim.spawnClientNodes(1, { group: 'asker' });
    expect(globalThis.setTimeout).toBe(setTimeout);
    expect(sim.nodes.map(({ name, role, state }) => [name, role, state])).toEqual([
      ['e0', 'executor', 'planned'],
      ['e1', 'executor', 'planned'],
      ['asker0', 'client', 'planned'],
    ]);
    expect(first?.peerId).toMatch(/^16Uiu2/);
    expect([sim.elapsedMs, sim.trace.length]).toEqual([0, 0]);
    expect([sim.isConnected(), sim.allDiscovered(), sim.allNodesConnected()]).toEqual([false, false, false]);
    expect(sim.metrics()).toMatchObject({ connectedShare: 0, discoveredShare: 0 });
    expect(sim.report()).toMatchObject({ seed: 7, network: 'perfect links', durationMs: 0, requests: [] });
    await sim.stop();
    await expect(sim.runFor(1)).rejects.toMatchObject({ code: 'STOPPED' });
    expect(sim.nodes.map(({ state }) => state)).toEqual(['stopped', 'stopped', 'stopped']);
  });
});

describe('one seed', () => {
  /** A marketplace for some seconds, with everything that has chance in it. */
  async function live(sim: NetworkSimulator, look: () => void): Promise<string> {
    sim.spawnExecutorNodes(2, { thinkMs: 50, tokenMs: 5 });
    sim.spawnClientNodes(1);
    sim.load({ requestsPerSecond: 3, answerTokens: 4 });
    sim.gossipLoad();
    sim.churn({ meanUpMs: 3_000, meanDownMs: 1_000 });
    for (let second = 0; second < 5; second += 1) {
      await sim.runFor(1_000);
      look();
    }
    await sim.stop();
    return sim.trace.hash();
  }
  const config: SimulationConfig = { numNodes: 3, seed: 3, ...planet };

  test('decides everything, and looking changes nothing', async ({ createSimulator }) => {
    const plain = await live(createSimulator(config), () => undefined);
    const recorder = createRecorder({
      maxActors: 5_000,
      labelsOf: ({ context }) => ({ request: context?.['idempotencyKey'] }),
    });
    const looked = createSimulator({ ...config, sampleIntervalMs: 10, inspect: recorder });
    const look = (): void => {
      looked.metrics();
      looked.report();
      looked.allNodesConnected();
      looked.measure('offersSeenShare');
    };
    expect(await live(looked, look)).toBe(plain);
    expect(looked.report().samples.length).toBeGreaterThan(100);
    // Its machines are told apart by node, and those of one question are found at all nodes that had to do with it.
    const { actors, dropped } = recorder.run();
    expect(dropped).toMatchObject({ actors: 0, labels: 0 });
    expect(new Set(actors.map(({ labels: { node, role } = {} }) => `${node} ${role}`))).toEqual(
      new Set(['e0 executor', 'e1 executor', 'c0 client']),
    );
    const roles = (machine: string): Set<unknown> =>
      new Set(actors.filter((actor) => actor.machine === machine).map(({ labels }) => labels?.['role']));
    expect([roles('request'), roles('execution')]).toEqual([new Set(['client']), new Set(['executor'])]);
    const question = actors.find(({ machine }) => machine === 'execution')?.labels?.['request'];
    const machinesOf = actors
      .filter(({ labels }) => labels?.['request'] === question)
      .map(({ machine }) => machine);
    expect(machinesOf).toEqual(expect.arrayContaining(['retry', 'request', 'execution']));
  });
});

describe('nodes that come while time runs', () => {
  test('start then, take part, and end with the others', async ({ createSimulator }) => {
    const sim = createSimulator({ numNodes: 4, networkDelayMs: 20 });
    const [relay] = sim.spawnRelayNodes(1);
    sim.spawnClientNodes(1);
    sim.at(2_000, () => {
      const [late] = sim.spawnExecutorNodes(1, { thinkMs: 0, tokenMs: 0 });
      expect(late?.state).toBe('planned');
    });
    await sim.runUntil(() => sim.nodes.length === 3 && sim.node('e0').state === 'up');
    expect(sim.elapsedMs).toBeGreaterThanOrEqual(2_000);
    sim.spawnValidatorNodes(1, { stake: '5' });
    await sim.runUntil(() => sim.allNodesConnected());
    const client = sim.node('c0').behaviour;
    const found = await sim.run(() => client.requireModelProviders('demo-small'));
    expect(found.map(({ peerId }) => peerId)).toEqual([sim.node('e0').peerId]);
    const validators = await sim.run(client.discoverValidators());
    expect(validators).toMatchObject([{ peerId: sim.node('v0').peerId, info: { stake: '5' } }]);
    const relays = sim.node('e0').behaviour.peerInfo(relay!.peerId)?.roles;
    expect(relays).toEqual(['relay']);
    await sim.stop();
    await sim.stop();
    expect(() => sim.node('e0').behaviour).toThrow(expect.objectContaining({ code: 'WRONG_STATE' }));
    expect(sim.metrics()).toMatchObject({ nodes: { up: 4 }, connectedShare: 1 });
  });

  test('that cannot start end the run, and can be started again', async ({ createSimulator }) => {
    const sim = createSimulator({ numNodes: 3 });
    sim.spawnClientNodes(1);
    const [broken] = sim.spawnClientNodes(1, { group: 'broken', config: { listenAddresses: ['/nonsense'] } });
    const [last] = sim.spawnClientNodes(1);
    await expect(sim.runFor(10)).rejects.toMatchObject({ code: 'START_FAILED' });
    expect([sim.node('c0').state, broken?.state, last?.state]).toEqual(['up', 'failed', 'planned']);
    await sim.runFor(10);
    expect(last?.state).toBe('up');
    await expect(sim.restart('broken')).rejects.toMatchObject({ code: 'START_FAILED' });
    expect(broken?.state).toBe('failed');
  });
});

describe('who knows whom at the beginning', () => {
  const known = async (sim: NetworkSimulator): Promise<number[]> => {
    sim.spawnClientNodes(4);
    await sim.runFor(0);
    return sim.nodes.map(({ behaviour }) => behaviour.bootstrapPeers().length);
  };

  test.each([
    ['bootstrap', [0, 1, 1, 1]],
    ['ring', [0, 1, 1, 1]],
    ['random', [0, 1, 2, 3]],
    [
      [
        ['c0', 'c3'],
        ['c2', 'c1'],
        ['c3', 'c1'],
      ],
      [1, 0, 1, 1],
    ],
  ] as const)('%j gives %j addresses', async (...[topology, counts]) => {
    await using sim = new NetworkSimulator({ numNodes: 4, topology });
    expect(await known(sim)).toEqual(counts);
    await sim.runUntil(() => sim.isConnected());
    sim.crash('c0');
    await sim.restart('c0', { datastore: 'empty' });
    expect(sim.node('c0').behaviour.bootstrapPeers()).toHaveLength(topology === 'random' ? 3 : 1);
    await sim.runUntil(() => sim.isConnected());
  });
});
