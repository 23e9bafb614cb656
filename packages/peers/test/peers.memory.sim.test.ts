import { KEEP_ALIVE } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import type { SimHost, TestNetwork } from '@lloom/simkit';
import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';

import { addressOf, createSimNode, errorOf, idOf, watch, type SimNode } from './simNodes.ts';

const dial = (from: SimNode, to: SimNode) => from.services.peers.dialPeer(idOf(to), [addressOf(to)]);
const createNode = (host: SimHost): Promise<SimNode> => createSimNode(host);
const link = { delayMs: 50 };
const names = ['a', 'b', 'c'];
const nodesOf = (network: TestNetwork<SimNode>) =>
  names.map((name) => network.node(name)) as [SimNode, SimNode, SimNode];

describe('what is told of connections', () => {
  /** A number from 0 up to `below` that follows from the seed and the step. */
  const draw = (seed: number, step: number, below: number): number =>
    Math.floor(Math.abs(Math.sin(seed * 7_919 + step * 104_729)) * 1e6) % below;

  const pairs = [
    ['a', 'b'],
    ['b', 'c'],
    ['c', 'a'],
    ['b', 'a'],
    ['c', 'b'],
    ['a', 'c'],
  ] as const;

  /** Dials, hang-ups, cuts, crashes and restarts in an order that follows from the seed. */
  async function stir(network: TestNetwork<SimNode>): Promise<string> {
    const { seed } = network;
    const watched = new Map([...network.nodes].map(([name, node]) => [name, watch(node)]));
    const isUp = (name: string): boolean => network.nodes.has(name);
    const addresses = new Map(
      [...network.nodes].map(([name, node]) => [name, [idOf(node), addressOf(node)]]),
    );
    const check = (step: number): void => {
      for (const [name, { services }] of network.nodes) {
        const all = services.peers.connectedPeers().flatMap((id) => services.peers.peerInfo(id)!.connections);
        // Whatever is being closed was told to be open, and not yet to be closed.
        const { open } = watched.get(name)!;
        expect(open, `seed ${seed}, step ${step}, ${name}`).toBeGreaterThanOrEqual(all.length);
      }
    };
    for (let step = 0; step < 40; step += 1) {
      const [from, to] = pairs[draw(seed, step, pairs.length)]!;
      const act = draw(seed, step + 1_000, 8);
      if (act < 4 && isUp(from)) {
        const [peerId, address] = addresses.get(to) as [string, string];
        void network
          .node(from)
          .services.peers.dialPeer(peerId, [address])
          .catch(() => undefined);
      } else if (act === 4 && isUp(from)) {
        void network.node(from).services.peers.disconnectPeer(addresses.get(to)![0]!);
      } else if (act === 5) {
        network.partition([from], [to]);
      } else if (act === 6) {
        network.heal();
      } else if (act === 7) {
        if (isUp(to)) network.crash(to, { isSilent: draw(seed, step + 2_000, 2) === 0 });
        else watched.set(to, watch(await network.restart(to)));
      }
      await network.runFor([10, 120, 3_000, 21_000][draw(seed, step + 3_000, 4)]!);
      check(step);
    }
    network.heal();
    for (const name of names) if (!isUp(name)) watched.set(name, watch(await network.restart(name)));
    await network.runFor(120_000);
    for (const [name, { services }] of network.nodes) {
      const all = services.peers.connectedPeers().flatMap((id) => services.peers.peerInfo(id)!.connections);
      expect(watched.get(name)!.open, `seed ${seed}, ${name} at the end`).toBe(all.length);
    }
    // Everybody sees the same: who is connected is connected on both sides.
    for (const [one, other] of pairs) {
      const [a, b] = [network.node(one), network.node(other)];
      const both = [a.services.peers.isConnected(idOf(b)), b.services.peers.isConnected(idOf(a))];
      expect(new Set(both).size, `seed ${seed}, ${one} and ${other}`).toBe(1);
    }
    return network.trace.hash();
  }

  test('adds up on every node, whatever happens to the network', async ({ createNetwork }) => {
    for (let seed = 1; seed <= 12; seed += 1) {
      const network = await createNetwork({
        nodes: names,
        link: { delayMs: 50, lossRatio: 0.02 },
        seed,
        createNode,
      });
      await stir(network);
      await network.stop();
    }
  });

  test('adds up with real handshakes, and is the same every time', async ({ createNetwork }) => {
    const hashes: string[] = [];
    for (const seed of [1, 2, 1]) {
      const network = await createNetwork({
        nodes: names,
        link: { delayMs: 50, lossRatio: 0.02 },
        seed,
        fidelity: 'full',
        createNode,
      });
      hashes.push(await stir(network));
      await network.stop();
    }
    expect(hashes[2]).toBe(hashes[0]);
    expect(hashes[1]).not.toBe(hashes[0]);
  });
});

