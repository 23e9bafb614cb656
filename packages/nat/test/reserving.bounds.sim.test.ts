import { lpStream } from '@libp2p/utils';
import { test } from '@lloom/simkit/vitest';
import { multiaddr } from '@multiformats/multiaddr';
import { expect } from 'vitest';

import { encodeHopAnswer } from '../src/internal/relayMessages.ts';
import { relayServerDefaults } from '../src/config.ts';
import type { Relaying } from '../src/relaying.ts';
import { relayAt } from './circuitNodes.ts';
import { createPlain, hopProtocol, idOf, relayedOf, simOptions } from './reservingNodes.ts';
import {
  entryOf,
  keepingOf,
  link,
  minuteMs,
  nodesFor,
  relayOf,
  secondMs,
  type Network,
  type Node,
  type Odd,
} from './reservingSim.ts';

/** A relay that gives places as it is told to: how long they last, and where it says that it is. */
function giving(leftMs: number, addressesOf: (asked: number) => string[] = () => []) {
  const given = { asked: 0, now: Date.now };
  const odd: Odd = async (stream) => {
    const frames = lpStream(stream);
    await frames.read();
    const addresses = addressesOf(given.asked++).map((one) => multiaddr(one).bytes);
    const expiresAtSeconds = Math.floor((given.now() + leftMs) / 1_000);
    await frames.write(encodeHopAnswer({ status: 100, reservation: { expiresAtSeconds, addresses } }));
    await stream.close();
  };
  return { given, odd };
}

test('a relay whose places last a moment, at ever other addresses, makes a node ask twice a minute and announce few', async ({
  createNetwork,
}) => {
  const strangers = (asked: number): string[] =>
    Array.from({ length: 8 }, (_, n) => `/ip4/8.8.${asked % 250}.${n + 1}/tcp/443`);
  const { given, odd } = giving(2 * secondMs, strangers);
  const network: Network = await createNetwork({
    nodes: ['o', 'a', 'a1'],
    link,
    createNode: nodesFor({ odd }),
  });
  given.now = () => network.clock.now();
  const a = network.node('a');
  await network.run(() => a.dial(network.node('a1').getMultiaddrs()));
  let updates = 0;
  network.node('a1').addEventListener('peer:update', ({ detail }) => {
    if (detail.peer.id.equals(a.peerId)) updates++;
  });
  keepingOf(network, 'a').enable([relayOf(network, 'o')]);
  await network.runFor(5 * minuteMs);
  expect(given.asked).toBeGreaterThan(4);
  expect(given.asked).toBeLessThanOrEqual(9);
  expect(keepingOf(network, 'a').told.length).toBeLessThanOrEqual(6);
  expect(updates).toBeLessThanOrEqual(8);
  // Where it was dialled, and two others.
  expect(relayedOf(a)).toHaveLength(3);
  expect(relayedOf(a)[0]).toContain(relayOf(network, 'o'));
  keepingOf(network, 'a').reserving.disable();
  expect(relayedOf(a)).toEqual([]);
  await network.runFor(2 * minuteMs);
  expect(relayedOf(a)).toEqual([]);
});

for (const leftMs of [3 * secondMs, -3 * minuteMs])
  test(`a relay whose clock is behind, so that ${leftMs} ms are left, is asked as often as one of short places`, async ({
    createNetwork,
  }) => {
    const { given, odd } = giving(leftMs);
    const network: Network = await createNetwork({ nodes: ['o', 'a'], link, createNode: nodesFor({ odd }) });
    given.now = () => network.clock.now();
    keepingOf(network, 'a').enable([relayOf(network, 'o')]);
    await network.runFor(10 * minuteMs);
    expect(keepingOf(network, 'a').told).toHaveLength(1);
    expect(given.asked).toBeLessThanOrEqual(15);
  });

test('a relay that makes itself heard all the time does not make a node ask it all the time', async ({
  createNetwork,
}) => {
  const { given, odd } = giving(60 * minuteMs);
  const network: Network = await createNetwork({ nodes: ['o', 'a'], link, createNode: nodesFor({ odd }) });
  given.now = () => network.clock.now();
  keepingOf(network, 'a').enable([relayOf(network, 'o')]);
  for (let second = 0; second < 300; second += 2) {
    await network.run(() => network.node('o').handle(`/test/${second}`, () => undefined));
    await network.runFor(2 * secondMs);
  }
  expect(given.asked).toBeGreaterThan(5);
  expect(given.asked).toBeLessThanOrEqual(20);
});

for (const [when, afterMs] of [
  ['just now', 3 * secondMs],
  ['a while ago', 40 * secondMs],
] as const) {
  test(`a place that was given ${when} is asked for again when its relay was off for a moment`, async ({
    createNetwork,
  }) => {
    let relaying!: Relaying;
    const createNode = async (...[host, others]: Parameters<ReturnType<typeof nodesFor>>): Promise<Node> => {
      if (host.name !== 'r') return nodesFor()(host, others);
      const node = await createPlain(simOptions(host));
      relaying = await relayAt(node, {}, { clock: host.clock });
      return node;
    };
    const network: Network = await createNetwork({ nodes: ['r', 'a', 'a1'], link, createNode });
    const [a, other] = [network.node('a'), network.node('a1')];
    keepingOf(network, 'a').enable([relayOf(network, 'r')]);
    await network.runUntil(() => keepingOf(network, 'a').reserved.length === 1);
    await network.runFor(afterMs);
    await network.run(async () => {
      await relaying.disable();
      await relaying.enable(relayServerDefaults, 'public');
    });
    await network.runFor(12 * secondMs);
    expect(entryOf(network, 'a')).toMatchObject({ state: 'reserved', failures: 0 });
    const connection = await network.run(() => other.dial(multiaddr(relayedOf(a)[0])));
    expect(connection.remotePeer.toString()).toBe(idOf(a));
    expect(network.node('r').getProtocols()).toContain(hopProtocol);
  });
}
