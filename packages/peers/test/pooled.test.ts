import { multiaddr } from '@multiformats/multiaddr';
import { describe, expect, it } from 'vitest';

import { fakeNodes } from './fakeNode.ts';
import { candidateOf, larger, smaller, turn } from './fakes.ts';

const { createNode } = fakeNodes();
const relay = '/libp2p/circuit/relay/0.2.0/hop';

/** Lets the pool make its plans for a while. */
async function run({ clock }: Pick<ReturnType<typeof createNode>, 'clock'>, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 500) {
    clock.increment(500);
    await turn();
  }
}

describe('setConnectionPool()', () => {
  it('dials known peers until there are enough, and nobody of whom nothing is known', async () => {
    const node = createNode();
    const { network, peers } = node;
    await peers.addPeerAddr(larger, '/ip4/8.8.8.8/tcp/1');
    network.record({ peerId: smaller, addresses: [], protocols: [] });
    peers.setConnectionPool({ minConnections: 2 });
    await run(node, 1_000);
    expect(network.dials.map(({ peerId }) => peerId)).toEqual([larger]);
    network.open(larger);
    expect(peers.explainPeer(larger).protectedBy).toEqual(['minimum']);
  });

  it('dials nobody who is banned, or has to stay away', async () => {
    const node = createNode();
    const { network, peers } = node;
    for (const peerId of [larger, smaller]) {
      network.record({ peerId, addresses: ['/ip4/8.8.8.8/tcp/1'], protocols: [] });
    }
    await peers.banPeer(larger, 60_000);
    await peers.disconnectPeer(smaller);
    peers.setConnectionPool({ minConnections: 2 });
    await run(node, 1_000);
    expect(network.dials).toEqual([]);
  });

  it('closes what nobody uses, but nothing that is maintained', async () => {
    const node = createNode();
    const { network, peers, toldOf } = node;
    await peers.maintainConnection(larger);
    for (const peerId of [larger, smaller]) network.open(peerId);
    peers.setConnectionPool({ minConnections: 0, idleTimeoutMs: 5_000 });
    expect(peers.explainPeer(larger).protectedBy).toEqual(['maintained']);
    await run(node, 10_000);
    expect(peers.connectedPeers()).toEqual([larger]);
    expect(toldOf('connection:closed')).toMatchObject([{ peerId: smaller, cause: { code: 'IDLE' } }]);
  });

  it('replaces an old connection before it closes it', async () => {
    const node = createNode();
    const { network, peers, toldOf } = node;
    await peers.maintainConnection(larger);
    const old = network.open(larger, { openedAt: 0 });
    network.dials[0]?.end();
    peers.setConnectionPool({ minConnections: 0, connectionTtlMs: 5_000, idleTimeoutMs: 3_600_000 });
    await run(node, 8_000);
    expect(network.lastDial).toMatchObject({ peerId: larger, isRenewal: true });
    expect(old.isOpen).toBe(true);
    network.open(larger, { openedAt: node.clock.now() });
    network.lastDial.end();
    await run(node, 4_000);
    expect(old.isOpen).toBe(false);
    expect(peers.isConnected(larger)).toBe(true);
    expect(toldOf('connection:closed')).toMatchObject([{ cause: { code: 'EXPIRED' } }]);
  });

  it('replaces it beyond maxConnectionsPerPeer, and lets no third one in', async () => {
    const node = createNode({ maxConnectionsPerPeer: 1 });
    const { network, peers } = node;
    await peers.maintainConnection(larger);
    const old = network.open(larger, { openedAt: 0, remoteAddress: '/ip4/127.0.0.1/tcp/1' });
    network.dials[0]?.end();
    old.isInUse = true;
    peers.setConnectionPool({ minConnections: 0, connectionTtlMs: 20_000, idleTimeoutMs: 3_600_000 });
    const another = candidateOf(larger, { direction: 'outbound' });
    expect(network.gate.refusesConnection(another)).toMatch(/maxConnectionsPerPeer is 1/);
    const elsewhere = multiaddr(`/ip4/127.0.0.1/tcp/2/p2p/${larger}`);
    const there = multiaddr(`/ip4/127.0.0.1/tcp/1/p2p/${larger}`);
    expect(network.gate.refusesAddress(there)).toBeDefined();
    await run(node, 24_000);
    expect(network.gate.refusesConnection(another)).toBeUndefined();
    expect(network.gate.refusesAddress(there)).toBeUndefined();
    expect(network.gate.refusesAddress(elsewhere)).toBeDefined();
    const renewed = network.open(larger, { openedAt: node.clock.now() });
    network.lastDial.end();
    await run(node, 4_000);
    expect([old.isOpen, renewed.isOpen]).toEqual([true, true]);
    expect(network.gate.refusesConnection(another)).toMatch(/maxConnectionsPerPeer is 2/);
    expect(network.gate.refusesAddress(there)).toBeDefined();
    old.isInUse = false;
    await run(node, 2_000);
    expect([old.isOpen, renewed.isOpen]).toEqual([false, true]);
    expect(network.gate.refusesConnection(another)).toMatch(/maxConnectionsPerPeer is 1/);
  });

  it('leaves the old connection when it cannot be replaced', async () => {
    const node = createNode();
    const { network, peers } = node;
    await peers.maintainConnection(larger);
    const old = network.open(larger, { openedAt: 0 });
    network.dials[0]?.end();
    peers.setConnectionPool({ minConnections: 0, connectionTtlMs: 5_000, idleTimeoutMs: 3_600_000 });
    await run(node, 8_000);
    network.lastDial.fail(new Error('nobody there'));
    await run(node, 8_000);
    expect(old.isOpen).toBe(true);
    expect(peers.isConnected(larger)).toBe(true);
  });

  it('looks after roles, of which it knows relays by itself', async () => {
    const node = createNode();
    const { network, peers } = node;
    network.record({ peerId: larger, addresses: ['/ip4/8.8.8.8/tcp/1'], protocols: [relay] });
    network.record({ peerId: smaller, addresses: ['/ip4/8.8.4.4/tcp/1'], protocols: [] });
    peers.setConnectionPool({ minConnections: 0, roles: { relay: 1 } });
    await run(node, 1_000);
    expect(network.dials.map(({ peerId }) => peerId)).toEqual([larger]);
    network.open(larger);
    expect(peers.peerInfo(larger)?.roles).toEqual(['relay']);
    expect(peers.explainPeer(larger).protectedBy).toEqual(['role']);
  });

  it('asks the port for roles, and does without it when it fails', async () => {
    const failing = {
      rolesOf: () => {
        throw new Error('not yet');
      },
      async *find() {
        await turn();
        yield { peerId: larger, addresses: ['/ip4/8.8.8.8/tcp/1'] };
      },
    };
    const node = createNode({ roles: failing });
    const { network, peers } = node;
    expect(peers.explainPeer(larger).roles).toEqual([]);
    expect(network.logged).toEqual(['the port roles failed']);
    peers.setConnectionPool({ minConnections: 0, roles: { executor: 1 } });
    await run(node, 1_000);
    expect(network.dials).toMatchObject([
      { peerId: larger, addresses: [`/ip4/8.8.8.8/tcp/1/p2p/${larger}`] },
    ]);
  });

  it('can be changed, ended and looked at', () => {
    const { peers } = createNode();
    expect(peers.connectionPool).toBeUndefined();
    peers.setConnectionPool({ minConnections: 3 });
    expect(peers.connectionPool).toMatchObject({ minConnections: 3, maxConnections: 100 });
    expect(() => peers.setConnectionPool({ minConnections: 200 })).toThrow(/minConnections/);
    expect(peers.connectionPool?.minConnections).toBe(3);
    peers.setConnectionPool(undefined);
    expect(peers.connectionPool).toBeUndefined();
  });
});

