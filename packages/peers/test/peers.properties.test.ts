import { fc } from '@fast-check/vitest';
import { describe, expect, it } from 'vitest';

import { PeersError } from '../src/errors.ts';
import { fakeNodes, type FakeNode } from './fakeNode.ts';
import { candidateOf, FakeStore, larger, smaller, turn } from './fakes.ts';

const { prepareNode } = fakeNodes();
const third = '12D3KooWGjqaK5MoJ3d7N1v5TyzQdp1KPXwpwdvnH49uT6M8PNsp';
const ids = [smaller, larger, third];
const limits = { maxConnections: 3, maxInboundConnections: 2, maxConnectionsPerPeer: 2, maxBans: 2 };

/** What a user or the network may do to a peer at any time. */
const deeds: Record<string, (node: FakeNode, peerId: string) => unknown> = {
  dial: ({ peers }, peerId) => peers.dialPeer(peerId),
  dialForOthers: ({ peers }, peerId) => peers.dialPeer(peerId, [], { toldBy: 'peers' }),
  disconnect: ({ peers }, peerId) => peers.disconnectPeer(peerId),
  ban: ({ peers }, peerId) => peers.banPeer(peerId, 5_000),
  unban: ({ peers }, peerId) => peers.unbanPeer(peerId),
  maintain: ({ peers }, peerId) => peers.maintainConnection(peerId),
  release: ({ peers }, peerId) => peers.releaseConnection(peerId),
  violate: ({ peers }, peerId) => peers.reportPeer(peerId, 'PROTOCOL_VIOLATION'),
  // What the gate lets in, and what libp2p opened before it was asked.
  comeIn: ({ network }, peerId) =>
    network.gate.refusesConnection(candidateOf(peerId)) ?? network.open(peerId, { direction: 'inbound' }),
  connect: ({ network }, peerId) => {
    const dial = network.dials.find((one) => one.peerId === peerId && !one.signal.aborted);
    if (dial === undefined) return;
    network.open(peerId);
    dial.end();
  },
  fail: ({ network }, peerId) => {
    const error = new PeersError('DIAL_FAILED', { peerId, attempts: [] });
    for (const dial of network.dials) if (dial.peerId === peerId) dial.fail(error);
  },
  lose: ({ network }, peerId) => {
    for (const connection of network.connections) if (connection.peerId === peerId) connection.end();
  },
  wait: ({ clock }) => clock.increment(1_000),
  waitLong: ({ clock }) => clock.increment(6_000),
};

const history = fc.array(fc.tuple(fc.constantFrom(...Object.keys(deeds)), fc.constantFrom(...ids)), {
  maxLength: 40,
});

/** What holds whatever has happened. */
function check({ network, peers, toldOf }: FakeNode): void {
  const banned = peers.bannedPeers().map(({ peerId }) => peerId);
  const open = peers.connectedPeers();
  expect(open.filter((peerId) => banned.includes(peerId))).toEqual([]);
  expect(
    banned.filter((peerId) => network.gate.refusesConnection(candidateOf(peerId)) === undefined),
  ).toEqual([]);
  expect(banned.length).toBeLessThanOrEqual(limits.maxBans);
  for (const peerId of open) {
    expect(peers.peerInfo(peerId)?.connections.length).toBeLessThanOrEqual(limits.maxConnectionsPerPeer);
  }
  expect(toldOf('connection:established').length - toldOf('connection:closed').length).toBe(
    network.connections.size,
  );
}

describe('the service, whatever happens in whatever order', () => {
  it('keeps bans and limits, tells of each connection once, and leaves nothing behind', async () => {
    await fc.assert(
      fc.asyncProperty(history, async (steps) => {
        const store = new FakeStore();
        const config = { ...limits, redialMinDelayMs: 500, redialMaxDelayMs: 2_000, reputationBanMs: 3_000 };
        const node = prepareNode(config, { store });
        const { network, peers, clock } = node;
        await node.start();
        for (const [deed, peerId] of steps) {
          const done = deeds[deed]?.(node, peerId);
          if (done instanceof Promise) done.catch(() => undefined);
          await turn();
          check(node);
        }
        await turn();
        expect(new Set(store.kept.maintained.keys())).toEqual(new Set(peers.maintainedPeers()));
        expect(new Set(store.kept.ban.keys())).toEqual(
          new Set(peers.bannedPeers().map(({ peerId }) => peerId)),
        );
        // Everybody leaves: no peer takes a place any more.
        for (const peerId of ids) {
          await peers.unbanPeer(peerId);
          await peers.disconnectPeer(peerId);
        }
        clock.increment(60_000);
        await turn();
        expect(ids.map((peerId) => peers.explainPeer(peerId).state)).toEqual(['absent', 'absent', 'absent']);
        expect(network.connections.size).toBe(0);
        await peers.stop();
      }),
      { numRuns: 60 },
    );
  });
});
