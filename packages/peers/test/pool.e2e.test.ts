import type { Libp2p } from '@libp2p/interface';
import { afterEach, describe, expect, it } from 'vitest';

import type { PeersConfig, PeersPorts, RoleSource } from '../src/index.ts';
import { FakeClock, turn } from './fakes.ts';
import {
  addressOf,
  areConnected,
  cleanUp,
  connectionsOf,
  connectTwo,
  createNode,
  dial,
  echo,
  echoProtocol,
  ended,
  fastClock,
  idOf,
  nextEvent,
  say,
  until,
  type Node,
} from './nodes.ts';

afterEach(cleanUp);

/** Its second is a tenth of one; what limits the network's own time is as long as before. */
const fast = (): PeersConfig & PeersPorts => ({
  clock: fastClock(10),
  dialTimeoutMs: 100_000,
  pingIntervalMs: 0,
});
const forever = 3_600_000;
const dayMs = 86_400_000;

const createNodes = (count: number): Promise<Node[]> =>
  Promise.all(Array.from({ length: count }, () => createNode()));

/** Resolves when so many of the nodes are connected. */
const connected = (nodes: readonly Node[], count: number): Promise<void> =>
  until(
    nodes,
    () => nodes.filter(({ services }) => services.peers.connectedPeers().length > 0).length === count,
  );

