import { multiaddr } from '@multiformats/multiaddr';
import { describe, expect, it } from 'vitest';
import { AddressError, ConfigError } from '@lloom/core';

import { PeersError } from '../src/errors.ts';
import { codeOf, fakeNodes } from './fakeNode.ts';
import { candidateOf, FakeStore, larger, self, smaller, turn } from './fakes.ts';

const { createNode, prepareNode } = fakeNodes();
const third = '12D3KooWGjqaK5MoJ3d7N1v5TyzQdp1KPXwpwdvnH49uT6M8PNsp';
const dayMs = 86_400_000;

describe('banPeer()', () => {
  it('closes every connection, then says so', async () => {
    const { network, peers, told, toldOf } = createNode();
    network.open(larger);
    network.open(larger, { direction: 'inbound' });
    await peers.banPeer(larger, 1_000, 'spam');
    expect(peers.isConnected(larger)).toBe(false);
    expect(network.connections.size).toBe(0);
    const causes = toldOf('connection:closed').map(({ cause }) => cause);
    const cause = { code: 'BANNED', message: 'spam' };
    expect(causes).toEqual([cause, cause]);
    const ban = { peerId: larger, since: 0, until: 1_000, reason: 'spam', by: 'user' };
    expect(told.at(-1)).toEqual(['peer:banned', ban]);
    expect(peers.bannedPeers()).toEqual([ban]);
    expect(peers.peerInfo(larger)).toMatchObject({ ban, reputation: -100 });
  });

  it('refuses the peer in all directions while it holds', async () => {
    const { network, peers, clock } = createNode();
    const { gate } = network;
    await peers.banPeer(larger, 1_000, 'spam');
    const through = multiaddr(`/ip4/8.8.8.8/tcp/1/p2p/${larger}/p2p-circuit/p2p/${smaller}`);
    const refusals = async (): Promise<unknown[]> => [
      await gate.refusesPeer(larger),
      gate.refusesConnection(candidateOf(larger)),
      gate.refusesConnection(candidateOf(larger, { direction: 'outbound' })),
      gate.refusesConnection(candidateOf(larger, { relayed: true })),
      gate.refusesConnection(candidateOf(smaller, { relayed: true, remoteAddress: through })),
      gate.refusesAddress(through),
      gate.refusesRelaying(larger),
    ];
    expect((await refusals()).filter((reason) => reason === undefined)).toEqual([]);
    expect(gate.refusesConnection(candidateOf(smaller))).toBeUndefined();
    expect(gate.refusesRelaying(smaller)).toBeUndefined();
    const asked = peers.dialPeer(larger);
    await expect(asked).rejects.toMatchObject({ code: 'BANNED', data: { until: 1_000, reason: 'spam' } });
    await expect(codeOf(peers.dialPeer(smaller, [through]))).resolves.toBe('ADDRESS_REFUSED');
    clock.increment(1_000);
    expect((await refusals()).filter((reason) => reason !== undefined)).toEqual([]);
  });

  it('knows a banned relay by whatever its id is written as', async () => {
    const { network, peers } = createNode();
    await peers.banPeer(larger, 1_000);
    const { toPeerId } = await import('@lloom/core');
    const cid = toPeerId(larger).toCID().toString();
    const through = multiaddr(`/ip4/8.8.8.8/tcp/1/p2p/${cid}/p2p-circuit/p2p/${smaller}`);
    expect(network.gate.refusesAddress(through)).toMatch(/relay that is banned/);
  });

  it('ends dials that are under way, and tells those who wait', async () => {
    const { network, peers } = createNode();
    const connected = peers.dialPeer(larger);
    await Promise.all([
      expect(connected).rejects.toMatchObject({ code: 'BANNED', data: { peerId: larger, until: 50 } }),
      peers.banPeer(larger, 50),
    ]);
    expect(network.lastDial.signal.aborted).toBe(true);
  });

  it('ends a dial that was overtaken, too', async () => {
    const { network, peers } = createNode();
    const connected = peers.dialPeer(larger);
    network.open(larger, { direction: 'inbound' });
    await connected;
    expect(network.lastDial.signal.aborted).toBe(false);
    await peers.banPeer(larger, 50);
    expect(network.lastDial.signal.aborted).toBe(true);
  });

  it('lets nobody in who came while it was being given', async () => {
    const { network, peers, toldOf } = createNode();
    const release = Promise.withResolvers<void>();
    network.releasing = release.promise;
    const banned = peers.banPeer(larger, 1_000);
    expect(network.open(larger, { direction: 'inbound' }).isOpen).toBe(false);
    expect(toldOf('connection:established')).toEqual([]);
    expect(toldOf('peer:banned')).toEqual([]);
    release.resolve();
    await banned;
    expect(toldOf('peer:banned')).toHaveLength(1);
  });

  it('takes the peer out of the routing table, and goes on when that fails', async () => {
    const removed: string[] = [];
    const remove = (peerId: string): Promise<void> => {
      removed.push(peerId);
      return Promise.reject(new Error('no table'));
    };
    const { network, peers } = createNode({ routingTable: { remove } });
    await peers.banPeer(larger, 1_000);
    await turn();
    expect(removed).toEqual([larger]);
    expect(network.logged).toEqual(['a banned peer stays in the routing table']);
  });

  it('replaces an earlier ban, longer or shorter', async () => {
    const { peers, clock, toldOf } = createNode();
    await peers.banPeer(larger, 1_000, 'first');
    clock.increment(10);
    await peers.banPeer(larger, 100);
    expect(peers.bannedPeers()).toEqual([{ peerId: larger, since: 10, until: 110, by: 'user' }]);
    clock.increment(100);
    expect(peers.bannedPeers()).toEqual([]);
    expect(toldOf('peer:unbanned')).toEqual([{ peerId: larger, by: 'time' }]);
    clock.increment(1_000);
    expect(toldOf('peer:unbanned')).toHaveLength(1);
  });

  it('ends each ban in its time, however long', async () => {
    const { peers, clock, toldOf } = prepareNode();
    await peers.start();
    await peers.banPeer(larger, 40 * dayMs);
    await peers.banPeer(smaller, 20);
    await peers.banPeer(third, 10);
    expect(peers.bannedPeers().map(({ until }) => until)).toEqual([10, 20, 40 * dayMs]);
    clock.increment(10);
    clock.increment(10);
    expect(toldOf('peer:unbanned').map(({ peerId }) => peerId)).toEqual([third, smaller]);
    // More than timers can count.
    clock.increment(30 * dayMs);
    expect(peers.bannedPeers()).toHaveLength(1);
    clock.increment(10 * dayMs);
    expect(toldOf('peer:unbanned')).toHaveLength(3);
  });

  it('cuts long reasons, and refuses what cannot be', async () => {
    const { peers } = createNode();
    await peers.banPeer(larger, 1, 'x'.repeat(300));
    expect(peers.bannedPeers()[0]?.reason).toHaveLength(256);
    await expect(codeOf(peers.banPeer(self, 1))).resolves.toBe('OWN_PEER');
    await expect(peers.banPeer('nobody', 1)).rejects.toThrow(AddressError);
    for (const durationMs of [0, -1, 0.5, Infinity, Number.NaN, 101 * 366 * dayMs]) {
      await expect(peers.banPeer(larger, durationMs)).rejects.toThrow(ConfigError);
    }
  });

  it('says when connections cannot be closed, and holds all the same', async () => {
    const { network, peers } = createNode();
    network.open(larger);
    network.releasing = Promise.reject(new Error('no way'));
    await expect(codeOf(peers.banPeer(larger, 1_000))).resolves.toBe('CLOSE_FAILED');
    expect(peers.isConnected(larger)).toBe(false);
    await expect(codeOf(peers.dialPeer(larger))).resolves.toBe('BANNED');
  });

  it('is bounded by maxBans, and never drops a ban of the user', async () => {
    const { peers } = createNode({ maxBans: 1 });
    await peers.banPeer(larger, 1_000);
    await peers.banPeer(larger, 2_000);
    const more = peers.banPeer(smaller, 1_000);
    await expect(more).rejects.toMatchObject({ data: { limit: 'maxBans', value: 1 } });
    expect(peers.bannedPeers().map(({ peerId }) => peerId)).toEqual([larger]);
  });

  it('works on a node that does not run', async () => {
    const { peers, start, network } = prepareNode();
    await peers.banPeer(larger, 1_000);
    await start();
    expect(network.gate.refusesConnection(candidateOf(larger))).toMatch(/banned/);
  });
});

