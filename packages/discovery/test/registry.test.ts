import { decodeRegistryResult, encodeRegistryQuery } from '@lloom/codec';
import type { RegistryQuery, RegistryResult } from '@lloom/codec';
import { assert, describe, expect, it } from 'vitest';
import { descriptorFrame, peerIds, validator } from './fakes.ts';
import { settled } from './machines.ts';
import { createRegistries, offer } from './registries.ts';

const statistics: RegistryQuery = { type: 'getStatistics' };
const everybody: RegistryQuery = { type: 'searchByCapabilities' };

type Node = ReturnType<typeof createRegistries>;

async function askOf({ registry }: Node, query: RegistryQuery, by = 'somebody'): Promise<RegistryResult> {
  return decodeRegistryResult(await registry.answer(by, encodeRegistryQuery(query)));
}

async function executorsOf(node: Node): Promise<readonly (readonly [string, number | undefined])[]> {
  const result = await askOf(node, everybody);
  if (result.type !== 'executorList') throw new Error(result.type);
  return result.executors.map((entry) => [entry.descriptor.payload.peerId, entry.successRate] as const);
}

/** A network in which these answer for as long as they are in the set. */
function populate({ network, clock }: Node, ...ids: readonly string[]): Set<string> {
  const alive = new Set(ids);
  let sequence = 0;
  network.names(...ids);
  network.onAsk = (peerId) => {
    if (!alive.has(peerId)) return Promise.reject(new Error('silence'));
    const service = peerId === peerIds.dave ? validator : offer();
    return descriptorFrame(peerId, [service], { clock, descriptor: { sequence: ++sequence } });
  };
  return alive;
}

async function openRegistry(...ids: readonly string[]) {
  const node = createRegistries();
  const alive = populate(node, ...ids);
  node.registry.setOpen(true);
  node.registry.start();
  await settled();
  return { ...node, alive };
}

describe('the registry of a validator', () => {
  it('looks for all executors at once when it is started, and tells who was confirmed', async () => {
    const node = await openRegistry(peerIds.bob, peerIds.carol, peerIds.dave);
    expect(node.registry.state).toBe('resting');
    expect(await executorsOf(node)).toEqual([
      [peerIds.bob, 1],
      [peerIds.carol, 1],
    ]);
    node.registry.stop();
  });

  it('looks again every interval, and asks only those who were not heard meanwhile', async () => {
    const node = await openRegistry(peerIds.bob, peerIds.carol);
    node.network.asked.length = 0;
    await node.clock.advance(26_000);
    await node.finder.describe({ peerId: peerIds.bob, addresses: [] });
    node.network.asked.length = 0;
    await node.clock.advance(7_000);
    expect(node.network.asked).toEqual([peerIds.carol]);
    node.registry.stop();
  });

  it('forgets a dead executor within two intervals, and then tells how often it answered', async () => {
    const node = await openRegistry(peerIds.bob, peerIds.carol);
    node.alive.delete(peerIds.bob);
    await node.clock.advance(60_000);
    expect(await executorsOf(node)).toEqual([[peerIds.carol, 1]]);
    node.alive.add(peerIds.bob);
    await node.clock.advance(33_000);
    const [[id, rate] = []] = await executorsOf(node);
    expect(id).toBe(peerIds.bob);
    expect(rate).toBeGreaterThan(0);
    expect(rate).toBeLessThan(1);
    node.registry.stop();
  });

  it('looks again at once when this node joins after a sweep that found nobody', async () => {
    const node = createRegistries();
    node.registry.setOpen(true);
    node.registry.start();
    await settled();
    expect(await executorsOf(node)).toEqual([]);
    populate(node, peerIds.bob);
    node.registry.onFound();
    await settled();
    expect(await executorsOf(node)).toEqual([[peerIds.bob, 1]]);
    node.registry.stop();
  });

  it('tries again soon when a sweep fails, and says so in the log', async () => {
    const node = createRegistries();
    node.network.loseDht();
    node.registry.setOpen(true);
    node.registry.start();
    await settled();
    expect(node.registry.state).toBe('backingOff');
    expect(node.network.errors).toHaveLength(1);
    populate(node, peerIds.bob);
    await node.clock.advance(1_100);
    expect(await executorsOf(node)).toEqual([[peerIds.bob, 1]]);
    node.registry.stop();
  });

  it('holds nothing against executors when a sweep ran out of time', async () => {
    const node = await openRegistry(peerIds.bob, peerIds.carol);
    node.network.onFind = async function* (_, signal) {
      yield { peerId: peerIds.bob, addresses: [] };
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    };
    node.alive.delete(peerIds.carol);
    await node.clock.advance(64_000);
    expect(await executorsOf(node)).toEqual([[peerIds.bob, 1]]);
    node.alive.add(peerIds.carol);
    node.network.names(peerIds.bob, peerIds.carol);
    await node.clock.advance(40_000);
    expect(await executorsOf(node)).toContainEqual([peerIds.carol, 1]);
    node.registry.stop();
  });

  it('counts questions and time from when it was opened', async () => {
    const node = await openRegistry(peerIds.bob);
    await node.clock.advance(10_000);
    await askOf(node, everybody);
    expect(await askOf(node, statistics)).toMatchObject({ totalRequests: 1, uptimeMs: 10_000 });
    node.registry.setOpen(false);
    node.registry.setOpen(true);
    expect(await askOf(node, statistics)).toMatchObject({ totalRequests: 0, uptimeMs: 0 });
    node.registry.stop();
  });

  it('leaves no timer and no search behind when it is closed or stopped', async () => {
    const node = await openRegistry(peerIds.bob);
    node.registry.setOpen(false);
    expect(node.registry.state).toBe('closed');
    expect(node.clock.pending).toBe(0);
    node.registry.setOpen(true);
    node.registry.stop();
    await settled();
    expect(node.clock.pending).toBe(0);
    node.registry.onFound();
    node.registry.setOpen(false);
    node.registry.setOpen(true);
    await node.clock.advance(60_000);
    expect(node.clock.pending).toBe(0);
  });

  it('tells what is known at once, but of more than 256 executors once a second', async () => {
    const node = await openRegistry();
    const add = async (from: number, to: number): Promise<void> => {
      for (let at = from; at < to; at++) {
        const frame = await descriptorFrame(`executor-${at}`, [offer()], { clock: node.clock });
        await node.finder.intake.announced(`executor-${at}`, frame);
      }
    };
    const total = (): Promise<RegistryResult> => askOf(node, everybody);
    await add(0, 256);
    expect(await total()).toMatchObject({ totalCount: 256 });
    await add(256, 257);
    expect(await total()).toMatchObject({ totalCount: 257 });
    await add(257, 258);
    expect(await total()).toMatchObject({ totalCount: 257 });
    await node.clock.advance(1_000);
    expect(await total()).toMatchObject({ totalCount: 258 });
    node.registry.stop();
  });

  it('counts once a second, and looks once at all connections instead of at each', async () => {
    const node = await openRegistry(peerIds.bob, peerIds.carol);
    const { network } = node;
    let looks = 0;
    network.isConnected = () => assert.fail('each peer is looked up');
    network.connectedPeers = () => new Set(looks++ === 0 ? [peerIds.bob] : [peerIds.bob, peerIds.carol]);
    for (let peer = 0; peer < 10; peer++)
      expect(await askOf(node, statistics, `peer ${peer}`)).toMatchObject({ connectedExecutors: 1 });
    expect(looks).toBe(1);
    await node.clock.advance(1_000);
    expect(await askOf(node, statistics)).toMatchObject({ totalExecutors: 2, connectedExecutors: 2 });
    await askOf(node, everybody);
    expect(looks).toBe(3);
    node.registry.stop();
  });
});

