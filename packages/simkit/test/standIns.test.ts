import { describe, expect } from 'vitest';
import { createLibp2p } from 'libp2p';
import type { Libp2p, PeerId } from '@libp2p/interface';
import type { SimHost, StandIns, TestNetwork } from '../src/index.ts';
import { test } from '../src/vitest.ts';
import { failure } from './nodes.ts';

type Node = Libp2p<{ identify: ReturnType<StandIns['identify']>; dht: ReturnType<StandIns['dht']> }>;

const createNode = ({ privateKey, address, stack, standIns }: SimHost): Promise<Node> =>
  createLibp2p({
    privateKey,
    addresses: { listen: [address] },
    ...stack,
    connectionMonitor: { enabled: false },
    services: { identify: standIns.identify, dht: standIns.dht },
  });

const config = { nodes: ['a', 'b', 'c', 'd'], link: { delayMs: 50 }, createNode };

/** Connects each node with the next one. */
async function connectAll(network: TestNetwork<Node>): Promise<void> {
  const nodes = [...network.nodes.values()];
  for (const [index, node] of nodes.slice(1).entries())
    await network.run(() => node.dial(nodes[index]!.getMultiaddrs()));
}

type Cid = ReturnType<PeerId['toCID']>;

/** Who provides something, as a node learns it. */
const found = async (network: TestNetwork<Node>, name: string, cid: Cid): Promise<string[]> =>
  network.run(async () => {
    const peers: string[] = [];
    for await (const { id } of network.node(name).contentRouting.findProviders(cid))
      peers.push(id.toString());
    return peers;
  });

const id = (network: TestNetwork<Node>, name: string): PeerId => network.node(name).peerId;
const text = (network: TestNetwork<Node>, name: string): string => id(network, name).toString();

describe('in place of identify', () => {
  test('both ends know addresses, protocols and version when the dial ends, and are told so', async ({
    createNetwork,
  }) => {
    const network = await createNetwork(config);
    const [a, b] = [network.node('a'), network.node('b')];
    await network.run(() => b.handle('/test/1.0.0', (stream) => void stream.close()));
    const told: string[] = [];
    for (const node of [a, b])
      node.addEventListener('peer:identify', ({ detail }) => {
        told.push(`${node.peerId.toString()} ${detail.peerId.toString()}`);
        expect(detail).toMatchObject({
          agentVersion: expect.stringContaining('js-libp2p'),
          protocolVersion: 'ipfs/0.1.0',
        });
      });
    await network.run(() => a.dial(b.getMultiaddrs()));
    await network.runFor(100);
    expect(told.toSorted()).toEqual(
      [
        `${a.peerId.toString()} ${b.peerId.toString()}`,
        `${b.peerId.toString()} ${a.peerId.toString()}`,
      ].toSorted(),
    );
    const known = await network.run(() => a.peerStore.get(b.peerId));
    expect(known.protocols).toContain('/test/1.0.0');
    expect(known.addresses.map(({ multiaddr }) => multiaddr.toString())).toEqual(['/ip4/10.0.0.2/tcp/4001']);
    expect(new TextDecoder().decode(known.metadata.get('AgentVersion'))).toContain('js-libp2p');
  });

  test('a change reaches connected peers, and nobody else', async ({ createNetwork }) => {
    const network = await createNetwork(config);
    const [a, b] = [network.node('a'), network.node('b')];
    await network.run(() => a.dial(b.getMultiaddrs()));
    await network.runFor(5_000);
    let updates = 0;
    a.addEventListener('peer:update', () => (updates += 1));
    await network.run(() => b.handle('/test/2.0.0', (stream) => void stream.close()));
    await network.runFor(5_000);
    expect((await network.run(() => a.peerStore.get(b.peerId))).protocols).toContain('/test/2.0.0');
    expect(updates).toBe(1);
    expect(await network.run(() => network.node('c').peerStore.has(b.peerId))).toBe(false);
  });

  test('topologies hear of peers that speak their protocol', async ({ createNetwork }) => {
    const network = await createNetwork(config);
    const [a, b] = [network.node('a'), network.node('b')];
    await network.run(() => b.handle('/test/1.0.0', (stream) => void stream.close()));
    const connected: string[] = [];
    await network.run(() =>
      a.register('/test/1.0.0', { onConnect: (peer) => void connected.push(peer.toString()) }),
    );
    await network.run(() => a.dial(b.getMultiaddrs()));
    expect(connected).toEqual([b.peerId.toString()]);
  });

  test('who has crashed tells nothing, and is known again after a restart', async ({ createNetwork }) => {
    const network = await createNetwork(config);
    const [a, b] = [network.node('a'), network.node('b')];
    const connection = await network.run(() => a.dial(b.getMultiaddrs()));
    network.crash('b', { isSilent: true });
    const { message } = await network.run(() => failure(a.services.identify.identify(connection)));
    expect(message).toContain('does not say who it is');
    const again = await network.restart('b');
    await network.run(() => again.dial(a.getMultiaddrs()));
    expect((await network.run(() => again.peerStore.get(a.peerId))).protocols).toContain('/ipfs/kad/1.0.0');
  });
});