describe('unbanPeer()', () => {
  it('ends a ban at once', async () => {
    const { network, peers, told } = createNode();
    await peers.banPeer(larger, 1_000);
    await peers.unbanPeer(larger);
    expect(told.at(-1)).toEqual(['peer:unbanned', { peerId: larger, by: 'user' }]);
    expect(network.gate.refusesConnection(candidateOf(larger))).toBeUndefined();
    const connected = peers.dialPeer(larger);
    network.open(larger);
    await connected;
  });

  it('does nothing to a peer that is not banned', async () => {
    const { peers, told } = createNode();
    await peers.unbanPeer(larger);
    expect(told).toEqual([]);
  });

  it('ends a ban whose connections are still being closed, and it is told no more', async () => {
    const { network, peers, toldOf } = createNode();
    const release = Promise.withResolvers<void>();
    network.releasing = release.promise;
    const banned = peers.banPeer(larger, 1_000);
    await peers.unbanPeer(larger);
    const before = toldOf('peer:banned');
    release.resolve();
    await banned;
    expect(toldOf('peer:banned')).toEqual(before);
    expect(peers.explainPeer(larger).state).toBe('absent');
  });
});

describe('a ban that is kept', () => {
  it('is acknowledged when it is written down', async () => {
    const store = new FakeStore();
    const { peers, start, toldOf } = prepareNode({}, { store });
    await start();
    const writing = Promise.withResolvers<void>();
    store.working = writing.promise;
    let isDone = false;
    const banned = peers.banPeer(larger, 1_000).then(() => (isDone = true));
    await turn();
    expect([isDone, toldOf('peer:banned').length]).toEqual([false, 1]);
    writing.resolve();
    await banned;
    expect([...store.kept.ban]).toEqual([[larger, { since: 0, until: 1_000, by: 'user' }]]);
    await peers.unbanPeer(larger);
    expect(store.kept.ban.size).toBe(0);
  });

  it('holds also when it cannot be written down', async () => {
    const store = new FakeStore();
    const { peers, start } = prepareNode({}, { store });
    await start();
    store.working = Promise.reject(new Error('disk full'));
    const banned = peers.banPeer(larger, 1_000);
    await expect(banned).rejects.toMatchObject({
      code: 'STORE_FAILED',
      data: { what: 'ban', reason: 'disk full' },
    });
    expect(peers.bannedPeers()).toHaveLength(1);
    await expect(codeOf(peers.unbanPeer(larger))).resolves.toBe('STORE_FAILED');
    expect(peers.bannedPeers()).toEqual([]);
    expect(PeersError.is(await banned.catch((error: unknown) => error))).toBe(true);
  });
});

