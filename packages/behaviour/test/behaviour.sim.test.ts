import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { dieAnswering } from './dyingExecutor.ts';
import { question } from './nodes.ts';
import { failureOf, findAndAsk, planet, serve, star } from './simNodes.ts';
import { liveAndAsk, ten } from './tenNodes.ts';

describe('ten nodes, 50 ms and one lost segment of a hundred', () => {
  test('are all connected after 30 s, and every client is answered', async ({ createNetwork }) => {
    await liveAndAsk(await createNetwork({ ...ten, createNode: star() }));
  });
});

test('a network with the same seed lives the same life', async ({ createNetwork }) => {
  const hashes: string[] = [];
  for (let run = 0; run < 2; run += 1) {
    const network = await createNetwork({ nodes: ['v', 'e0', 'c0'], link: planet, createNode: star() });
    await network.run(serve(network.node('e0'), network.clock));
    await network.runFor(15_000);
    await network.run(findAndAsk(network.node('c0')));
    await network.stop();
    hashes.push(network.trace.hash());
  }
  expect(hashes[1]).toBe(hashes[0]);
});

describe('an executor that dies', () => {
  // behaviour.sim.long.test.ts waits for ten minutes.
  for (const isSilent of [false, true])
    test(`${isSilent ? 'with its machine' : 'alone'}, while it answers, ends each request once, and another one serves`, async ({
      createNetwork,
    }) => {
      await dieAnswering(createNetwork, { isSilent, idleMs: 130_000 });
    });
});

describe('an executor whose handler hangs', () => {
  test('stops when the time for it is up, the shortest that was given', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes: ['v', 'e0', 'c0'], link: planet, createNode: star() });
    const [executor, client] = [network.node('e0'), network.node('c0')];
    executor.serve(() => new Promise(() => undefined));
    await network.run(executor.advertiseService({ kind: 'executor', models: ['demo-small'], capacity: 4 }));
    await network.runFor(10_000);
    const message = await question(client.identity, executor.peerId);
    const failed = failureOf(client.request(executor.peerId, message));
    await network.runFor(1_000);
    const beganAtMs = network.clock.elapsed();
    const patient = executor.stop({ drainMs: 86_400_000 });
    await network.runFor(1_000);
    await network.run(executor.stop({ drainMs: 2_000 }));
    await patient;
    const tookMs = network.clock.elapsed() - beganAtMs;
    expect(tookMs).toBeGreaterThanOrEqual(3_000);
    // Then it says goodbye.
    expect(tookMs).toBeLessThan(4_500);
    expect(await network.run(failed)).toMatchObject({ data: { peerId: executor.peerId } });
    await network.runUntil(() => !client.isConnected(executor.peerId), { timeoutMs: 10_000 });
  });
});

describe('a peer that falls silent', () => {
  /** As long as Linux tries to get data through. */
  const link = { ...planet, breakAfterMs: 924_000 };
  const nodes = ['v', 'e0', 'e1', 'c0', 'c1'];

  test('is dropped by everybody within a minute, long before TCP gives up', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes, link, createNode: star() });
    await network.runFor(10_000);
    const { peerId } = network.node('e0');
    network.crash('e0', { isSilent: true });
    const others = [...network.nodes.values()];
    await network.runUntil(() => !others.some((node) => node.isConnected(peerId)), { timeoutMs: 60_000 });
    const connections = others.map((node) => node.connectedPeers().length);
    expect(connections).toEqual(others.map(() => others.length - 1));
  });

  test('for 20 s keeps its connections, and answers late or is not found', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes, link, createNode: star() });
    await network.run(serve(network.node('e0'), network.clock));
    await network.runFor(25_000);
    const closed: string[] = [];
    for (const [name, node] of network.nodes)
      node.addEventListener('connection:closed', () => closed.push(name));
    const others = nodes.filter((name) => name !== 'e0');
    for (let turn = 0; turn < 5; turn += 1) {
      for (const name of others) network.hold('e0', name);
      const asked = findAndAsk(network.node('c0')).catch((error: { code: string }) => error.code);
      await network.runFor(20_000);
      for (const name of others) network.release('e0', name);
      // Nobody can tell a busy executor from a dead one: who was heard lately is asked and answers late, who was not is
      // not found, and nothing else breaks.
      const outcome = await network.run(asked);
      expect(['to be or not', 'NO_PROVIDERS', 'QUERY_FAILED']).toContain(
        typeof outcome === 'string' ? outcome : outcome.text,
      );
      await network.runFor(13_000);
      expect(await network.run(findAndAsk(network.node('c0')))).toMatchObject({ text: 'to be or not' });
    }
    expect(closed).toEqual([]);
  });
});

describe('a node that comes back', () => {
  test('repeats after a crash what it had answered, runs nothing twice, and serves the rest', async ({
    createNetwork,
  }) => {
    const network = await createNetwork({ nodes: ['v', 'c1', 'e0', 'c0'], link: planet, createNode: star() });
    network.crash('c1', { isSilent: true });
    await network.run(serve(network.node('e0'), network.clock, 3_000));
    await network.runFor(5_000);
    const client = network.node('c0');
    const { peerId } = network.node('e0');
    const addresses = network.node('e0').listenedAddresses();
    const message = await question(client.identity, peerId);
    const answer = await network.run(async () => client.stream(peerId, message).result);

    const interrupted = await question(client.identity, peerId);
    const unanswered = failureOf(client.stream(peerId, interrupted).result);
    await network.runFor(1_000);
    network.crash('e0');
    expect(await network.run(unanswered)).toMatchObject({ code: 'CONNECTION_CLOSED' });
    const again = await network.restart('e0');
    await network.run(serve(again, network.clock));
    // Its old self, which still worked, is stopped meanwhile: nobody may notice.
    await network.runFor(30_000);
    const repeated = await network.run(async () => client.stream(peerId, message).result);
    expect(repeated.parts).toEqual(answer.parts);
    const lost = await network.run(failureOf(client.stream(peerId, interrupted).result));
    expect(lost).toMatchObject({ code: 'REQUEST_LOST' });
    expect(await network.run(findAndAsk(client))).toMatchObject({ by: peerId, text: 'to be or not' });
    // Nobody knows the newcomer, so nobody but it has dialled.
    const newcomer = await network.restart('c1', { datastore: 'empty' });
    const { direction } = await network.run(newcomer.dialPeer(peerId, addresses));
    expect(direction).toBe('outbound');
    // Whoever has copied a request is told nothing of its answer.
    const copied = await network.run(failureOf(newcomer.stream(peerId, message).result));
    expect(copied).toMatchObject({ code: 'SIGNATURE_REFUSED', data: { reason: 'REPLAYED' } });
  });
});
