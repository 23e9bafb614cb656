import { describe, expect, it } from 'vitest';

import type { PeersConfig } from '../src/config.ts';
import { codeOf, fakeNodes } from './fakeNode.ts';
import { candidateOf, FakeClock, FakeStore, larger, self, smaller, turn } from './fakes.ts';

const { prepareNode } = fakeNodes();
const address = '/ip4/192.168.0.7/tcp/4001';
const third = '12D3KooWGjqaK5MoJ3d7N1v5TyzQdp1KPXwpwdvnH49uT6M8PNsp';

/** A machine on which nodes follow one another. */
function createMachine() {
  const [store, clock] = [new FakeStore(), new FakeClock()];
  const boot = (config: PeersConfig = {}) => prepareNode(config, { store, clock });
  return { store, clock, boot };
}

describe('what survives a restart', () => {
  it('are bans, for as long as they were to hold', async () => {
    const { clock, boot, store } = createMachine();
    const first = boot();
    await first.start();
    await first.peers.banPeer(larger, 1_000, 'spam');
    await first.peers.banPeer(smaller, 100);
    await first.peers.stop();
    clock.increment(500);
    const { peers, network, start, toldOf } = boot();
    await start();
    const ban = { peerId: larger, since: 0, until: 1_000, reason: 'spam', by: 'user' };
    expect(peers.bannedPeers()).toEqual([ban]);
    expect([...store.kept.ban.keys()]).toEqual([larger]);
    expect(network.gate.refusesConnection(candidateOf(larger))).toMatch(/banned/);
    clock.increment(500);
    expect(toldOf('peer:unbanned')).toEqual([{ peerId: larger, by: 'time' }]);
    await turn();
    expect(store.kept.ban.size).toBe(0);
  });

  it('are addresses that were added', async () => {
    const { boot } = createMachine();
    const first = boot();
    await first.start();
    await first.peers.addPeerAddr(larger, address);
    await first.peers.addPeerAddr(larger, '/ip4/192.168.0.8/tcp/4001');
    const { peers, network, start } = boot();
    await start();
    expect(peers.peerInfo(larger)?.addresses).toEqual([address, '/ip4/192.168.0.8/tcp/4001']);
    await network.gate.refusesPeer(larger);
    expect(network.remembered.at(-1)?.addresses).toHaveLength(2);
  });

  it('are no addresses that the policy refuses meanwhile', async () => {
    const { boot } = createMachine();
    const first = boot();
    await first.start();
    await first.peers.addPeerAddr(larger, address);
    const { peers, start } = boot({ addressPolicy: 'loopback' });
    await start();
    expect(peers.peerInfo(larger)).toBeUndefined();
  });

  it('are maintained peers: they are dialled when the node has started', async () => {
    const { boot } = createMachine();
    const first = boot();
    await first.start();
    await first.peers.maintainConnection(larger);
    await first.peers.maintainConnection(smaller);
    await first.peers.releaseConnection(smaller);
    await first.peers.stop();
    const { peers, network } = boot();
    await peers.start();
    expect(network.dials).toEqual([]);
    await peers.afterStart?.();
    expect(network.dials.map(({ peerId }) => peerId)).toEqual([larger]);
    expect(peers.maintainedPeers()).toEqual([larger]);
  });

  it('are reputations, faded as if the node had run', async () => {
    const { clock, boot } = createMachine();
    const first = boot();
    await first.start();
    first.peers.reportPeer(larger, 'INVALID_MESSAGE');
    const before = first.peers.reputationOf(larger);
    await first.peers.stop();
    clock.increment(600_000);
    const { peers, start } = boot();
    await start();
    expect(peers.reputationOf(larger)).toBeCloseTo(before / 2, 5);
  });

  it('forgets for good what makes room', async () => {
    const { boot, store } = createMachine();
    const { peers, start } = boot({ maxKnownPeers: 1 });
    await start();
    await peers.addPeerAddr(larger, address);
    await peers.addPeerAddr(smaller, address);
    await turn();
    expect([...store.kept.addresses.keys()]).toEqual([smaller]);
  });

  it('is all that the user wanted, also beyond lower limits, which refuse more of it', async () => {
    const { boot, store } = createMachine();
    const fourth = '12D3KooWH3uVF6wv47WnArKHk5ZDVmGb6CVbEDqVyemfPnCaQnQM';
    store.kept.ban.set(fourth, { since: 0, until: 9, by: 'reputation' });
    for (const peerId of [larger, smaller]) store.kept.ban.set(peerId, { since: 0, until: 5, by: 'user' });
    for (const peerId of [self, larger, smaller]) store.kept.maintained.set(peerId, 0);
    const { peers, start, toldOf } = boot({ maxBans: 1, maxMaintainedPeers: 1 });
    await start();
    const banned = (): string[] => peers.bannedPeers().map(({ peerId }) => peerId);
    expect(banned()).toEqual([larger, smaller]);
    expect(peers.maintainedPeers()).toEqual([larger, smaller]);
    await expect(codeOf(peers.banPeer(third, 5))).resolves.toBe('LIMIT_REACHED');
    await expect(codeOf(peers.maintainConnection(third))).resolves.toBe('LIMIT_REACHED');
    await peers.banPeer(smaller, 7);
    await turn();
    expect(banned()).toEqual([larger, smaller]);
    expect([...store.kept.ban.keys()]).toEqual([larger, smaller]);
    expect([...store.kept.maintained.keys()]).toEqual([self, larger, smaller]);
    expect(toldOf('peer:unbanned')).toEqual([]);
  });
});

