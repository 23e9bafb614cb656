import type { SimHost, TestNetwork } from '@lloom/simkit';
import { test, type NetworkFixture } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';

import {
  addressOf,
  areConnected,
  createSimNode,
  dial,
  failure,
  idOf,
  watch,
  type SimNode,
  type Watched,
} from './simNodes.ts';

const seeds = [1, 2, 3, 4, 5];
const names = ['a', 'b'];

describe('dialPeer() over a network that does not deliver', () => {
  const link = { delayMs: 50 };
  const createNode = (host: SimHost): Promise<SimNode> => createSimNode(host);

  test('gives up on one address after 6 s, and says that nobody answered', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes: names, link, createNode });
    const [a, b] = [network.node('a'), network.node('b')];
    network.partition(['a'], ['b']);
    const { error, tookMs } = await failure(network, () => dial(a, b));
    expect(tookMs).toBe(6_000);
    expect(error).toMatchObject({
      code: 'DIAL_TIMEOUT',
      retryable: true,
      data: { attempts: [{ address: addressOf(b), reason: 'timeout' }] },
    });
    expect(a.services.peers.connectedPeers()).toEqual([]);
    network.heal();
    await network.run(() => dial(a, b));
  });

  test('gives up on all addresses together after dialTimeoutMs', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes: names, link, createNode });
    const [a, b] = [network.node('a'), network.node('b')];
    network.partition(['a'], ['b']);
    const nowhere = [77, 78].map((number) => `/ip4/10.0.0.${number}/tcp/4001`);
    const { error, tookMs } = await failure(network, () =>
      a.services.peers.dialPeer(idOf(b), [...nowhere, addressOf(b)]),
    );
    expect([tookMs, error.code, error.data]).toEqual([
      10_000,
      'DIAL_TIMEOUT',
      { peerId: idOf(b), limitMs: 10_000, attempts: [] },
    ]);
  });

  test('goes on to the address that works when another one is silent', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes: names, link, createNode });
    const [a, b] = [network.node('a'), network.node('b')];
    await network.run(a.services.peers.dialPeer(idOf(b), ['/ip4/10.0.0.77/tcp/4001', addressOf(b)]));
    // One address in vain, then a round trip.
    expect(network.clock.elapsed()).toBe(6_100);
  });

  test('succeeds when the partition ends in time, with the retry of TCP', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes: names, link, createNode });
    const [a, b] = [network.node('a'), network.node('b')];
    network.partition(['a'], ['b']);
    network.at(2_500, () => network.heal());
    await network.run(() => dial(a, b));
    // Tried at 0, 1 and 3 s.
    expect(network.clock.elapsed()).toBe(3_100);
    await network.runFor(100);
    expect(areConnected(a, b)).toBe(true);
  });

  test('says after one round trip that nobody listens where a process has died', async ({
    createNetwork,
  }) => {
    const network = await createNetwork({ nodes: names, link, createNode });
    const [a, b] = [network.node('a'), network.node('b')];
    const address = addressOf(b);
    network.crash('b');
    const { error, tookMs } = await failure(network, () => a.services.peers.dialPeer(idOf(b), [address]));
    expect([tookMs, error.code, error.data]).toMatchObject([
      100,
      'DIAL_FAILED',
      { attempts: [{ reason: 'nobodyListens' }] },
    ]);
  });

  test('ends once, and leaves nothing, when only its own words get through', async ({ createNetwork }) => {
    for (const fidelity of ['fast', 'full'] as const) {
      const network = await createNetwork({
        nodes: names,
        link,
        fidelity,
        createNode: (host) => createSimNode(host, { maxPendingConnections: 1 }),
      });
      const [a, b] = [network.node('a'), network.node('b')];
      network.partitionOneWay(['b'], ['a']);
      const { error, tookMs } = await failure(network, () => dial(a, b));
      expect([fidelity, tookMs, error.code]).toEqual([fidelity, 6_000, 'DIAL_TIMEOUT']);
      network.heal();
      // The other side has dropped the handshake: it would have no room for another one.
      await network.runFor(1_000);
      expect(b.services.peers.connectedPeers()).toEqual([]);
      await network.run(() => dial(a, b));
      await network.runFor(1_000);
      expect(b.services.peers.peerInfo(idOf(a))?.connections).toHaveLength(1);
      await network.stop();
    }
  });
});

