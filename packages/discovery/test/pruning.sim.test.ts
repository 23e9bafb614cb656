import { systemRandom, toPeerId } from '@lloom/core';
import type { SimHost, TestNetwork } from '@lloom/simkit';
import { test, type NetworkFixture } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { resolveDiscoveryConfig } from '../src/config.ts';
import type { Shared } from '../src/internal/shared.ts';
import type { Dialer } from '../src/ports.ts';
import { Pruning } from '../src/pruning.ts';
import { connectAll, createDhtNode, listed, routingTableOf } from './dhtNodes.ts';

const graceMs = 30_000;
const dialMs = 5_000;
const nodes = ['hub', 'a', 'b', 'c'];

/** A node that prunes its routing table. */
async function createNode(host: SimHost) {
  const node = await createDhtNode(host);
  const routingTable = routingTableOf(node.services.dht);
  const { config, ports } = resolveDiscoveryConfig({ clock: host.clock, random: systemRandom, routingTable });
  const isConnected = (peerId: string): boolean => node.getConnections(toPeerId(peerId)).length > 0;
  const dials: string[] = [];
  const dialer: Dialer = {
    dial: async (peerId, _, { signal }) => {
      dials.push(peerId);
      await node.dial(toPeerId(peerId), { signal });
    },
  };
  const pruning = new Pruning({
    ...ports,
    config,
    dialer,
    network: {
      isConnected,
      listeners: () => Promise.resolve(node.getPeers().map(String)),
      log: () => {},
      logError: (_: string, error: unknown) => {
        throw error;
      },
    },
  } as unknown as Shared);
  node.addEventListener('peer:disconnect', ({ detail }) => pruning.onDisconnect(detail.toString()));
  pruning.start();
  const stopNode = node.stop.bind(node);
  const stop = async (): Promise<void> => {
    pruning.stop();
    await stopNode();
  };
  return Object.assign(node, { pruning, dials, stop });
}

type Network = TestNetwork<Awaited<ReturnType<typeof createNode>>>;

async function meet(createNetwork: NetworkFixture['createNetwork']): Promise<Network> {
  const network = await createNetwork({ nodes, link: { delayMs: 20 }, createNode });
  await connectAll(network);
  await network.runFor(10_000);
  return network;
}

const lists = (network: Network, name: string, peerId: string): boolean =>
  listed(network.node(name)).includes(peerId);

describe('a peer in the routing table', () => {
  for (const isSilent of [false, true]) {
    test(`that dies ${isSilent ? 'with its machine' : 'alone'} leaves it within the grace and a dial`, async ({
      createNetwork,
    }) => {
      const network = await meet(createNetwork);
      const dead = network.node('a').peerId.toString();
      expect(lists(network, 'hub', dead)).toBe(true);
      network.crash('a', { isSilent });
      // A machine that says nothing is missed when it does not answer pings.
      await network.runUntil(() => network.node('hub').getConnections(toPeerId(dead)).length === 0, {
        timeoutMs: 120_000,
      });
      const lostAt = network.clock.elapsed();
      await network.runFor(graceMs - 100);
      expect(lists(network, 'hub', dead)).toBe(true);
      await network.runUntil(() => !lists(network, 'hub', dead));
      expect(network.clock.elapsed() - lostAt).toBeLessThanOrEqual(graceMs + dialMs + 100);
      await network.runFor(60_000);
      expect([...network.node('hub').pruning.watched]).toEqual([]);
      for (const name of ['b', 'c']) expect(lists(network, name, dead)).toBe(false);
    });
  }

  test('that restarts stays', async ({ createNetwork }) => {
    const network = await meet(createNetwork);
    const peerId = network.node('a').peerId.toString();
    network.crash('a');
    await network.runFor(10_000);
    await network.restart('a');
    await network.runFor(60_000);
    expect(lists(network, 'hub', peerId)).toBe(true);
    expect([...network.node('hub').pruning.watched]).toEqual([]);
  });

  test('comes back when it returns after it was taken out', async ({ createNetwork }) => {
    const network = await meet(createNetwork);
    const peerId = network.node('a').peerId.toString();
    network.crash('a');
    await network.runFor(graceMs + dialMs + 1_000);
    expect(lists(network, 'hub', peerId)).toBe(false);
    await network.restart('a');
    await network.run(async () => network.node('a').dial(network.node('hub').getMultiaddrs()));
    await network.runUntil(() => lists(network, 'hub', peerId));
  });

  test('stays as long as it is this node that is cut off', async ({ createNetwork }) => {
    const network = await meet(createNetwork);
    const others = ['hub', 'b', 'c'].map((name) => network.node(name).peerId.toString());
    const before = listed(network.node('a')).toSorted();
    expect(before).toContain(others[0]);
    network.partition(['a'], ['hub', 'b', 'c']);
    await network.runFor(300_000);
    expect(network.node('a').getPeers()).toEqual([]);
    expect(listed(network.node('a')).toSorted()).toEqual(before);
    network.heal();
    // Whom it still lists it dials, and is back without a bootstrap peer.
    await network.runUntil(() => network.node('a').getPeers().length > 0, { timeoutMs: 120_000 });
  });

  test('is not dialled any more after a stop', async ({ createNetwork }) => {
    const network = await meet(createNetwork);
    const peerId = network.node('a').peerId.toString();
    const hub = network.node('hub');
    network.crash('a');
    await network.runFor(1_000);
    expect(hub.pruning.watched.get(peerId)).toBe('waiting');
    hub.pruning.stop();
    await network.runFor(120_000);
    expect([hub.dials, lists(network, 'hub', peerId)]).toEqual([[], true]);
  });
});