describe('a store that is slow or broken', () => {
  it('is waited for before anybody is dialled', async () => {
    const { boot, store } = createMachine();
    const reading = Promise.withResolvers<void>();
    store.working = reading.promise;
    store.kept.ban.set(larger, { since: 0, until: 1_000, by: 'user' });
    const { peers, network, start } = boot();
    const started = start();
    const refusal = network.gate.refusesPeer(larger);
    const dialled = codeOf(peers.dialPeer(larger));
    await turn();
    expect(network.dials).toEqual([]);
    reading.resolve();
    await started;
    await expect(refusal).resolves.toMatch(/banned/);
    await expect(dialled).resolves.toBe('BANNED');
  });

  it('does not overrule what was said while it was read', async () => {
    const { boot, store } = createMachine();
    const reading = Promise.withResolvers<void>();
    store.kept.ban.set(larger, { since: 0, until: 5_000, by: 'user' });
    store.working = reading.promise;
    const { peers, start } = boot();
    const started = start();
    const banned = peers.banPeer(larger, 10, 'later');
    reading.resolve();
    await Promise.all([started, banned]);
    expect(peers.bannedPeers()).toMatchObject([{ until: 10, reason: 'later' }]);
  });

  it('does not keep the node from starting', async () => {
    const { boot, store } = createMachine();
    store.working = Promise.reject(new Error('no disk'));
    const { peers, network, start } = boot();
    await start();
    expect(network.logged).toEqual(['what was kept of peers cannot be read']);
    const dialled = peers.dialPeer(third);
    network.open(third);
    await dialled;
    await peers.stop();
    store.working = Promise.resolve();
    store.kept.ban.set(larger, { since: 0, until: 1_000, by: 'user' });
    await start();
    expect(peers.bannedPeers()).toHaveLength(1);
  });

  it.each([
    ['addresses', 'addPeerAddr'],
    ['maintained', 'maintainConnection'],
  ] as const)('is told when %s cannot be written down, and it holds all the same', async (what, call) => {
    const { boot, store } = createMachine();
    const { peers, start } = boot();
    await start();
    store.working = Promise.reject(new Error('disk full'));
    const asked = peers[call](larger, address);
    await expect(asked).rejects.toMatchObject({ code: 'STORE_FAILED', data: { what, reason: 'disk full' } });
    expect(peers.peerInfo(larger)).toMatchObject(
      what === 'addresses' ? { addresses: [address] } : { isMaintained: true },
    );
  });

  it('is told when the end of maintenance cannot be written down, and it has ended all the same', async () => {
    const { boot, store } = createMachine();
    const { peers, start } = boot();
    await start();
    await peers.maintainConnection(larger);
    store.working = Promise.reject(new Error('disk full'));
    await expect(codeOf(peers.releaseConnection(larger))).resolves.toBe('STORE_FAILED');
    expect(peers.maintainedPeers()).toEqual([]);
  });

  it('is told when a disconnect ends maintenance and that cannot be written down', async () => {
    const { boot, store } = createMachine();
    const { peers, start, network } = boot();
    await start();
    await peers.maintainConnection(larger);
    network.open(larger);
    store.working = Promise.reject(new Error('disk full'));
    await expect(peers.disconnectPeer(larger)).rejects.toMatchObject({
      code: 'STORE_FAILED',
      data: { what: 'maintained' },
    });
    expect([peers.isConnected(larger), peers.maintainedPeers()]).toEqual([false, []]);
    await expect(codeOf(peers.disconnectPeer(larger))).resolves.toBe('STORE_FAILED');
    store.working = Promise.resolve();
    await peers.disconnectPeer(larger);
    expect(store.kept.maintained.size).toBe(0);
  });

  it('is asked again by the same call until it has written down what ended', async () => {
    const { boot, store } = createMachine();
    const { peers, start } = boot();
    await start();
    await peers.maintainConnection(larger);
    await peers.banPeer(larger, 1_000);
    await peers.addPeerAddr(larger, address);
    const calls = ['releaseConnection', 'unbanPeer', 'removePeerAddr'] as const;
    const codes = (): Promise<unknown[]> => Promise.all(calls.map((call) => codeOf(peers[call](larger))));
    store.working = Promise.reject(new Error('disk full'));
    const failed = calls.map(() => 'STORE_FAILED');
    expect([await codes(), await codes()]).toEqual([failed, failed]);
    store.working = Promise.resolve();
    expect(await codes()).toEqual(calls.map(() => 'no error'));
    const { ban, maintained, addresses } = store.kept;
    expect([ban.size, maintained.size, addresses.size]).toEqual([0, 0, 0]);
  });

  it('is waited for when the node stops', async () => {
    const { boot, store } = createMachine();
    const { peers, start } = boot();
    await start();
    await peers.stop();
    await peers.stop();
    expect(store.settledCalls).toBe(2);
  });
});

describe('a service that starts again', () => {
  it('goes on with what it knew', async () => {
    const { boot, clock } = createMachine();
    const { peers, network, start, toldOf } = boot();
    await start();
    await peers.banPeer(larger, 1_000);
    await peers.maintainConnection(smaller);
    await peers.stop();
    expect(network.dials[0]?.signal.aborted).toBe(true);
    await start();
    expect(network.dials.map(({ peerId }) => peerId)).toEqual([smaller, smaller]);
    clock.increment(1_000);
    expect(toldOf('peer:unbanned')).toEqual([{ peerId: larger, by: 'time' }]);
  });

  it('has no timers while it is stopped', async () => {
    const { boot, clock } = createMachine();
    const { peers, network, start, toldOf } = boot({ pingIntervalMs: 1_000 });
    await start();
    network.open(third);
    await peers.banPeer(larger, 1_000);
    await peers.maintainConnection(smaller);
    peers.setConnectionPool({});
    peers.reportPeer(third, 'SERVED');
    await peers.stop();
    const before = [network.dials.length, network.logged.length, toldOf('peer:unbanned').length];
    clock.increment(3_600_000);
    await turn();
    expect([network.dials.length, network.logged.length, toldOf('peer:unbanned').length]).toEqual(before);
  });
});
