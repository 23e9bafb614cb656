import type { Libp2p } from '@libp2p/interface';
import type { SimHost } from '@lloom/simkit';
import { test } from '@lloom/simkit/vitest';
import { multiaddr } from '@multiformats/multiaddr';
import { expect } from 'vitest';

import { addressOf, hopProtocol, idOf, relayedOf, type KeepingConfig } from './reservingNodes.ts';
import {
  entryOf,
  hopStreams,
  keepingOf,
  link,
  minuteMs,
  nodesFor,
  relayOf,
  secondMs,
  through,
  type Network,
  type Node,
} from './reservingSim.ts';

test('a place at a relay is kept, announced, and taken back when it is given up', async ({
  createNetwork,
}) => {
  const createNode = nodesFor({ ttlMs: 10 * minuteMs });
  const network: Network = await createNetwork({ nodes: ['r', 'a', 'b'], link, createNode });
  const [a, b] = [network.node('a'), network.node('b')];
  const keeping = keepingOf(network, 'a');
  keeping.enable([relayOf(network, 'r')]);
  await network.runUntil(() => relayedOf(a).length > 0);
  expect(relayedOf(a)).toEqual([`${through(network, 'r')}/p2p/${idOf(a)}`]);
  expect(keeping.reserving.addresses).toEqual([through(network, 'r')]);
  expect(keeping.reserving.isNeeded(idOf(network.node('r')))).toBe(true);
  const connection = await network.run(() => b.dial(multiaddr(relayedOf(a)[0])));
  expect(connection.remotePeer.toString()).toBe(idOf(a));
  // A renewal that nobody hears of.
  await network.runFor(12 * minuteMs);
  expect(keeping.told).toMatchObject([{ type: 'reserved', relay: idOf(network.node('r')) }]);
  expect(keeping.reserved).toHaveLength(1);
  keeping.reserving.disable();
  expect(relayedOf(a)).toEqual([]);
  expect(keeping.told.at(-1)).toEqual({
    type: 'lost',
    relay: idOf(network.node('r')),
    reason: 'given up',
  });
});

for (const [jump, byMs] of [
  ['a year ahead', 365 * 24 * 60 * minuteMs],
  ['an hour behind', -60 * minuteMs],
] as const) {
  test(`a node whose clock is ${jump} of that of its relay keeps its place all the same`, async ({
    createNetwork,
  }) => {
    let aheadMs = 0;
    const config = ({ clock }: SimHost): KeepingConfig => ({
      clock: {
        now: () => clock.now() + aheadMs,
        elapsed: () => clock.elapsed(),
        setTimeout: (fn, ms) => clock.setTimeout(fn, ms),
        clearTimeout: (id) => clock.clearTimeout(id),
      },
    });
    const createNode = nodesFor({ config, ttlMs: 5 * minuteMs });
    const network: Network = await createNetwork({ nodes: ['r', 'a', 'b'], link, createNode });
    const keeping = keepingOf(network, 'a');
    keeping.enable([relayOf(network, 'r')]);
    await network.runUntil(() => keeping.reserved.length === 1);
    aheadMs = byMs;
    await network.runFor(9 * minuteMs);
    expect(keeping.told).toHaveLength(1);
    keeping.reserving.disable();
    keeping.enable([relayOf(network, 'r')]);
    await network.runUntil(() => keeping.reserved.length === 1);
    const { expiresAt = 0 } = entryOf(network, 'a') ?? {};
    expect(expiresAt).toBeGreaterThan(network.clock.now() + aheadMs);
    await network.run(() => network.node('b').dial(multiaddr(relayedOf(network.node('a'))[0])));
  });
}

test('peers are told where a node is reached, and that it is not, any number of times', async ({
  createNetwork,
}) => {
  const network: Network = await createNetwork({ nodes: ['r', 'a', 'b'], link, createNode: nodesFor() });
  const [a, b] = [network.node('a'), network.node('b')];
  await network.run(() => b.dial(multiaddr(relayOf(network, 'a'))));
  const told = async (): Promise<number> => {
    await network.runFor(5 * secondMs);
    const { addresses } = await network.run(() => b.peerStore.get(a.peerId));
    return addresses.filter(({ multiaddr: one }) => one.toString().includes('/p2p-circuit')).length;
  };
  for (let times = 0; times < 3; times++) {
    keepingOf(network, 'a').enable([relayOf(network, 'r')]);
    expect(await told()).toBe(1);
    keepingOf(network, 'a').reserving.disable();
    expect(await told()).toBe(0);
  }
});

