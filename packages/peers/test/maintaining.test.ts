import { multiaddr } from '@multiformats/multiaddr';
import { describe, expect, it } from 'vitest';

import { PeersError } from '../src/errors.ts';
import { codeOf, fakeNodes, type FakeNode } from './fakeNode.ts';
import { candidateOf, FakeStore, larger, self, smaller, turn } from './fakes.ts';

const { createNode, prepareNode } = fakeNodes();
const third = '12D3KooWGjqaK5MoJ3d7N1v5TyzQdp1KPXwpwdvnH49uT6M8PNsp';
const pauses = { redialMinDelayMs: 1_000, redialMaxDelayMs: 8_000 };

/** Lets the dial that is under way fail. */
async function fail({ network }: Pick<FakeNode, 'network'>): Promise<void> {
  network.lastDial.fail(new PeersError('DIAL_FAILED', { peerId: larger, attempts: [] }));
  await turn();
}

describe('maintainConnection()', () => {
  it('dials at once, wherever the peer is known to be', async () => {
    const { network, peers } = createNode();
    await peers.maintainConnection(larger);
    expect(network.dials).toMatchObject([{ peerId: larger, addresses: [], isRenewal: false }]);
    network.open(larger);
    expect(peers.isConnected(larger)).toBe(true);
    expect(peers.maintainedPeers()).toEqual([larger]);
    expect(peers.peerInfo(larger)?.isMaintained).toBe(true);
  });

  it('keeps a connection that there is', async () => {
    const { network, peers } = createNode();
    network.open(larger, { direction: 'inbound' });
    await peers.maintainConnection(larger);
    expect(network.dials).toEqual([]);
  });

  it('dials again after each failure, more and more slowly, for as long as it takes', async () => {
    const node = createNode(pauses);
    const { network, peers, clock } = node;
    await peers.maintainConnection(larger);
    // A quarter is left to chance.
    for (const [atLeastMs, atMostMs] of [
      [750, 1_250],
      [1_500, 2_500],
      [3_000, 5_000],
      [6_000, 8_000],
      [6_000, 8_000],
    ] as const) {
      await fail(node);
      const before = network.dials.length;
      clock.increment(atLeastMs - 1);
      expect(network.dials).toHaveLength(before);
      clock.increment(atMostMs - atLeastMs + 1);
      expect(network.dials).toHaveLength(before + 1);
    }
    expect(peers.explainPeer(larger)).toMatchObject({ state: 'dialing', maintained: { failures: 5 } });
  });

  it('blames the peer once for each time it cannot be reached', async () => {
    const node = createNode(pauses);
    const { network, peers, clock } = node;
    await peers.maintainConnection(larger);
    const blamed = (): number | undefined => peers.explainPeer(larger).facts[0]?.count;
    for (const outages of [1, 2]) {
      for (let dials = 0; dials < 3; dials += 1) {
        const attempts = [{ reason: 'nobodyListens', message: '' } as const];
        network.lastDial.fail(new PeersError('DIAL_FAILED', { peerId: larger, attempts }));
        await turn();
        clock.increment(10_000);
      }
      expect(blamed()).toBe(outages);
      expect(peers.explainPeer(larger).text).toContain('in a row: 3');
      const connection = network.open(larger);
      expect(peers.explainPeer(larger).text).not.toContain('in a row');
      expect(peers.explainPeer(larger).maintained).toEqual({ failures: 0 });
      clock.increment(60_000);
      connection.end();
      clock.increment(10_000);
    }
  });

  it('leaves the pauses to chance, so that nodes do not dial together', async () => {
    const node = prepareNode(pauses);
    node.random.next = 0.9;
    await node.start();
    await node.peers.maintainConnection(larger);
    await fail(node);
    node.clock.increment(749);
    expect(node.network.dials).toHaveLength(1);
    node.clock.increment(501);
    expect(node.network.dials).toHaveLength(2);
  });

  it('dials again when the connection is lost, after the first pause', async () => {
    const { network, peers, clock } = createNode(pauses);
    await peers.maintainConnection(larger);
    const connection = network.open(larger);
    clock.increment(3_600_000);
    connection.end(new Error('read ECONNRESET'));
    expect(peers.explainPeer(larger).state).toBe('resting');
    clock.increment(1_250);
    expect(network.dials).toHaveLength(2);
  });

  it('does not pester a peer that lets it in and closes at once', async () => {
    const { network, peers, clock } = createNode(pauses);
    await peers.maintainConnection(larger);
    for (let round = 0; round < 4; round += 1) {
      network.open(larger).end();
      clock.increment(8_000);
    }
    const before = network.dials.length;
    network.open(larger).end();
    clock.increment(5_999);
    expect(network.dials).toHaveLength(before);
    clock.increment(2_001);
    expect(network.dials).toHaveLength(before + 1);
  });

  it('rests no longer when the peer comes by itself', async () => {
    const node = createNode(pauses);
    await node.peers.maintainConnection(larger);
    await fail(node);
    node.network.open(larger, { direction: 'inbound' });
    node.clock.increment(60_000);
    expect(node.network.dials).toHaveLength(1);
  });

  it('rests no longer when somebody dials, or maintains it once more', async () => {
    const node = createNode(pauses);
    const { network, peers } = node;
    await peers.maintainConnection(larger);
    await fail(node);
    const connected = codeOf(peers.dialPeer(larger, ['/memory/a']));
    expect(network.lastDial.addresses).toEqual([`/memory/a/p2p/${larger}`]);
    await fail(node);
    await expect(connected).resolves.toBe('DIAL_FAILED');
    await peers.maintainConnection(larger);
    expect(network.dials).toHaveLength(3);
    expect(peers.explainPeer(larger).maintained?.lastError).toMatch(/Cannot dial/);
  });

  it('goes on when whoever waited beside it gives up', async () => {
    const { network, peers } = createNode();
    await peers.maintainConnection(larger);
    const controller = new AbortController();
    const connected = codeOf(peers.dialPeer(larger, [], { signal: controller.signal }));
    controller.abort();
    await expect(connected).resolves.toBe('CANCELLED');
    expect(network.lastDial.signal.aborted).toBe(false);
  });

  it('waits for a place, and does not blame the peer', async () => {
    const { network, peers, clock } = createNode({ ...pauses, maxPendingConnections: 1 });
    await peers.maintainConnection(larger);
    await peers.maintainConnection(smaller);
    await turn();
    expect(network.dials).toHaveLength(1);
    expect(peers.explainPeer(smaller)).toMatchObject({ state: 'resting', maintained: { failures: 0 } });
    network.open(larger);
    clock.increment(1_250);
    expect(network.lastDial.peerId).toBe(smaller);
    expect(peers.reputationOf(smaller)).toBe(0);
  });

  it('takes no place from others', async () => {
    const { network, peers } = createNode({ maxConnections: 1, maxPendingConnections: 1 });
    await peers.maintainConnection(larger);
    await fail({ network });
    await peers.maintainConnection(smaller);
    await fail({ network });
    expect(network.gate.refusesConnection(candidateOf(third))).toBeUndefined();
    expect(network.open(third).isOpen).toBe(true);
  });

  it.each([
    [{ maxConnections: 2 }, 'outbound', [smaller, larger]],
    [{ maxConnections: 2 }, 'inbound', [smaller, larger]],
    [{ maxOutboundConnections: 0 }, 'outbound', [smaller, third, larger]],
    [{ maxInboundConnections: 2 }, 'inbound', [smaller, larger]],
  ] as const)('finds a place in a node that others have filled: %j, %s', async (limits, direction, left) => {
    const { network, peers, clock } = createNode({ ...pauses, ...limits });
    const from = multiaddr('/ip4/8.8.8.8/tcp/1');
    const used = network.open(smaller, { direction: 'inbound' });
    used.isInUse = true;
    network.open(third, { direction: 'inbound' });
    await turn();
    const candidate = candidateOf(larger, { direction });
    await peers.maintainConnection(larger);
    expect(network.dials).toHaveLength(1);
    expect(network.gate.refusesInbound(from, [])).toBeUndefined();
    expect(network.gate.refusesConnection(candidate)).toBeUndefined();
    network.open(larger, { direction });
    clock.increment(1_000);
    await turn();
    // Whoever is worth least of those that nobody uses has made room, when there was none.
    expect(peers.connectedPeers()).toEqual(left);
  });

  it('gives its place to nobody else, nor to a second connection', async () => {
    const { network, peers } = createNode({ maxConnections: 1 });
    const from = multiaddr('/ip4/8.8.8.8/tcp/1');
    network.open(smaller, { direction: 'inbound' });
    await peers.maintainConnection(larger);
    expect(network.gate.refusesConnection(candidateOf(third))).toMatch(/maxConnections is 1/);
    network.open(larger, { direction: 'inbound' });
    expect(network.gate.refusesInbound(from, [])).toMatch(/maxConnections is 1/);
    expect(network.gate.refusesConnection(candidateOf(larger))).toMatch(/maxConnections is 1/);
  });

  it('leaves no door open for one who is banned', async () => {
    const { network, peers } = createNode({ maxConnections: 1 });
    network.open(smaller, { direction: 'inbound' });
    await peers.maintainConnection(larger);
    await peers.banPeer(larger, 60_000);
    expect(network.gate.refusesInbound(multiaddr('/ip4/8.8.8.8/tcp/1'), [])).toMatch(/maxConnections is 1/);
  });

  it('is limited, and not for this node', async () => {
    const { peers } = createNode({ maxMaintainedPeers: 1 });
    await peers.maintainConnection(larger);
    await peers.maintainConnection(larger);
    await expect(peers.maintainConnection(smaller)).rejects.toMatchObject({
      code: 'LIMIT_REACHED',
      data: { limit: 'maxMaintainedPeers', value: 1 },
    });
    await expect(codeOf(peers.maintainConnection(self))).resolves.toBe('OWN_PEER');
  });

  it('is suspended by a ban, and goes on after it', async () => {
    const { network, peers, clock } = createNode(pauses);
    await peers.maintainConnection(larger);
    network.open(larger);
    await peers.banPeer(larger, 60_000);
    expect(peers.explainPeer(larger).state).toBe('banned');
    expect(peers.maintainedPeers()).toEqual([larger]);
    clock.increment(59_999);
    expect(network.dials).toHaveLength(1);
    clock.increment(1);
    clock.increment(1_250);
    expect(network.dials).toHaveLength(2);
  });

  it('waits for the end of a ban that there is', async () => {
    const { network, peers } = createNode();
    await peers.banPeer(larger, 60_000);
    await peers.maintainConnection(larger);
    expect(network.dials).toEqual([]);
    await peers.unbanPeer(larger);
    expect(network.dials).toHaveLength(1);
  });

  it('outlives a reputation that is lost for a while', async () => {
    const { network, peers, clock } = createNode({ ...pauses, disconnectCooldownMs: 100 });
    await peers.maintainConnection(larger);
    network.open(larger);
    for (let count = 0; count < 2; count += 1) peers.reportPeer(larger, 'INVALID_ANSWER');
    await turn();
    expect(peers.isConnected(larger)).toBe(false);
    clock.increment(1_250);
    expect(network.dials).toHaveLength(2);
  });
});

