import { identify } from '@libp2p/identify';
import type { PeerDiscovery } from '@libp2p/interface';
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht';
import { ping } from '@libp2p/ping';
import { toMultiaddr, toPeerId } from '@lloom/core';
import { Identity } from '@lloom/identity';
import type { SimHost, TestNetwork } from '@lloom/simkit';
import { test } from '@lloom/simkit/vitest';
import { createLibp2p } from 'libp2p';
import { describe, expect } from 'vitest';
import type { Dialer, DiscoveryConfig, DiscoveryPorts } from '../src/index.ts';
import { createSimNode, findAll, identityOf, offer, peerIdOf, serviceOf } from './simNodes.ts';

/** A local network: fast, and now and then something is lost. */
const link = { delayMs: 1, lossRatio: 0.01 };

/** A node that knows nobody, and listens to the local network. */
const create =
  (config: DiscoveryConfig & DiscoveryPorts = {}) =>
  (host: SimHost) =>
    createSimNode(host, { localDiscovery: host.localDiscovery, ...config });

/** A node of another network that announces itself here. */
const createForeign = (host: SimHost) =>
  createLibp2p({
    privateKey: identityOf(host).libp2pKey,
    addresses: { listen: [host.address] },
    ...host.stack,
    peerDiscovery: [host.localDiscovery],
    services: {
      identify: identify(),
      ping: ping(),
      dht: kadDHT({ protocol: '/other/kad/1.0.0', clientMode: false, peerInfoMapper: passthroughMapper }),
    },
  });

type Network = TestNetwork<Awaited<ReturnType<typeof createSimNode>>>;

const localPeersOf = (network: Network, name: string): readonly string[] =>
  serviceOf(network, name).snapshot().localPeers;

/** What a node tells of its local network from now on. */
function listen(network: Network, name: string): string[] {
  const told: string[] = [];
  const service = serviceOf(network, name);
  for (const type of ['peer:discovered', 'peer:expired'] as const)
    service.addEventListener(type, ({ detail }) => told.push(`${type} ${detail.peerId}`));
  return told;
}

describe('peers on the local network', () => {
  test('are found and asked, without a bootstrap peer', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes: ['a', 'b', 'c'], link, createNode: create() });
    await network.run(serviceOf(network, 'a').advertiseService(offer));
    await network.runUntil(() => ['a', 'b', 'c'].every((name) => localPeersOf(network, name).length === 2));
    expect(network.clock.elapsed()).toBeLessThan(25_000);
    await network.runFor(5_000);
    expect(await findAll(network, 'c')).toEqual(['a']);
  });

  test('expire when they die without a word, and are found again', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes: ['a', 'b'], link, createNode: create() });
    const b = peerIdOf(network, 'b');
    await network.runUntil(() => localPeersOf(network, 'a').length === 1);
    const told = listen(network, 'a');
    network.crash('b', { isSilent: true });
    const diedAtMs = network.clock.elapsed();
    await network.runUntil(() => told.length > 0, { timeoutMs: 200_000 });
    expect(told).toEqual([`peer:expired ${b}`]);
    expect(localPeersOf(network, 'a')).toEqual([]);
    // It was sighted every 10 s, and counts for two minutes after the last time.
    const silentMs = network.clock.elapsed() - diedAtMs;
    expect(silentMs > 90_000 && silentMs <= 120_100).toBe(true);

    await network.restart('b');
    await network.runUntil(() => told.length > 1);
    expect(told).toEqual([`peer:expired ${b}`, `peer:discovered ${b}`]);
  });

  test('are found once, however long they stay', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes: ['a', 'b'], link, createNode: create() });
    await network.runUntil(() => localPeersOf(network, 'a').length === 1);
    const told = listen(network, 'a');
    await network.runFor(600_000);
    expect([told, localPeersOf(network, 'a')]).toEqual([[], [peerIdOf(network, 'b')]]);
  });

  test('are dialled again when the connection is lost', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes: ['a', 'b'], link, createNode: create() });
    await network.runUntil(() => localPeersOf(network, 'a').length === 1);
    network.partition(['a'], ['b']);
    await network.runFor(80_000);
    expect(network.node('a').getPeers()).toEqual([]);
    network.heal();
    await network.runUntil(() => network.node('a').getPeers().length === 1, { timeoutMs: 45_000 });
  });

  test('do not count when they belong to another network', async ({ createNetwork }) => {
    const names = ['a', 'x'];
    const isForeign = ({ name }: SimHost): boolean => name === 'x';
    const createNode = async (host: SimHost) =>
      isForeign(host)
        ? ((await createForeign(host)) as unknown as Awaited<ReturnType<typeof createSimNode>>)
        : create()(host);
    const network = await createNetwork({ nodes: names, link, createNode });
    const told = listen(network, 'a');
    await network.runUntil(() => network.node('a').getPeers().length === 1);
    await network.runFor(120_000);
    expect([told, localPeersOf(network, 'a')]).toEqual([[], []]);
  });

  test('cost a bounded amount while somebody announces any number, and are found afterwards', async ({
    createNetwork,
  }) => {
    const dials: number[] = [];
    let [open, most] = [0, 0];
    let module: PeerDiscovery | undefined;
    const createNode = (host: SimHost) => {
      if (host.name !== 'a') return create()(host);
      // Nobody answers, for as long as it is waited for; whoever is not announced by the flood is dialled as ever.
      const dialer: Dialer = {
        dial: async (peerId, addresses, { signal }) => {
          if (addresses.some((address) => !address.startsWith('/ip4/10.99.')))
            return void (await node.dial(addresses.map((address) => toMultiaddr(address))));
          dials.push(host.clock.elapsed());
          most = Math.max(most, ++open);
          const { promise, reject } = Promise.withResolvers<never>();
          signal.addEventListener('abort', () => reject(new Error(`${peerId} is silent`)));
          return promise.finally(() => open--);
        },
      };
      const localDiscovery: DiscoveryPorts['localDiscovery'] = (components) =>
        (module = host.localDiscovery(components));
      const creating = create({ dialer, localDiscovery, dialTimeoutMs: 1_000 })(host);
      let node: Awaited<typeof creating>;
      return creating.then((created) => (node = created));
    };
    const network = await createNetwork({ nodes: ['a', 'b'], link, createNode });
    network.crash('b');
    const invented = Array.from({ length: 500 }, (_, index) => {
      const { peerId } = Identity.fromPrivateKey(`0x${(index + 1).toString(16).padStart(64, '0')}`);
      return { id: toPeerId(peerId), multiaddrs: [toMultiaddr(`/ip4/10.99.0.1/tcp/${index + 1}`)] };
    });
    for (let seconds = 0; seconds < 60; seconds++) {
      for (const detail of invented) module?.dispatchEvent(new CustomEvent('peer', { detail }));
      await network.runFor(1_000);
    }
    // Four a second, because each takes a second, and four that have just begun.
    expect([dials.length, most]).toEqual([244, 4]);

    await network.restart('b');
    await network.runUntil(() => localPeersOf(network, 'a').length === 1, { timeoutMs: 60_000 });
    expect(localPeersOf(network, 'a')).toEqual([peerIdOf(network, 'b')]);
  });
});
