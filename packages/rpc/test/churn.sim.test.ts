import type { NetworkFixture } from '@lloom/simkit/vitest';
import { test } from '@lloom/simkit/vitest';
import { expect } from 'vitest';
import { question } from './nodes.ts';
import { nodes, outcomeOf, readAll, textOf, wayOf, words, type SimNode } from './simulation.ts';

const waits = { timeoutMs: 300_000 };

/** Two clients ask three executors once a second, of which every 7 s one dies and another one comes back. */
async function churn(createNetwork: NetworkFixture['createNetwork'], seed: number) {
  const [clients, executors] = [
    ['client0', 'client1'],
    ['executor0', 'executor1', 'executor2'],
  ];
  const serve = words(4, 200);
  const network = await createNetwork<SimNode>({
    nodes: [...clients, ...executors],
    link: { delayMs: 40, jitterMs: 10, lossRatio: 0.01 },
    seed,
    createNode: nodes(Object.fromEntries(executors.map((name) => [name, { serve }])), wayOf(seed).carrier),
  });
  const identities = new Map(executors.map((name) => [name, network.node(name).identity]));
  const outcomes: string[] = [];
  const ask = async (from: string, to: string): Promise<void> => {
    const asker = network.node(from);
    const executor = identities.get(to)!;
    const answer = asker.rpc.stream(executor.peerId, await question(asker.identity, executor));
    const outcome = await outcomeOf(readAll(answer));
    if (outcome === 'answered') expect((await answer.result).content).toBe(textOf(4));
    outcomes.push(outcome);
  };
  const asks: Promise<void>[] = [];
  const [dead, all]: [string[], SimNode[]] = [[], []];
  const virtualMs = 60_000;
  for (let second = 0; second < virtualMs / 1_000; second++) {
    for (const client of clients) asks.push(ask(client, executors[second % executors.length]!));
    await network.runFor(1_000);
    if (second % 7 !== 6) continue;
    const last = dead.shift();
    if (last !== undefined) all.push(await network.restart(last));
    const next = executors[((second / 7) % executors.length) | 0]!;
    if (!network.nodes.has(next)) continue;
    all.push(network.node(next));
    network.crash(next, { isSilent: second % 2 === 0 });
    dead.push(next);
  }
  for (const name of dead) await network.restart(name);
  await network.run(Promise.all(asks), waits);
  await network.runFor(150_000);
  for (const node of network.nodes.values()) node.expectNothingLeft();
  for (const node of all) expect(node.ledger.wrongEnds).toEqual([]);
  return { outcomes, hash: network.trace.hash(), stop: () => network.stop() };
}

test('while executors come and go every request ends once, with a whole answer or a code that says why', async ({
  createNetwork,
}) => {
  const counts = new Map<string, number>();
  for (let seed = 1; seed <= 4; seed++) {
    const { outcomes, stop } = await churn(createNetwork, seed);
    await stop();
    expect(outcomes, `seed ${seed}`).toHaveLength(120);
    for (const outcome of outcomes) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  }
  expect([...counts.keys()].toSorted()).toEqual(['CONNECTION_CLOSED', 'DIAL_FAILED', 'answered']);
  expect(counts.get('answered')).toBeGreaterThan(4 * 120 * 0.6);
});

for (const seed of [5, 7])
  test(`the seed ${seed} gives the same run each time`, async ({ createNetwork }) => {
    const runs = [];
    for (let time = 0; time < 2; time++) {
      const { stop, ...run } = await churn(createNetwork, seed);
      await stop();
      runs.push(run);
    }
    expect(runs[1]).toEqual(runs[0]);
  });