describe('two nodes that dial each other', () => {
  test('keep the same single connection, whoever is faster', async ({ createNetwork }) => {
    const config = { maxConnectionsPerPeer: 1 };
    for (const fidelity of ['fast', 'full'] as const) {
      for (const seed of seeds) {
        const network = await createNetwork({
          nodes: names,
          link: { delayMs: 50, jitterMs: 40, lossRatio: 0.05 },
          seed,
          fidelity,
          createNode: (host) => createSimNode(host, config),
        });
        const [a, b] = [network.node('a'), network.node('b')];
        const watched = [watch(a), watch(b)];
        const headStartMs = seed * 30;
        const first = dial(a, b);
        await network.runFor(headStartMs);
        const what = `seed ${seed}, ${fidelity}`;
        await network.run(Promise.all([first, dial(b, a)]), { what });
        await network.runFor(10_000);
        const [one] = a.services.peers.peerInfo(idOf(b))!.connections;
        const [other, ...more] = b.services.peers.peerInfo(idOf(a))!.connections;
        const directions = [one?.direction, other?.direction].map(String).toSorted();
        const told = watched.map(({ open }) => open);
        expect({ what, more, directions, told }).toEqual({
          what,
          more: [],
          directions: ['inbound', 'outbound'],
          told: [1, 1],
        });
        await network.stop();
      }
    }
  });

  test('do the same thing in the same order every time', async ({ createNetwork }) => {
    const run = async (): Promise<string> => {
      const network = await createNetwork({
        nodes: ['a', 'b', 'c'],
        link: { delayMs: 50, jitterMs: 40, lossRatio: 0.05 },
        seed: 7,
        fidelity: 'full',
        createNode,
      });
      const [a, b, c] = ['a', 'b', 'c'].map((name) => network.node(name)) as [SimNode, SimNode, SimNode];
      for (const node of [a, b, c]) {
        for (const type of ['connection:established', 'connection:closed'] as const) {
          node.services.peers.addEventListener(type, ({ detail }) =>
            network.trace.note(`${idOf(node)} ${type} ${detail.peerId}`),
          );
        }
      }
      await network.run(Promise.all([dial(a, b), dial(b, c), dial(c, a), dial(b, a)]));
      network.crash('c', { isSilent: true });
      await network.runFor(60_000);
      await network.stop();
      return network.trace.hash();
    };
    const createNode = (host: SimHost): Promise<SimNode> => createSimNode(host);
    expect(await run()).toBe(await run());
  });
});

/** Connections are left to libp2p's own monitor, so that its times show. */
const libp2pPings = { pingIntervalMs: 0 };
const endpoint: unknown = expect.objectContaining({ relayed: false, transport: 'tcp' });

describe('a connection that is lost', () => {
  /** Two connected nodes, and what the first one is told. */
  async function connected(
    createNetwork: NetworkFixture['createNetwork'],
    options: Parameters<typeof createSimNode>[2] = {},
  ): Promise<{ network: TestNetwork<SimNode>; a: SimNode; b: SimNode; watched: Watched }> {
    const network = await createNetwork({
      nodes: names,
      link: { delayMs: 50 },
      createNode: (host) => createSimNode(host, libp2pPings, options),
    });
    const [a, b] = [network.node('a'), network.node('b')];
    const watched = watch(a);
    await network.run(() => dial(a, b));
    await network.runFor(4_900);
    return { network, a, b, watched };
  }

  test('is told within one delay when a process dies', async ({ createNetwork }) => {
    const { network, b, watched } = await connected(createNetwork);
    network.crash('b');
    await network.runFor(50);
    expect(watched.closed).toEqual([
      { peerId: idOf(b), endpoint, cause: expect.objectContaining({ code: 'RESET' }) },
    ]);
  });

  test('is told once, within 15 s, when a machine dies and libp2p pings it', async ({ createNetwork }) => {
    const { network, a, b, watched } = await connected(createNetwork);
    network.crash('b', { isSilent: true });
    await network.runUntil(() => !a.services.peers.isConnected(idOf(b)));
    // Pinged every 10 s, with 5 s for the answer.
    expect(network.clock.elapsed()).toBe(15_000);
    await network.runFor(3_600_000);
    expect(watched.closed).toEqual([
      { peerId: idOf(b), endpoint, cause: expect.objectContaining({ code: 'TIMEOUT' }) },
    ]);
    expect(a.services.peers.connectedPeers()).toEqual([]);
  });

  test('is told when TCP gives up, for those who do not trust pings', async ({ createNetwork }) => {
    const options = { connectionMonitor: { abortConnectionOnPingFailure: false } };
    const { network, a, b, watched } = await connected(createNetwork, options);
    network.crash('b', { isSilent: true });
    await network.runUntil(() => !a.services.peers.isConnected(idOf(b)));
    // The next ping is at 10 s, and the link breaks 20 s later.
    expect(network.clock.elapsed()).toBe(30_000);
    expect(watched.closed).toEqual([
      { peerId: idOf(b), endpoint, cause: expect.objectContaining({ code: 'TIMEOUT' }) },
    ]);
  });

  test('is replaced by a dial as soon as the machine is back', async ({ createNetwork }) => {
    const { network, a, b, watched } = await connected(createNetwork);
    network.crash('b', { isSilent: true });
    await network.runFor(1_000);
    const again = await network.restart('b');
    // The next ping meets a machine that knows nothing of the connection.
    await network.runUntil(() => !a.services.peers.isConnected(idOf(b)));
    expect(network.clock.elapsed()).toBe(10_100);
    await network.run(() => dial(a, again));
    expect([watched.open, watched.closed.length]).toEqual([1, 1]);
  });

  test('says that this node stops, on the side that stops', async ({ createNetwork }) => {
    const { network, a, b, watched } = await connected(createNetwork);
    const other = watch(b);
    await network.run(async () => b.stop());
    await network.runFor(100);
    expect(other.closed).toEqual([
      { peerId: idOf(a), endpoint, cause: expect.objectContaining({ code: 'STOPPED' }) },
    ]);
    expect(watched.closed).toEqual([{ peerId: idOf(b), endpoint }]);
  });
});
