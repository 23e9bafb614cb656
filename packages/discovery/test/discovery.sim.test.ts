import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import {
  advertiseAll,
  findAll,
  offer,
  peerIdOf,
  planet,
  search,
  serviceOf,
  star,
  timed,
  type SimNetwork,
} from './simNodes.ts';

const executors = ['e1', 'e2', 'e3', 'e4'];
const clients = ['c1', 'c2'];
const nodes = ['hub', ...executors, ...clients];
const few = ['hub', 'e1', 'e2', 'c1'];

/** From the first start to the answers that all clients get. */
async function startAndFind(network: SimNetwork): Promise<void> {
  const { seed } = network;
  const named = (letter: string): string[] =>
    [...network.nodes.keys()].filter((name) => name.startsWith(letter));
  const advertisedMs = await advertiseAll(network, named('e'));
  for (const name of named('c')) {
    const { result, tookMs } = await timed(network, () => search(network, name));
    expect({ seed, result }).toEqual({ seed, result: named('e') });
    // 3 s leave room for one segment that is lost three times in a row.
    expect({ seed, isSoon: tookMs < 3_000 }).toEqual({ seed, isSoon: true });
  }
  expect({ seed, isSoon: advertisedMs < 10_000 }).toEqual({ seed, isSoon: true });
}

describe('a star of nodes over a slow and lossy network', () => {
  test('finds every executor, whatever is lost', async ({ createNetwork }) => {
    for (const seed of [1, 2]) {
      const network = await createNetwork({ nodes, link: planet, seed, createNode: star() });
      await startAndFind(network);
      await network.stop();
    }
  });

  test('does so over the real handshakes and muxers, and the same way twice', async ({ createNetwork }) => {
    const hashes: string[] = [];
    for (let run = 0; run < 2; run += 1) {
      const network = await createNetwork({
        nodes: few,
        link: planet,
        seed: 4,
        fidelity: 'full',
        createNode: star(),
      });
      await startAndFind(network);
      await network.stop();
      hashes.push(network.trace.hash());
    }
    expect(hashes[1]).toBe(hashes[0]);
  });
});

describe('time', () => {
  const link = { delayMs: 50 };

  test('ends a search 300 ms after the first provider, when another one is silent', async ({
    createNetwork,
  }) => {
    const network = await createNetwork({ nodes: few, link, createNode: star() });
    await advertiseAll(network, ['e1', 'e2']);
    await network.runFor(10_000);
    network.crash('e2', { isSilent: true });
    const service = serviceOf(network, 'c1');
    const { result, tookMs } = await timed(network, () =>
      service.findModelProviders('demo-small', { maxAgeMs: 0 }),
    );
    expect(result.map(({ peerId }) => peerId)).toEqual([peerIdOf(network, 'e1')]);
    expect(tookMs).toBeLessThan(1_000);
    // Whoever wants to know of everybody waits for the silent one, for as long as descriptorTimeoutMs.
    const all = await timed(network, () => search(network, 'c1'));
    expect(all.result).toEqual(['e1']);
    expect(all.tookMs).toBeGreaterThanOrEqual(5_000);
    expect(all.tookMs).toBeLessThan(7_000);
  });

  test('brings a later provider to whoever has looked before, within five minutes and a half', async ({
    createNetwork,
  }) => {
    const network = await createNetwork({ nodes: few, link, createNode: star() });
    await advertiseAll(network, ['e1']);
    expect(await findAll(network, 'c1')).toEqual(['e1']);
    const lookedAtMs = network.clock.elapsed();
    await advertiseAll(network, ['e2']);
    const counts: number[] = [];
    serviceOf(network, 'c1').addEventListener('service:discovered', ({ detail }) => {
      counts.push(detail.providers.length);
    });
    await network.runUntil(() => counts.length > 0, { timeoutMs: 400_000 });
    const waitedMs = network.clock.elapsed() - lookedAtMs;
    expect(counts).toEqual([2]);
    expect(waitedMs).toBeGreaterThan(0.9 * 300_000 - lookedAtMs);
    expect(waitedMs).toBeLessThan(1.1 * 300_000 + 2_000);
  });

  test('makes a node forget a peer of which it has heard nothing for two announcements', async ({
    createNetwork,
  }) => {
    const network = await createNetwork({ nodes: few, link, createNode: star() });
    await advertiseAll(network, ['e1']);
    const service = serviceOf(network, 'c1');
    const peerId = peerIdOf(network, 'e1');
    await network.run(service.describeService(peerId));
    // Connected peers announce themselves: as long as one lives, it is not forgotten.
    await network.runFor(300_000);
    expect(service.servicesOf(peerId)).toEqual([offer]);
    network.crash('e1', { isSilent: true });
    await network.runFor(60_000);
    expect(service.servicesOf(peerId)).toEqual([]);
  });

  test('never makes a descriptor stale: one that is handed out is valid for half a minute', async ({
    createNetwork,
  }) => {
    const network = await createNetwork({ nodes: few, link, createNode: star() });
    await advertiseAll(network, ['e1']);
    const service = serviceOf(network, 'c1');
    // Asked at every age of the signature that is kept for a minute, with a slow way back.
    network.setLink('e1', 'c1', { delayMs: 2_000 });
    for (let turn = 0; turn < 30; turn += 1) {
      await network.runFor(7_000);
      const { result } = await timed(network, () => service.describeService(peerIdOf(network, 'e1')));
      expect(result?.services).toEqual([offer]);
    }
  });
});

describe('a withdrawn offer', () => {
  test('is gone at once for whoever asks, and its node serves on', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes, link: planet, createNode: star() });
    await advertiseAll(network, executors);
    expect(await findAll(network, 'c1')).toEqual(executors);
    const withdrawal = serviceOf(network, 'e2').withdrawService('executor');
    // Not awaited: what the DHT holds is not what counts.
    expect(await findAll(network, 'c1')).toEqual(['e1', 'e3', 'e4']);
    await network.run(withdrawal);
    const descriptor = await network.run(serviceOf(network, 'c2').describeService(peerIdOf(network, 'e2')));
    expect(descriptor?.services).toEqual([]);
    await advertiseAll(network, ['e2']);
    expect(await findAll(network, 'c2')).toEqual(executors);
  });

  test('never comes back by itself', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes: ['hub', 'e1', 'c1'], link: planet, createNode: star() });
    await advertiseAll(network, ['e1']);
    await network.run(serviceOf(network, 'e1').withdrawService('executor'));
    for (let turn = 0; turn < 3; turn += 1) {
      await network.runFor(600_000);
      expect(await findAll(network, 'c1')).toEqual([]);
    }
  });
});