describe('pings', () => {
  it('close a connection whose peer is silent, and say so', async () => {
    const { network, peers, clock, toldOf } = createNode({
      ...{ pingIntervalMs: 4_000, pingTimeoutMs: 2_000, maxMissedPings: 2 },
    });
    expect(network.monitorsTaken).toBe(1);
    network.open(larger).pinging = (signal) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('no answer'))));
    network.open(smaller);
    await run({ clock }, 30_000);
    expect(peers.connectedPeers()).toEqual([smaller]);
    expect(toldOf('connection:closed')).toMatchObject([{ peerId: larger, cause: { code: 'TIMEOUT' } }]);
    expect(peers.explainPeer(larger).facts).toMatchObject([{ fact: 'UNREACHABLE', count: 1 }]);
  });

  it('are left to libp2p when they are off', () => {
    expect(createNode({ pingIntervalMs: 0 }).network.monitorsTaken).toBe(0);
  });
});

describe('a dial that fails', () => {
  it.each([
    ['counts', 'nobodyListens', 1],
    ['counts', 'timeout', 1],
    ['counts', 'closed', 1],
    ['does not count', 'unreachable', 0],
    ['does not count', 'refusedHere', 0],
    ['does not count', 'unknownHost', 0],
  ] as const)('%s for the reputation when the reason is %s', async (_, reason, count) => {
    const { PeersError } = await import('../src/errors.ts');
    const { network, peers } = createNode();
    const connected = peers.dialPeer(larger);
    const attempts = [{ reason, message: '' }];
    network.lastDial.fail(new PeersError('DIAL_FAILED', { peerId: larger, attempts }));
    await expect(connected).rejects.toMatchObject({ code: 'DIAL_FAILED' });
    expect(peers.explainPeer(larger).facts).toHaveLength(count);
  });
});