describe('disconnectPeer()', () => {
  test('lasts, although libp2p would dial the peer again and again', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes: names, link, createNode });
    const [a, b] = nodesOf(network);
    await network.run(() => dial(a, b));
    await network.run(a.peerStore.merge(b.peerId, { tags: { [`${KEEP_ALIVE}-test`]: { value: 50 } } }));
    const watched = watch(b);

    // libp2p alone: whoever was lost is back at once.
    for (const connection of a.getConnections()) connection.abort(new Error('lost'));
    await network.runFor(5_000);
    expect([watched.open, watched.closed.length]).toEqual([1, 1]);

    await network.run(a.services.peers.disconnectPeer(idOf(b)));
    const { tags } = await network.run(async () => a.peerStore.get(b.peerId));
    expect([...tags.keys()].filter((tag) => tag.startsWith(KEEP_ALIVE))).toEqual([]);
    // Whoever dials in this node, also after tagging the peer again, is refused.
    await network.run(a.peerStore.merge(b.peerId, { tags: { [`${KEEP_ALIVE}-again`]: { value: 1 } } }));
    await expect(network.run(async () => a.dial(multiaddr(addressOf(b))))).rejects.toMatchObject({
      name: 'DialDeniedError',
    });
    await network.runFor(3_600_000);
    expect([watched.open, watched.closed.length]).toEqual([0, 2]);
  });
});

describe('what a node remembers', () => {
  test('is an added address for good, when libp2p alone has forgotten it', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes: names, link, createNode });
    const [a, b, other] = nodesOf(network);
    await network.run(a.services.peers.addPeerAddr(idOf(b), addressOf(b)));
    await network.run(other.peerStore.merge(b.peerId, { multiaddrs: [multiaddr(addressOf(b))] }));
    await network.runFor(2 * 3_600_000);
    await expect(network.run(async () => other.dial(b.peerId))).rejects.toMatchObject({
      name: 'NoValidAddressesError',
    });
    expect(a.services.peers.peerInfo(idOf(b))?.addresses).toHaveLength(1);
    // Not this package's dial, but that of any other part of the node.
    await network.run(async () => a.dial(b.peerId));
    expect(a.services.peers.isConnected(idOf(b))).toBe(true);
  });

  test('is whom it knew before it was restarted, and where', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes: names, link, createNode });
    const [a, b] = nodesOf(network);
    const [peerId, address] = [idOf(b), addressOf(b).replace(/\/p2p\/.*/, '')];
    await network.run(() => dial(a, b));
    await network.runFor(1_000);
    network.crash('a');
    const again = await network.restart('a');
    await network.runFor(1_000);
    expect(again.services.peers.peerInfo(peerId)?.addresses).toEqual([address]);
    await network.run(() => again.services.peers.dialPeer(peerId));
    network.crash('a');
    const empty = await network.restart('a', { datastore: 'empty' });
    await network.runFor(1_000);
    expect(empty.services.peers.peerInfo(peerId)).toBeUndefined();
  });
});

describe('a lowered limit of handshakes', () => {
  const crowd = ['d1', 'd2', 'd3', 'd4', 'd5'];

  test('leaves alone those that are under way, and holds for the next', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes: ['a', ...crowd], link, fidelity: 'full', createNode });
    const a = network.node('a');
    const dials = crowd.slice(0, 3).map((name) => dial(network.node(name), a));
    // Their connections are there, and nothing more for a while.
    await network.runFor(75);
    for (const name of crowd.slice(0, 3)) network.hold('a', name);
    a.services.peers.setConnectionLimits({ maxPendingConnections: 2 });
    const refused = await network.run(errorOf(dial(network.node('d4'), a)));
    expect(refused).toMatchObject({ code: 'DIAL_FAILED', data: { attempts: [{ reason: 'closed' }] } });
    for (const name of crowd.slice(0, 3)) network.release('a', name);
    await network.run(Promise.all(dials));
    await network.runFor(1_000);
    await network.run(() => dial(network.node('d5'), a));
    await network.runFor(1_000);
    expect(a.services.peers.connectedPeers()).toHaveLength(4);
  });
});