describe('a reputation that is lost', () => {
  it('disconnects below the first threshold, and keeps the peer away for a while', async () => {
    const { network, peers, toldOf, clock } = createNode({ disconnectCooldownMs: 100 });
    network.open(larger);
    peers.reportPeer(larger, 'INVALID_ANSWER');
    expect(peers.isConnected(larger)).toBe(true);
    peers.reportPeer(larger, 'INVALID_ANSWER');
    expect(peers.isConnected(larger)).toBe(false);
    await turn();
    expect(toldOf('connection:closed')).toMatchObject([{ cause: { code: 'REPUTATION' } }]);
    expect(network.gate.refusesConnection(candidateOf(larger))).toMatch(/disconnected/);
    expect(peers.bannedPeers()).toEqual([]);
    clock.increment(100);
    expect(network.gate.refusesConnection(candidateOf(larger))).toBeUndefined();
  });

  it('bans below the second, for a time that is configured', async () => {
    const { network, peers, clock, toldOf } = createNode({ reputationBanMs: 500 });
    network.open(larger);
    for (let count = 0; count < 4; count += 1) peers.reportPeer(larger, 'PROTOCOL_VIOLATION');
    await turn();
    expect(toldOf('peer:banned')).toMatchObject([{ peerId: larger, until: 500, by: 'reputation' }]);
    expect(peers.reputationOf(larger)).toBe(-100);
    clock.increment(500);
    expect(toldOf('peer:unbanned')).toEqual([{ peerId: larger, by: 'time' }]);
    expect(peers.reputationOf(larger)).toBeLessThan(-50);
  });

  it('never shortens what the user has decided, and the user decides over it', async () => {
    const { peers } = createNode();
    const ruin = (peerId: string): void => {
      for (let count = 0; count < 5; count += 1) peers.reportPeer(peerId, 'PROTOCOL_VIOLATION');
    };
    await peers.banPeer(larger, 10 * dayMs);
    ruin(larger);
    expect(peers.bannedPeers()).toMatchObject([{ until: 10 * dayMs, by: 'user' }]);
    ruin(smaller);
    await peers.banPeer(smaller, 5);
    expect(peers.bannedPeers()).toMatchObject([
      { peerId: smaller, until: 5, by: 'user' },
      { peerId: larger },
    ]);
  });

  it('is forgotten with its ban', async () => {
    const { peers } = createNode();
    for (let count = 0; count < 4; count += 1) peers.reportPeer(larger, 'PROTOCOL_VIOLATION');
    await peers.unbanPeer(larger);
    expect(peers.reputationOf(larger)).toBe(0);
  });

  it('makes room for those that come later, the ban first that ends first', async () => {
    const { peers, clock, toldOf } = createNode({ maxBans: 2 });
    const ruin = (peerId: string): void => {
      for (let count = 0; count < 4; count += 1) peers.reportPeer(peerId, 'PROTOCOL_VIOLATION');
      clock.increment(1);
    };
    for (const peerId of [smaller, larger, third]) ruin(peerId);
    expect(peers.bannedPeers().map(({ peerId }) => peerId)).toEqual([larger, third]);
    await peers.banPeer(smaller, 1_000);
    expect(peers.bannedPeers().map(({ peerId }) => peerId)).toEqual([smaller, third]);
    expect(toldOf('peer:unbanned')).toEqual([
      { peerId: smaller, by: 'room' },
      { peerId: larger, by: 'room' },
    ]);
  });

  it("is not this node's own, nor of what is no peer id", async () => {
    const { peers } = createNode();
    for (const id of [self, 'nobody', '']) {
      for (let count = 0; count < 9; count += 1) peers.reportPeer(id, 'PROTOCOL_VIOLATION');
    }
    expect(peers.bannedPeers()).toEqual([]);
    expect(peers.reputationOf(self)).toBe(0);
  });
});
