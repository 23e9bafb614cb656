import { describe, expect, it } from 'vitest';

import { codeOf, fakeNodes } from './fakeNode.ts';
import { candidateOf, larger, self, turn } from './fakes.ts';

const { createNode } = fakeNodes();

describe('disconnectPeer()', () => {
  it('closes every connection and says why', async () => {
    const { network, peers, told } = createNode();
    const endpoints = [network.open(larger), network.open(larger)].map(({ info }) => {
      const { openedAt: _, ...endpoint } = info;
      return endpoint;
    });
    const done = peers.disconnectPeer(larger);
    expect(peers.isConnected(larger)).toBe(false);
    await done;
    expect(network.released).toEqual([larger]);
    const cause = { code: 'DISCONNECTED', message: 'disconnectPeer was called' };
    expect(told.slice(2)).toEqual(
      endpoints.map((endpoint) => ['connection:closed', { peerId: larger, endpoint, cause }]),
    );
  });

  it('does the same for a peer that is not connected, again and again', async () => {
    const { network, peers } = createNode();
    await peers.disconnectPeer(larger);
    await Promise.all([peers.disconnectPeer(larger), peers.disconnectPeer(larger)]);
    expect(network.released).toEqual([larger, larger]);
  });

  it('keeps the peer away for a while, in both directions', async () => {
    const { network, peers, clock } = createNode({ disconnectCooldownMs: 100 });
    await peers.disconnectPeer(larger);
    const candidate = candidateOf(larger);
    await expect(network.gate.refusesPeer(larger)).resolves.toMatch(/disconnected/);
    expect(network.gate.refusesConnection(candidate)).toMatch(/disconnected/);
    expect(network.open(larger, { direction: 'inbound' }).isOpen).toBe(false);
    clock.increment(100);
    await expect(network.gate.refusesPeer(larger)).resolves.toBeUndefined();
    expect(network.gate.refusesConnection(candidate)).toBeUndefined();
    expect(network.open(larger, { direction: 'inbound' }).isOpen).toBe(true);
  });

  it('says until when the peer is kept away', async () => {
    const { peers, clock } = createNode({ disconnectCooldownMs: 100 });
    clock.increment(1_000);
    await peers.disconnectPeer(larger);
    clock.increment(40);
    expect(peers.explainPeer(larger)).toMatchObject({ awayUntil: 1_100 });
    expect(peers.explainPeer(larger).text).toContain(
      'kept away until 1970-01-01T00:00:01.100Z, 0 s from now',
    );
    clock.increment(60);
    expect(peers.explainPeer(larger).text).not.toContain('kept away');
  });

  it('lets the peer come back when the user dials it', async () => {
    const { network, peers } = createNode();
    await peers.disconnectPeer(larger);
    const connected = peers.dialPeer(larger);
    await expect(network.gate.refusesPeer(larger)).resolves.toBeUndefined();
    network.open(larger);
    await connected;
  });

  it.each(['neighbours', 'peers'] as const)('keeps the peer away from what %s want', async (toldBy) => {
    const { network, peers, clock } = createNode({ disconnectCooldownMs: 100 });
    await peers.disconnectPeer(larger);
    await expect(codeOf(peers.dialPeer(larger, [], { toldBy }))).resolves.toBe('PEER_REFUSED');
    expect(network.dials).toEqual([]);
    await expect(network.gate.refusesPeer(larger)).resolves.toMatch(/disconnected/);
    clock.increment(100);
    const connected = peers.dialPeer(larger, [], { toldBy });
    network.open(larger);
    await connected;
  });

  it('ends a dial that is under way', async () => {
    const { network, peers } = createNode();
    const connected = peers.dialPeer(larger);
    await Promise.all([
      expect(connected).rejects.toMatchObject({ code: 'CANCELLED', data: { by: 'disconnectPeer' } }),
      peers.disconnectPeer(larger),
    ]);
    expect(network.lastDial.signal.aborted).toBe(true);
  });

  it('is followed by a dial that was asked for meanwhile', async () => {
    const { network, peers } = createNode();
    network.open(larger);
    const release = Promise.withResolvers<void>();
    network.releasing = release.promise;
    const gone = peers.disconnectPeer(larger);
    const connected = peers.dialPeer(larger);
    expect(network.dials).toEqual([]);
    release.resolve();
    await gone;
    await turn();
    expect(network.dials).toHaveLength(1);
    network.open(larger);
    await connected;
  });

  it('says when it cannot', async () => {
    const { network, peers } = createNode();
    network.open(larger);
    network.releasing = Promise.reject(new Error('no way'));
    await expect(peers.disconnectPeer(larger)).rejects.toMatchObject({
      code: 'CLOSE_FAILED',
      data: { reason: 'no way' },
      retryable: true,
    });
    expect(peers.isConnected(larger)).toBe(true);
    network.releasing = Promise.resolve();
    await peers.disconnectPeer(larger);
    expect(network.connections.size).toBe(0);
  });

  it('is refused for the node itself', async () => {
    const { peers } = createNode();
    await expect(codeOf(peers.disconnectPeer(self))).resolves.toBe('OWN_PEER');
  });
});