describe('setConnectionPool()', () => {
  it('fills up to the minimum, replaces who leaves, and ends when it is taken back', async () => {
    const [a, others] = [await createNode(fast()), await createNodes(3)];
    const { peers } = a.services;
    for (const other of others) await peers.addPeerAddr(other.peerId, addressOf(other));
    peers.setConnectionPool({ minConnections: 2, idleTimeoutMs: forever });
    await connected(others, 2);
    await until([a], () => peers.connectedPeers().length === 2);

    const [leaving] = others.filter(({ services }) => services.peers.isConnected(a.peerId));
    const replacement = others.find(({ services }) => !services.peers.isConnected(a.peerId));
    await leaving!.stop();
    await until([replacement!], () => replacement!.services.peers.isConnected(a.peerId));

    peers.setConnectionPool(undefined);
    expect(peers.connectionPool).toBeUndefined();
    expect(peers.explainPeer(replacement!.peerId).protectedBy).toEqual([]);
    expect(peers.isConnected(replacement!.peerId)).toBe(true);
  });

  it('closes what is beyond the maximum, the least valuable first', async () => {
    const [a, others] = [await createNode(fast()), await createNodes(3)];
    const { peers } = a.services;
    for (const other of others) await dial(other, a);
    await until([a], () => peers.connectedPeers().length === 3);
    const [best] = others;
    peers.reportPeer(idOf(best!), 'SERVED');
    const closed = nextEvent(peers, 'connection:closed');
    peers.setConnectionPool({ minConnections: 0, maxConnections: 1 });
    expect((await closed).cause).toMatchObject({ code: 'LIMIT' });
    await connected(others, 1);
    expect(best!.services.peers.isConnected(a.peerId)).toBe(true);
  });

  it('closes what nobody uses, on the node that has a pool and not on the one whose pool has ended', async () => {
    const [a, b] = await connectTwo(fast());
    const withoutPool = await createNode(fast());
    await dial(withoutPool, b);
    await until([b], () => areConnected(withoutPool, b));
    const idle = { minConnections: 0, idleTimeoutMs: 1_000 };
    for (const { services } of [withoutPool, a]) services.peers.setConnectionPool(idle);
    withoutPool.services.peers.setConnectionPool(undefined);
    const [closed, seen] = [
      nextEvent(a.services.peers, 'connection:closed'),
      nextEvent(b.services.peers, 'connection:closed'),
    ];
    expect((await closed).cause).toMatchObject({ code: 'IDLE' });
    expect(await seen).not.toHaveProperty('cause');
    expect(areConnected(withoutPool, b)).toBe(true);
  });

  it.each([
    ['at an address that only the user may name', { addressPolicy: 'public' }],
    ['when one connection to each peer is allowed', { maxConnectionsPerPeer: 1 }],
  ] as const)('replaces what is old before it closes it, %s', async (_, config) => {
    const clock = new FakeClock();
    const [a, b] = await connectTwo({ clock, pingIntervalMs: 0, ...config });
    await b.handle(echoProtocol, echo);
    const [old] = a.getConnections(b.peerId);
    const stream = await old!.newStream(echoProtocol);
    expect(await say(stream, 'before')).toBe('before');
    const gaps: string[] = [];
    for (const node of [a, b]) {
      node.services.peers.addEventListener('connection:closed', () => {
        if (node.services.peers.connectedPeers().length === 0) gaps.push(idOf(node));
      });
    }
    a.services.peers.setConnectionPool({
      minConnections: 0,
      connectionTtlMs: 10 * dayMs,
      idleTimeoutMs: 30 * dayMs,
    });
    await turn();
    clock.increment(10 * dayMs);
    await until([a, b], () => connectionsOf(a, b).length === 2 && connectionsOf(b, a).length === 2);
    expect(await say(stream, 'meanwhile')).toBe('meanwhile');
    for (let seconds = 0; seconds < 5; seconds += 1) {
      clock.increment(1_000);
      await turn();
    }
    expect(old!.status).toBe('open');

    const causes: unknown[] = [];
    a.services.peers.addEventListener('connection:closed', ({ detail }) => causes.push(detail.cause));
    await Promise.all([stream.close(), ended(stream)]);
    while (causes.length === 0) {
      clock.increment(1_000);
      await turn();
    }
    expect(causes).toMatchObject([{ code: 'EXPIRED' }]);
    await until([a, b], () => connectionsOf(a, b).length === 1 && connectionsOf(b, a).length === 1);
    expect(old!.status).not.toBe('open');
    expect(gaps).toEqual([]);
  });

  it('leaves the old one when the peer lets no second one in', async () => {
    const clock = new FakeClock();
    const one = { maxConnectionsPerPeer: 1 };
    const [a, b] = await connectTwo({ clock, pingIntervalMs: 0, ...one }, one);
    const { peers } = a.services;
    await peers.maintainConnection(b.peerId);
    const [old] = a.getConnections(b.peerId);
    const refused = nextEvent(peers, 'connection:closed');
    peers.setConnectionPool({ minConnections: 0, idleTimeoutMs: 30 * dayMs, connectionTtlMs: 10 * dayMs });
    await turn();
    clock.increment(10 * dayMs);
    await until([a], () => connectionsOf(a, b).length === 2);
    // It looks at both before it learns that the second one is refused.
    clock.increment(1_000);
    await turn();
    await refused;
    clock.increment(5_000);
    await turn();
    expect(old!.status).toBe('open');
    expect([connectionsOf(a, b).length, connectionsOf(b, a).length]).toEqual([1, 1]);
  });

  it('keeps peers of a role, which it finds by the port, and closes others for them', async () => {
    const executors = await createNodes(2);
    const stranger = await createNode();
    const ids = new Set(executors.map(idOf));
    const roles: RoleSource = {
      rolesOf: (peerId) => (ids.has(peerId) ? ['executor'] : []),
      async *find(role) {
        for (const node of role === 'executor' ? executors : []) yield candidateOf(node);
      },
    };
    const a = await createNode({ ...fast(), roles });
    const { peers } = a.services;
    await dial(stranger, a);
    await until([a], () => areConnected(a, stranger));
    const closed = nextEvent(stranger.services.peers, 'connection:closed');
    peers.setConnectionPool({ minConnections: 0, maxConnections: 2, roles: { executor: 2 } });
    await connected(executors, 2);
    expect((await closed).peerId).toBe(idOf(a));
    await until([a], () => peers.connectedPeers().length === 2);
    expect(peers.explainPeer(executors[0]!.peerId).protectedBy).toEqual(['role']);
    peers.setConnectionPool(undefined);
    expect(peers.explainPeer(executors[0]!.peerId).protectedBy).toEqual([]);
  });
});

const candidateOf = (node: Libp2p) => ({ peerId: idOf(node), addresses: [addressOf(node)] });