describe('in place of a DHT', () => {
  test('what one node provides all others find, after a round trip', async ({ createNetwork }) => {
    const network = await createNetwork(config);
    await connectAll(network);
    const cid = id(network, 'c').toCID();
    await network.run(() => network.node('a').contentRouting.provide(cid));
    const startMs = network.clock.elapsed();
    expect(await found(network, 'd', cid)).toEqual([text(network, 'a')]);
    expect(network.clock.elapsed() - startMs).toBeCloseTo(100);
    await network.run(() => network.node('a').contentRouting.cancelReprovide(cid));
    expect(await found(network, 'd', cid)).toEqual([]);
  });

  test('a node without connections finds nobody', async ({ createNetwork }) => {
    const network = await createNetwork(config);
    const [a, b] = [network.node('a'), network.node('b')];
    await network.run(() => a.dial(b.getMultiaddrs()));
    const cid = id(network, 'c').toCID();
    await network.run(() => a.contentRouting.provide(cid));
    expect(await found(network, 'c', cid)).toEqual([]);
    expect([network.node('c').services.dht.routingTable.size, a.services.dht.routingTable.size]).toEqual([
      0, 3,
    ]);
  });

  test('a peer and those nearest to a key are found with their addresses', async ({ createNetwork }) => {
    const network = await createNetwork(config);
    await connectAll(network);
    const { multiaddrs } = await network.run(() => network.node('a').peerRouting.findPeer(id(network, 'd')));
    expect(multiaddrs.map(String)).toEqual([`/ip4/10.0.0.4/tcp/4001/p2p/${text(network, 'd')}`]);
    const near: string[] = [];
    await network.run(async () => {
      for await (const peer of network.node('a').peerRouting.getClosestPeers(new Uint8Array(32)))
        near.push(peer.id.toString());
    });
    expect(near.toSorted()).toEqual(['b', 'c', 'd'].map((name) => text(network, name)).toSorted());
  });

  test('a dead provider stays for a day, and is not asked', async ({ createNetwork }) => {
    const network = await createNetwork(config);
    await connectAll(network);
    const cid = id(network, 'c').toCID();
    const a = id(network, 'a');
    await network.run(() => network.node('a').contentRouting.provide(cid));
    network.crash('a');
    expect(await found(network, 'd', cid)).toEqual([a.toString()]);
    expect(network.node('d').services.dht.routingTable.size).toBe(2);
    await network.runFor(86_400_000);
    expect(await found(network, 'd', cid)).toEqual([]);
  });

  test('each side of a partition finds what was there before, and what its own nodes put since', async ({
    createNetwork,
  }) => {
    const network = await createNetwork(config);
    await connectAll(network);
    const [old, young] = [id(network, 'c').toCID(), id(network, 'd').toCID()];
    await network.run(() => network.node('a').contentRouting.provide(old));
    const heal = network.partition(['a', 'b'], ['c', 'd']);
    await network.run(() => network.node('a').contentRouting.provide(young));
    expect(await found(network, 'd', old)).toHaveLength(1);
    expect(await found(network, 'd', young)).toEqual([]);
    expect(await found(network, 'b', young)).toHaveLength(1);
    heal();
    expect(await found(network, 'd', young)).toHaveLength(1);
  });

  test('who reaches nobody gets no answer, and is told so', async ({ createNetwork }) => {
    const network = await createNetwork(config);
    await connectAll(network);
    network.partition(['d'], ['a', 'b', 'c']);
    const events: string[] = [];
    const cid = id(network, 'c').toCID();
    const startMs = network.clock.elapsed();
    await network.run(async () => {
      for await (const { name } of network.node('d').services.dht.findProviders(cid)) events.push(name);
    });
    expect([events, network.clock.elapsed() - startMs]).toEqual([['QUERY_ERROR'], 5_000]);
  });

  test('values are found until another one takes their place; a client takes none', async ({
    createNetwork,
  }) => {
    const network = await createNetwork(config);
    await connectAll(network);
    const [key, value] = [new Uint8Array([1]), new Uint8Array([2])];
    await network.run(() => network.node('b').services.dht.setMode('client'));
    expect(network.node('a').services.dht.routingTable.size).toBe(2);
    await network.run(() => network.node('a').contentRouting.put(key, new Uint8Array([3])));
    await network.run(() => network.node('b').contentRouting.put(key, value));
    expect(await network.run(() => network.node('d').contentRouting.get(key))).toEqual(value);
    const { errors } = (await network.run(() =>
      failure(network.node('d').contentRouting.get(value)),
    )) as AggregateError;
    expect(errors).toMatchObject([{ name: 'NotFoundError' }]);
  });
});