describe('whoever asks a registry', () => {
  it('is told so when there is none, before and after', async () => {
    const node = createRegistries();
    expect(await askOf(node, statistics)).toMatchObject({ type: 'error', code: 'NO_REGISTRY' });
    node.registry.setOpen(true);
    expect(await askOf(node, statistics)).toMatchObject({ type: 'statistics' });
    node.registry.setOpen(false);
    expect(await askOf(node, statistics)).toMatchObject({ type: 'error', code: 'NO_REGISTRY' });
  });

  it('is told what is wrong with a question, and gets no answer to what is none', async () => {
    const { registry } = await openRegistry();
    const refused = { type: 'error', code: 'INVALID_QUERY' };
    const newer = Uint8Array.of(0x08, 2, 0x32, 0);
    const unknown = Uint8Array.of(0x08, 1, 0x4a, 0);
    for (const frame of [newer, unknown, new Uint8Array()])
      expect(decodeRegistryResult(await registry.answer('p', frame))).toMatchObject(refused);
    for (const noise of [Uint8Array.of(0xff, 0xff), new Uint8Array(20_481)])
      await expect(registry.answer('p', noise)).rejects.toMatchObject({ name: 'CodecError' });
    registry.stop();
  });

  it('may ask 20 times at once and twice a second after that', async () => {
    const node = await openRegistry();
    const times = async (count: number, by: string): Promise<string[]> => {
      const types: string[] = [];
      for (let at = 0; at < count; at++) types.push((await askOf(node, statistics, by)).type);
      return types;
    };
    expect(new Set(await times(20, 'greedy'))).toEqual(new Set(['statistics']));
    expect(await askOf(node, statistics, 'greedy')).toMatchObject({ type: 'error', code: 'RATE_LIMITED' });
    expect(new Set(await times(20, 'modest'))).toEqual(new Set(['statistics']));
    await node.clock.advance(1_000);
    expect(await times(3, 'greedy')).toEqual(['statistics', 'statistics', 'error']);
    node.registry.stop();
  });

  it('is put off when too many ask at once', async () => {
    const node = await openRegistry();
    const asked = Array.from({ length: 300 }, (_, at) => askOf(node, statistics, `peer ${at}`));
    const answers = await Promise.all(asked);
    expect(answers.filter(({ type }) => type === 'statistics')).toHaveLength(200);
    node.registry.stop();
  });
});