for (const isSilent of [false, true]) {
  const crash = isSilent ? 'goes dark' : 'crashes';
  test(`a node is reached again within 30 s after its relay, which ${crash}, is back`, async ({
    createNetwork,
  }) => {
    const network: Network = await createNetwork({ nodes: ['r', 'a', 'b'], link, createNode: nodesFor() });
    const a = network.node('a');
    keepingOf(network, 'a').enable([relayOf(network, 'r')]);
    await network.runUntil(() => relayedOf(a).length > 0);
    await network.runFor(minuteMs);
    network.crash('r', { isSilent });
    await network.runUntil(() => relayedOf(a).length === 0);
    await network.runFor(5 * minuteMs);
    expect(entryOf(network, 'a')).toMatchObject({ addresses: [], lastFailure: expect.any(String) as string });
    await network.restart('r');
    const backAt = network.clock.elapsed();
    await network.runUntil(() => relayedOf(a).length > 0);
    expect(network.clock.elapsed() - backAt).toBeLessThanOrEqual(30 * secondMs);
    await network.run(() => network.node('b').dial(multiaddr(relayedOf(a)[0])));
  });
}

test('a relay that restarts between two messages gives its place again within seconds', async ({
  createNetwork,
}) => {
  const network: Network = await createNetwork({ nodes: ['r', 'a'], link, createNode: nodesFor() });
  const keeping = keepingOf(network, 'a');
  keeping.enable([relayOf(network, 'r')]);
  await network.runUntil(() => keeping.reserved.length === 1);
  await network.runFor(minuteMs);
  network.crash('r');
  await network.restart('r');
  const backAt = network.clock.elapsed();
  await network.runUntil(() => keeping.told.length === 3);
  expect(keeping.told.map(({ type }) => type)).toEqual(['reserved', 'lost', 'reserved']);
  expect(network.clock.elapsed() - backAt).toBeLessThanOrEqual(5 * secondMs);
});

test('a place that lasts a minute only is renewed for as long as it takes', async ({ createNetwork }) => {
  const createNode = nodesFor({ ttlMs: minuteMs });
  const network: Network = await createNetwork({ nodes: ['r', 'a', 'b'], link, createNode });
  const keeping = keepingOf(network, 'a');
  keeping.enable([relayOf(network, 'r')]);
  await network.runFor(3.5 * minuteMs);
  expect(keeping.told).toHaveLength(1);
  await network.run(() => network.node('b').dial(multiaddr(relayedOf(network.node('a'))[0])));
});

test('a relay that is full is asked again ever less often, and gives a place when it has one', async ({
  createNetwork,
}) => {
  const createNode = nodesFor({ maxReservations: 1 });
  const network: Network = await createNetwork({ nodes: ['r', 'a0', 'a1'], link, createNode });
  const [first, second] = [keepingOf(network, 'a0'), keepingOf(network, 'a1')];
  first.enable([relayOf(network, 'r')]);
  await network.runUntil(() => first.reserved.length === 1);
  second.enable([relayOf(network, 'r')]);
  await network.runFor(2 * minuteMs);
  expect(entryOf(network, 'a1')).toMatchObject({ state: 'waiting', lastFailure: 'it is full' });
  expect(entryOf(network, 'a1')?.failures).toBeLessThanOrEqual(4);
  // A relay that restarts has forgotten everybody: first come, first served.
  first.reserving.disable();
  network.crash('r');
  await network.restart('r');
  await network.runUntil(() => second.reserved.length === 1, { timeoutMs: 6 * minuteMs });
});

test('places are kept at sixteen relays, and their addresses fit the messages that tell of them', async ({
  createNetwork,
}) => {
  const relays = Array.from({ length: 16 }, (_, n) => `r${n}`);
  const network: Network = await createNetwork({
    nodes: [...relays, 'a', 'b'],
    link,
    createNode: nodesFor(),
  });
  const [a, b] = [network.node('a'), network.node('b')];
  await network.run(() => b.dial(multiaddr(relayOf(network, 'a'))));
  const keeping = keepingOf(network, 'a');
  keeping.enable(relays.map((name) => relayOf(network, name)));
  await network.runUntil(() => keeping.reserved.length === 16);
  await network.runFor(5 * secondMs);
  const { addresses } = await network.run(() => b.peerStore.get(a.peerId));
  expect(addresses.filter(({ multiaddr: one }) => one.toString().includes('/p2p-circuit'))).toHaveLength(16);
});

test('nodes do not storm a relay that comes back: they ask spread over time', async ({ createNetwork }) => {
  const names = Array.from({ length: 16 }, (_, n) => `a${n}`);
  const network: Network = await createNetwork({ nodes: ['r', ...names], link, createNode: nodesFor() });
  for (const name of names) keepingOf(network, name).enable([relayOf(network, 'r')]);
  const all = (): boolean => names.every((name) => keepingOf(network, name).reserved.length === 1);
  await network.runUntil(all);
  await network.runFor(15 * secondMs);
  network.crash('r');
  await network.runFor(30 * secondMs);
  const relay = await network.restart('r');
  const seconds = new Map<number, number>();
  const backAt = network.clock.elapsed();
  relay.addEventListener('connection:open', () => {
    const second = Math.floor((network.clock.elapsed() - backAt) / secondMs);
    seconds.set(second, (seconds.get(second) ?? 0) + 1);
  });
  await network.runUntil(all, { timeoutMs: 30 * secondMs });
  expect(Math.max(...seconds.values())).toBeLessThanOrEqual(6);
});