describe('releaseConnection()', () => {
  it('ends redials and leaves an open connection', async () => {
    const { network, peers, clock } = createNode(pauses);
    await peers.maintainConnection(larger);
    const connection = network.open(larger);
    await peers.releaseConnection(larger);
    expect(peers.isConnected(larger)).toBe(true);
    expect(peers.maintainedPeers()).toEqual([]);
    connection.end();
    clock.increment(60_000);
    expect(network.dials).toHaveLength(1);
    expect(peers.explainPeer(larger).state).toBe('absent');
  });

  it.each([
    ['resting', fail],
    ['dialing', () => Promise.resolve()],
    ['banned', ({ peers }: FakeNode) => peers.banPeer(larger, 60_000)],
  ])('forgets a peer that is %s', async (state, arrive) => {
    const node = createNode(pauses);
    await node.peers.maintainConnection(larger);
    await arrive(node);
    expect(node.peers.explainPeer(larger).state).toBe(state);
    await node.peers.releaseConnection(larger);
    await node.peers.releaseConnection(larger);
    expect(node.peers.explainPeer(larger).state).toBe('absent');
    node.clock.increment(90_000);
    expect(node.network.dials).toHaveLength(1);
    expect(node.network.lastDial.signal.aborted).toBe(state !== 'resting');
  });

  it('lets go on whoever waits for the same dial', async () => {
    const { network, peers } = createNode();
    await peers.maintainConnection(larger);
    const connected = peers.dialPeer(larger);
    await peers.releaseConnection(larger);
    expect(network.lastDial.signal.aborted).toBe(false);
    network.open(larger);
    await connected;
  });

  it('is part of disconnectPeer()', async () => {
    const store = new FakeStore();
    const { network, peers, clock, start } = prepareNode(pauses, { store });
    await start();
    await peers.maintainConnection(larger);
    network.open(larger);
    await peers.disconnectPeer(larger);
    expect(peers.maintainedPeers()).toEqual([]);
    expect(store.kept.maintained.size).toBe(0);
    clock.increment(60_000);
    expect(network.dials).toHaveLength(1);
  });
});

describe('drain()', () => {
  it('ends redials, and lets others in', async () => {
    const node = createNode(pauses);
    const { network, peers, clock } = node;
    await peers.maintainConnection(larger);
    await peers.maintainConnection(smaller);
    network.open(smaller);
    network.dials[0]?.fail(new PeersError('DIAL_FAILED', { peerId: larger, attempts: [] }));
    await turn();
    peers.drain();
    clock.increment(60_000);
    expect(network.dials).toHaveLength(2);
    expect(peers.isConnected(smaller)).toBe(true);
    expect(network.open(third, { direction: 'inbound' }).isOpen).toBe(true);
    await peers.maintainConnection(third);
    expect(network.dials).toHaveLength(2);
    const connected = peers.dialPeer(larger);
    network.open(larger);
    await connected;
  });
});