test('relays are used by themselves while the node is private, until the user forbids it', async ({
  createNetwork,
}) => {
  const config = (_: SimHost, others: ReadonlyMap<string, Node>): KeepingConfig => ({
    relayClient: { relays: [addressOf(others.get('r')!)] },
  });
  const network: Network = await createNetwork({ nodes: ['r', 'a'], link, createNode: nodesFor({ config }) });
  const keeping = keepingOf(network, 'a');
  const { reserving } = keeping;
  await network.runFor(minuteMs);
  expect(reserving.explain()).toEqual({ isRelayClient: false, relays: [] });
  reserving.setPrivate(true);
  await network.runUntil(() => keeping.reserved.length === 1);
  reserving.setPrivate(false);
  expect(reserving.explain()).toEqual({ isRelayClient: false, relays: [] });
  reserving.setPrivate(true);
  keeping.enable([relayOf(network, 'r')]);
  reserving.setPrivate(false);
  await network.runUntil(() => keeping.reserved.length === 1);
  reserving.disable();
  reserving.setPrivate(true);
  await network.runFor(minuteMs);
  expect(reserving.explain()).toEqual({ isRelayClient: false, relays: [] });
});

test('the list may change: what both lists have stays, and what cannot be used changes nothing', async ({
  createNetwork,
}) => {
  const network: Network = await createNetwork({
    nodes: ['r0', 'r1', 'r2', 'a'],
    link,
    createNode: nodesFor(),
  });
  const keeping = keepingOf(network, 'a');
  const [r0, r1, r2] = ['r0', 'r1', 'r2'].map((name) => relayOf(network, name)) as [string, string, string];
  keeping.enable([r0, r1]);
  await network.runUntil(() => keeping.reserved.length === 2);
  keeping.enable([r1, r2]);
  await network.runUntil(() => keeping.reserved.length === 2);
  expect(keeping.told.map(({ type, relay }) => [type, relay])).toEqual([
    ['reserved', expect.any(String)],
    ['reserved', expect.any(String)],
    ['lost', idOf(network.node('r0'))],
    ['reserved', idOf(network.node('r2'))],
  ]);
  const refused = [
    '/ip4/192.0.2.1/tcp/1',
    `${r0}/p2p-circuit`,
    `${r0}/p2p-circuit/p2p/${idOf(network.node('r1'))}`,
  ];
  for (const address of [...refused, addressOf(network.node('a'))])
    expect(() => keeping.enable([address])).toThrow(expect.objectContaining({ name: 'AddressError' }));
  expect(keeping.reserved).toHaveLength(2);
  // What was found by name counts as found by search.
  keeping.enable([], { maxReservations: 1 });
  await network.runFor(minuteMs);
  expect(keeping.reserved).toHaveLength(1);
});

test('nothing is left when places are given up in the middle of anything', async ({ createNetwork }) => {
  const network: Network = await createNetwork({ nodes: ['r', 'a'], link, createNode: nodesFor() });
  const a = network.node('a');
  const keeping = keepingOf(network, 'a');
  const relay = relayOf(network, 'r');
  for (let ms = 0; ms < 300; ms += 31) {
    for (const relays of [[relay], []]) {
      keeping.enable(relays);
      await network.runFor(ms);
      if (ms % 2 === 0) keeping.reserving.disable();
      else keeping.reserving.stop();
      expect(relayedOf(a)).toEqual([]);
      await network.runFor(secondMs);
      keeping.reserving.start();
    }
    await network.run(async () => a.hangUp(network.node('r').peerId));
  }
  keeping.reserving.disable();
  await network.runFor(minuteMs);
  expect(hopStreams(network)).toEqual([]);
  expect(keeping.told.filter(({ type }) => type === 'reserved').length).toBe(
    keeping.told.filter(({ type }) => type === 'lost').length,
  );
});

test('a relay that stops to relay is not counted on, and is asked again when it relays again', async ({
  createNetwork,
}) => {
  const network: Network = await createNetwork({ nodes: ['r', 'a'], link, createNode: nodesFor() });
  const keeping = keepingOf(network, 'a');
  keeping.enable([relayOf(network, 'r')]);
  await network.runUntil(() => keeping.reserved.length === 1);
  await network.runFor(minuteMs);
  const relay = network.node('r') as Libp2p<{ relay: { start(): Promise<void>; stop(): Promise<void> } }>;
  await network.run(() => relay.services.relay.stop());
  await network.runUntil(() => keeping.reserved.length === 0, { timeoutMs: 5 * secondMs });
  expect(relay.getProtocols()).not.toContain(hopProtocol);
  await network.runFor(minuteMs);
  await network.run(() => relay.services.relay.start());
  await network.runUntil(() => keeping.reserved.length === 1, { timeoutMs: 5 * secondMs });
});
