import { recordFile } from '@lloom/inspector/vitest';
import { multiaddr } from '@multiformats/multiaddr';
import { afterEach, describe, expect, it } from 'vitest';
import { AddressError, ConfigError } from '@lloom/core';

import type { PeersConfig } from '../src/config.ts';
import { PeersError } from '../src/errors.ts';
import { peerMachine } from '../src/machines/peer.machine.ts';
import { createPeers } from '../src/peers.ts';
import type { PeersPorts } from '../src/ports.ts';
import { FakeClock, FakeNetwork, larger, self, smaller, turn } from './fakes.ts';

const machines = recordFile();
const running: { stop(): void | Promise<void> }[] = [];

function createNode(config: PeersConfig & PeersPorts = {}) {
  const network = new FakeNetwork();
  const clock = new FakeClock();
  const peers = createPeers({ clock, inspect: machines.inspect as never, ...config }, network);
  const told: unknown[] = [];
  for (const type of ['connection:established', 'connection:closed'] as const) {
    peers.addEventListener(type, ({ detail }) => told.push([type, detail]));
  }
  void peers.start();
  running.push(peers);
  return { network, clock, peers, told };
}

const codeOf = async (promise: Promise<unknown>): Promise<unknown> => {
  try {
    await promise;
    return 'no error';
  } catch (error) {
    return PeersError.is(error) ? error.code : error;
  }
};

const address = '/ip4/192.168.0.7/tcp/4001';

afterEach(async () => {
  for (const node of running.splice(0)) await node.stop();
});

describe('dialPeer()', () => {
  it('gives the connection that the dial leads to', async () => {
    const { network, peers } = createNode();
    const connected = peers.dialPeer(larger, [address]);
    expect(network.lastDial).toMatchObject({ peerId: larger, addresses: [`${address}/p2p/${larger}`] });
    const { info } = network.open(larger);
    await expect(connected).resolves.toBe(info);
    expect(peers.isConnected(larger)).toBe(true);
    expect(peers.connectedPeers()).toEqual([larger]);
  });

  it('takes objects as well as text', async () => {
    const { network, peers } = createNode();
    const connected = peers.dialPeer(larger, [multiaddr(`${address}/p2p/${larger}`)]);
    expect(network.lastDial.addresses).toEqual([`${address}/p2p/${larger}`]);
    network.open(larger);
    await connected;
  });

  it('gives the connection that there is, a direct one first', async () => {
    const { network, peers } = createNode();
    network.open(larger, { relayed: true });
    const { info } = network.open(larger, { direction: 'inbound' });
    await expect(peers.dialPeer(larger, [address])).resolves.toBe(info);
    expect(network.dials).toEqual([]);
  });

  it('shares one dial among all who want the same', async () => {
    const { network, peers } = createNode();
    const all = [peers.dialPeer(larger), peers.dialPeer(larger), peers.dialPeer(larger)];
    expect(network.dials).toHaveLength(1);
    network.open(larger);
    expect(new Set(await Promise.all(all)).size).toBe(1);
  });

  it('tries the addresses of those who came later when the first dial fails', async () => {
    const { network, peers } = createNode();
    const first = codeOf(peers.dialPeer(larger, ['/memory/a', '/memory/b']));
    const covered = codeOf(peers.dialPeer(larger, ['/memory/b']));
    const second = peers.dialPeer(larger, ['/memory/c']);
    network.lastDial.fail(new PeersError('DIAL_FAILED', { peerId: larger, attempts: [] }));
    await expect(first).resolves.toBe('DIAL_FAILED');
    await expect(covered).resolves.toBe('DIAL_FAILED');
    expect(network.lastDial.addresses).toEqual([`/memory/c/p2p/${larger}`]);
    network.open(larger);
    await second;
  });

  it('passes the error of the network on, with its cause', async () => {
    const { network, peers } = createNode();
    const cause = new Error('connect ECONNREFUSED');
    const error = new PeersError('NO_ADDRESS', { peerId: larger, unusable: [] }, { cause });
    const connected = peers.dialPeer(larger);
    network.lastDial.fail(error);
    await expect(connected).rejects.toBe(error);
    expect(peers.isConnected(larger)).toBe(false);
  });

  it('takes an unforeseen error for a failed dial', async () => {
    const { network, peers } = createNode();
    const connected = peers.dialPeer(larger);
    network.lastDial.fail(new Error('surprise'));
    await expect(connected).rejects.toMatchObject({
      code: 'DIAL_FAILED',
      data: { attempts: [{ reason: 'other', message: 'surprise' }] },
    });
  });

  it('says so when the connection is gone at once', async () => {
    const { network, peers } = createNode();
    const connected = peers.dialPeer(larger);
    network.lastDial.end();
    await expect(connected).rejects.toMatchObject({ data: { attempts: [{ reason: 'closed' }] } });
  });

  it('gives up after dialTimeoutMs and ends the dial', async () => {
    const { network, peers, clock } = createNode({ dialTimeoutMs: 500 });
    const connected = peers.dialPeer(larger);
    clock.increment(500);
    await expect(connected).rejects.toMatchObject({ code: 'DIAL_TIMEOUT', data: { limitMs: 500 } });
    expect(network.lastDial.signal.aborted).toBe(true);
  });

  it('lets one caller go and dials on for the others', async () => {
    const { network, peers } = createNode();
    const [one, two] = [new AbortController(), new AbortController()];
    const first = codeOf(peers.dialPeer(larger, [], { signal: one.signal }));
    const second = codeOf(peers.dialPeer(larger, [], { signal: two.signal }));
    one.abort();
    await expect(first).resolves.toBe('CANCELLED');
    expect(network.lastDial.signal.aborted).toBe(false);
    two.abort();
    await expect(second).resolves.toBe('CANCELLED');
    expect(network.lastDial.signal.aborted).toBe(true);
  });

  it('takes a cancel for nothing else, whatever the aborted dial says', async () => {
    const { network, peers } = createNode();
    const controller = new AbortController();
    const connected = peers.dialPeer(larger, [], { signal: controller.signal });
    const { signal, fail } = network.lastDial;
    const aborted = Object.assign(new Error('The operation was aborted'), { name: 'AbortError' });
    signal.addEventListener('abort', () => fail(aborted));
    controller.abort();
    await expect(connected).rejects.toMatchObject({ code: 'CANCELLED', data: { by: 'signal' } });
  });

  it('goes on to the next wish when those of the current dial are gone', async () => {
    const { network, peers } = createNode();
    const controller = new AbortController();
    const first = codeOf(peers.dialPeer(larger, ['/memory/a'], { signal: controller.signal }));
    const second = peers.dialPeer(larger, ['/memory/b']);
    controller.abort();
    await expect(first).resolves.toBe('CANCELLED');
    expect(network.lastDial.addresses).toEqual([`/memory/b/p2p/${larger}`]);
    network.open(larger);
    await second;
  });

  it('does not begin when its signal has ended', async () => {
    const { network, peers } = createNode();
    await expect(codeOf(peers.dialPeer(larger, [], { signal: AbortSignal.abort() }))).resolves.toBe(
      'CANCELLED',
    );
    expect(network.dials).toEqual([]);
  });

  it('leaves a dial to its end when the peer came in first, for a limited time', async () => {
    const { network, peers, clock } = createNode({ dialTimeoutMs: 500 });
    const connected = peers.dialPeer(larger);
    const { info } = network.open(larger, { direction: 'inbound' });
    await expect(connected).resolves.toBe(info);
    expect(network.lastDial.signal.aborted).toBe(false);
    clock.increment(500);
    expect(network.lastDial.signal.aborted).toBe(true);
    await turn();
    expect(peers.isConnected(larger)).toBe(true);
  });

  it('does not wait for a connection that somebody is closing and that takes its time', async () => {
    const { network, peers } = createNode();
    network.open(larger).isOpen = false;
    const connected = peers.dialPeer(larger);
    expect(network.dials).toHaveLength(1);
    const { info } = network.open(larger);
    await expect(connected).resolves.toBe(info);
  });

  it('tells the time limit of the dial that ran into it, not what an earlier one says late', async () => {
    const { network, peers, clock } = createNode({ dialTimeoutMs: 500 });
    const first = codeOf(peers.dialPeer(larger));
    clock.increment(500);
    await expect(first).resolves.toBe('DIAL_TIMEOUT');
    const second = peers.dialPeer(larger);
    network.dials[0]?.fail(new PeersError('DIAL_TIMEOUT', { peerId: larger, attempts: [] }));
    await turn();
    clock.increment(500);
    await expect(second).rejects.toMatchObject({ code: 'DIAL_TIMEOUT', data: { limitMs: 500 } });
  });

  it('refuses bad input before it does anything', async () => {
    const { network, peers } = createNode();
    await expect(peers.dialPeer('nobody')).rejects.toThrow(AddressError);
    await expect(peers.dialPeer(larger, ['/ip4/example.org/tcp/1'])).rejects.toThrow(AddressError);
    await expect(codeOf(peers.dialPeer(self))).resolves.toBe('OWN_PEER');
    await expect(codeOf(peers.dialPeer(larger, ['/ip4/0.0.0.0/tcp/1']))).resolves.toBe('ADDRESS_REFUSED');
    const wrong = peers.dialPeer(larger, [`${address}/p2p/${smaller}`]);
    await expect(wrong).rejects.toMatchObject({ code: 'WRONG_PEER', data: { foundPeerId: smaller } });
    expect(network.dials).toEqual([]);
  });

  it('drops refused addresses when others are left', async () => {
    const { network, peers } = createNode({ addressPolicy: 'loopback' });
    const connected = peers.dialPeer(larger, ['/ip4/10.0.0.1/tcp/1', '/ip4/127.0.0.1/tcp/1']);
    expect(network.lastDial.addresses).toEqual([`/ip4/127.0.0.1/tcp/1/p2p/${larger}`]);
    network.open(larger);
    await connected;
  });
});

describe('limits', () => {
  it('are given to the network, and can be changed and changed back', () => {
    const { network, peers } = createNode({ maxConnections: 5 });
    const before = { maxConnections: 5, maxConnectionsPerPeer: 3, maxPendingConnections: 30 };
    expect(network.limits).toEqual(before);
    peers.setConnectionLimits({ maxConnections: 9 });
    expect(network.limits).toEqual({ ...before, maxConnections: 9 });
    peers.setConnectionLimits(before);
    expect(peers.connectionLimits).toEqual(before);
    expect(() => peers.setConnectionLimits({ maxPendingConnections: 0 })).toThrow(ConfigError);
    expect(peers.connectionLimits).toEqual(before);
  });

  it('stop dials when all connections are taken', async () => {
    const { network, peers } = createNode({ maxConnections: 1 });
    network.open(smaller);
    await expect(peers.dialPeer(larger)).rejects.toMatchObject({
      code: 'LIMIT_REACHED',
      data: { limit: 'maxConnections', value: 1 },
    });
  });

  it('stop dials when too many are under way, except those that join', async () => {
    const { network, peers } = createNode({ maxPendingConnections: 1 });
    const first = peers.dialPeer(larger);
    await expect(peers.dialPeer(smaller)).rejects.toMatchObject({ data: { limit: 'maxPendingConnections' } });
    const joined = peers.dialPeer(larger);
    network.open(larger);
    await Promise.all([first, joined]);
    const later = peers.dialPeer(smaller);
    network.open(smaller);
    await later;
  });

  it('refuse inbound handshakes beyond the pending ones', () => {
    const { network } = createNode({ maxPendingConnections: 2 });
    const from = multiaddr(address);
    expect(network.gate.refusesInbound(from, 1)).toBeUndefined();
    expect(network.gate.refusesInbound(from, 2)).toMatch(/maxPendingConnections is 2/);
  });

  it('refuse whoever has come in while the last place was taken', () => {
    const { network, peers } = createNode({ maxConnections: 1 });
    const candidate = { peerId: smaller, direction: 'inbound', relayed: false } as const;
    expect(network.gate.refusesConnection(candidate)).toBeUndefined();
    network.open(larger);
    expect(network.gate.refusesConnection(candidate)).toMatch(/maxConnections is 1/);
    expect(network.gate.refusesConnection({ ...candidate, direction: 'outbound' })).toBeUndefined();
    peers.setConnectionLimits({ maxConnections: 2 });
    expect(network.gate.refusesConnection(candidate)).toBeUndefined();
  });

  it('refuse one more connection to a peer in both directions', () => {
    const { network } = createNode({ maxConnectionsPerPeer: 1 });
    network.open(larger);
    for (const direction of ['inbound', 'outbound'] as const) {
      const candidate = { peerId: larger, direction, relayed: false };
      expect(network.gate.refusesConnection(candidate)).toMatch(/maxConnectionsPerPeer is 1/);
      expect(network.gate.refusesConnection({ ...candidate, peerId: smaller })).toBeUndefined();
    }
  });

  it('close what is too many to one peer: of two dials at once the one of the smaller id stays', () => {
    for (const [peerId, kept] of [
      [larger, 'outbound'],
      [smaller, 'inbound'],
    ] as const) {
      const { network, told } = createNode({ maxConnectionsPerPeer: 1 });
      network.open(peerId, { direction: 'outbound' });
      network.open(peerId, { direction: 'inbound' });
      expect([...network.connections].map(({ info }) => info.direction)).toEqual([kept]);
      expect(told.at(-1)).toMatchObject(['connection:closed', { peerId, cause: { code: 'LIMIT' } }]);
    }
  });

  it('close what is too many when they are lowered', () => {
    const { network, peers } = createNode();
    for (const openedAt of [1, 2, 3]) network.open(larger, { openedAt });
    peers.setConnectionLimits({ maxConnectionsPerPeer: 1 });
    expect([...network.connections].map(({ info }) => info.openedAt)).toEqual([1]);
    expect(peers.isConnected(larger)).toBe(true);
  });

  it('bound how many peers are kept track of', async () => {
    const { network, peers } = createNode({ maxConnections: 1, maxPendingConnections: 1 });
    network.open(smaller);
    peers.setConnectionLimits({ maxConnections: 2 });
    const pending = codeOf(peers.dialPeer(larger));
    peers.setConnectionLimits({ maxConnections: 1 });
    const third = '12D3KooWGjqaK5MoJ3d7N1v5TyzQdp1KPXwpwdvnH49uT6M8PNsp';
    await expect(codeOf(peers.disconnectPeer(third))).resolves.toBe('LIMIT_REACHED');
    const candidate = { peerId: third, direction: 'outbound', relayed: false } as const;
    expect(network.gate.refusesConnection(candidate)).toBe('too many peers');
    expect(network.open(third).isOpen).toBe(false);
    expect(peers.isConnected(third)).toBe(false);
    await peers.disconnectPeer(larger);
    await expect(pending).resolves.toBe('CANCELLED');
    expect(network.gate.refusesConnection(candidate)).toBeUndefined();
  });
});

describe('disconnectPeer()', () => {
  it('closes every connection and says why', async () => {
    const { network, peers, told } = createNode();
    network.open(larger);
    network.open(larger);
    const done = peers.disconnectPeer(larger);
    expect(peers.isConnected(larger)).toBe(false);
    await done;
    expect(network.released).toEqual([larger]);
    const cause = { code: 'DISCONNECTED', message: 'disconnectPeer was called' };
    expect(told.slice(2)).toEqual([
      ['connection:closed', { peerId: larger, cause }],
      ['connection:closed', { peerId: larger, cause }],
    ]);
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
    const candidate = { peerId: larger, direction: 'inbound', relayed: false } as const;
    await expect(network.gate.refusesPeer(larger)).resolves.toMatch(/disconnected/);
    expect(network.gate.refusesConnection(candidate)).toMatch(/disconnected/);
    expect(network.open(larger, { direction: 'inbound' }).isOpen).toBe(false);
    clock.increment(100);
    await expect(network.gate.refusesPeer(larger)).resolves.toBeUndefined();
    expect(network.gate.refusesConnection(candidate)).toBeUndefined();
    expect(network.open(larger, { direction: 'inbound' }).isOpen).toBe(true);
  });

  it('lets the peer come back when the user dials it', async () => {
    const { network, peers } = createNode();
    await peers.disconnectPeer(larger);
    const connected = peers.dialPeer(larger);
    await expect(network.gate.refusesPeer(larger)).resolves.toBeUndefined();
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

describe('address policy', () => {
  const isRefused = (node: ReturnType<typeof createNode>, text: string): boolean =>
    node.network.gate.refusesAddress(multiaddr(text)) !== undefined;

  it('holds for what others tell, and lets the user name what he likes', async () => {
    const node = createNode();
    expect(isRefused(node, `${address}/p2p/${larger}`)).toBe(true);
    const connected = node.peers.dialPeer(larger, [address]);
    expect(isRefused(node, `${address}/p2p/${larger}`)).toBe(false);
    expect(isRefused(node, `${address}/p2p/${smaller}`)).toBe(true);
    node.network.open(larger);
    await connected;
    node.network.lastDial.end();
    await turn();
    expect(isRefused(node, `${address}/p2p/${larger}`)).toBe(true);
  });

  it('holds for the addresses of a dial that others have told', async () => {
    const { network, peers } = createNode();
    const dial = (...addresses: string[]) => peers.dialPeer(larger, addresses, { toldBy: 'peers' });
    await expect(codeOf(dial(address))).resolves.toBe('ADDRESS_REFUSED');
    const connected = dial(address, '/ip4/8.8.8.8/tcp/1');
    expect(network.lastDial.addresses).toEqual([`/ip4/8.8.8.8/tcp/1/p2p/${larger}`]);
    network.open(larger);
    await connected;
  });

  it('counts dials that name the same address', async () => {
    const node = createNode();
    const first = node.peers.dialPeer(larger, [address]);
    node.network.open(larger);
    await first;
    await node.peers.disconnectPeer(larger);
    const second = node.peers.dialPeer(larger, [address]);
    node.network.dials[0]?.end();
    await turn();
    expect(isRefused(node, `${address}/p2p/${larger}`)).toBe(false);
    node.network.open(larger);
    await second;
  });

  it('admits nothing else under loopback, not even by the user, nor from outside', async () => {
    const node = createNode({ addressPolicy: 'loopback' });
    await expect(node.peers.dialPeer(larger, ['/ip4/10.1.2.3/tcp/1'])).rejects.toMatchObject({
      code: 'ADDRESS_REFUSED',
      data: { refusals: [{ address: '/ip4/10.1.2.3/tcp/1', reason: 'is private, policy is "loopback"' }] },
    });
    await expect(codeOf(node.peers.addPeerAddr(larger, address))).resolves.toBe('ADDRESS_REFUSED');
    expect(node.network.gate.refusesInbound(multiaddr(address), 0)).toMatch(/policy is "loopback"/);
    expect(node.network.gate.refusesInbound(multiaddr('/ip4/127.0.0.1/tcp/9'), 0)).toBeUndefined();
    expect(node.network.dials).toEqual([]);
  });

  it('does not ask where others come from otherwise', () => {
    const { network } = createNode();
    expect(network.gate.refusesInbound(multiaddr(address), 0)).toBeUndefined();
  });
});

describe('addPeerAddr()', () => {
  const full = `${address}/p2p/${larger}`;

  it('puts the address back before each dial of the peer', async () => {
    const { network, peers } = createNode();
    await peers.addPeerAddr(larger, address);
    await peers.addPeerAddr(larger, full);
    expect(network.remembered).toHaveLength(2);
    await expect(network.gate.refusesPeer(larger)).resolves.toBeUndefined();
    expect(network.remembered.at(-1)).toEqual({ peerId: larger, addresses: [full] });
    await network.gate.refusesPeer(smaller);
    expect(network.remembered).toHaveLength(3);
  });

  it('makes it one of the user, and shows it', async () => {
    const { network, peers } = createNode();
    await peers.addPeerAddr(larger, full);
    expect(network.gate.refusesAddress(multiaddr(full))).toBeUndefined();
    expect(network.gate.refusesAddress(multiaddr(address))).toBeDefined();
    expect(peers.peerInfo(larger)).toEqual({
      peerId: larger,
      addresses: [address],
      protocols: [],
      services: [],
      connections: [],
    });
  });

  it('keeps the latest 16 of a peer', async () => {
    const { peers } = createNode();
    for (let port = 1; port <= 20; port += 1) await peers.addPeerAddr(larger, `/ip4/192.168.0.7/tcp/${port}`);
    const kept = peers.peerInfo(larger)?.addresses;
    expect(kept).toHaveLength(16);
    expect(kept?.[0]).toBe('/ip4/192.168.0.7/tcp/5');
  });

  it('works on a node that does not run, and passes errors of the store on', async () => {
    const network = new FakeNetwork();
    const peers = createPeers({}, network);
    await peers.addPeerAddr(larger, address);
    network.rememberFailure = new Error('disk full');
    await expect(peers.addPeerAddr(larger, '/ip4/192.168.0.8/tcp/1')).rejects.toThrow('disk full');
  });

  it('refuses what cannot be', async () => {
    const { peers } = createNode();
    await expect(codeOf(peers.addPeerAddr(larger, `${address}/p2p/${smaller}`))).resolves.toBe('WRONG_PEER');
    await expect(codeOf(peers.addPeerAddr(larger, '/ip4/1.2.3.4/tcp/0'))).resolves.toBe('ADDRESS_REFUSED');
    await expect(codeOf(peers.addPeerAddr(self, address))).resolves.toBe('OWN_PEER');
  });
});

describe('peerInfo()', () => {
  it('joins what the store, the connections and the port know', () => {
    const { network, peers } = createNode({ services: (peerId) => [{ kind: 'executor', peerId }] });
    const { info } = network.open(larger, { direction: 'inbound', rttMs: 3 });
    network.record({ peerId: larger, addresses: [address], protocols: ['/a/1'], agentVersion: 'node/1' });
    expect(peers.peerInfo(larger)).toEqual({
      peerId: larger,
      addresses: [address],
      protocols: ['/a/1'],
      agentVersion: 'node/1',
      services: [{ kind: 'executor', peerId: larger }],
      connections: [info],
    });
  });

  it('is nothing for a peer that is not known', () => {
    const { peers } = createNode();
    expect(peers.peerInfo(larger)).toBeUndefined();
    expect(() => peers.peerInfo('nobody')).toThrow(AddressError);
  });

  it('forgets the oldest peers that are not connected', () => {
    const { network, peers } = createNode({ maxKnownPeers: 1 });
    network.open(smaller);
    for (const peerId of [smaller, larger, self])
      network.record({ peerId, addresses: [], protocols: ['/a/1'] });
    expect(peers.peerInfo(smaller)?.protocols).toEqual(['/a/1']);
    expect(peers.peerInfo(larger)).toBeUndefined();
  });
});

describe('events', () => {
  it('tell of each connection once, whoever dialled', () => {
    const { network, told } = createNode();
    const connection = network.open(larger, {
      direction: 'inbound',
      openedAt: 5,
      rttMs: 1,
      limits: { bytes: 9 },
    });
    network.repeat(connection);
    connection.end(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
    connection.end();
    const { openedAt: _, rttMs: __, ...endpoint } = connection.info;
    expect(told).toEqual([
      ['connection:established', { peerId: larger, endpoint }],
      ['connection:closed', { peerId: larger, cause: { code: 'RESET', message: 'read ECONNRESET' } }],
    ]);
  });

  it('have no cause when a connection was closed properly', () => {
    const { network, told } = createNode();
    network.open(larger).end();
    expect(told.at(-1)).toEqual(['connection:closed', { peerId: larger }]);
  });

  it('come when the getters know already', () => {
    const { network, peers } = createNode();
    const seen: boolean[] = [];
    for (const type of ['connection:established', 'connection:closed'] as const) {
      peers.addEventListener(type, ({ detail }) => seen.push(peers.isConnected(detail.peerId)));
    }
    network.open(larger).end();
    expect(seen).toEqual([true, false]);
  });

  it('can be iterated over until the node stops', async () => {
    const { network, peers } = createNode();
    const iterable = peers.events();
    network.open(larger);
    await peers.stop();
    const types: string[] = [];
    for await (const event of iterable) types.push(event.type);
    expect(types).toEqual(['connection:established', 'connection:closed']);
  });

  it('survive a listener that throws', () => {
    const { network, peers } = createNode();
    peers.addEventListener('connection:established', () => {
      throw new Error('mine');
    });
    network.open(larger);
    expect(peers.isConnected(larger)).toBe(true);
    expect(network.logged).toEqual(['a listener of connection:established failed']);
  });

  it('can be passed on and listened to no more', () => {
    const { network, peers } = createNode();
    const seen: string[] = [];
    const listener = (): unknown => seen.push('listener');
    peers.addEventListener('connection:established', listener);
    const end = peers.forwardTo({
      emit: (type) => void seen.push(type),
      isObserved: () => true,
      whenObserved: () => undefined,
    });
    network.open(larger);
    end();
    peers.removeEventListener('connection:established', listener);
    network.open(larger);
    expect(seen).toEqual(['listener', 'connection:established']);
  });
});

describe('start() and stop()', () => {
  it('may be called twice, and stop without start', async () => {
    const { peers, network } = createNode();
    await peers.start();
    await peers.stop();
    await peers.stop();
    expect(network.isWatched).toBe(false);
    const other = createPeers({}, new FakeNetwork());
    await other.stop();
  });

  it('find the connections that there are', async () => {
    const { peers, network } = createNode();
    network.open(larger);
    await peers.stop();
    expect(peers.connectedPeers()).toEqual([]);
    await peers.start();
    expect(peers.connectedPeers()).toEqual([larger]);
  });

  it.each([
    ['disconnected', () => undefined],
    [
      'dialing',
      ({ peers }: ReturnType<typeof createNode>) => void peers.dialPeer(larger).catch(() => undefined),
    ],
    ['connected', ({ network }: ReturnType<typeof createNode>) => void network.open(larger)],
    [
      'closing',
      ({ network, peers }: ReturnType<typeof createNode>) => {
        network.open(larger);
        network.releasing = new Promise(() => undefined);
        void peers.disconnectPeer(larger);
      },
    ],
  ])('leave nothing behind when a peer is %s', async (_, arrive) => {
    const node = createNode();
    arrive(node);
    await node.peers.stop();
    expect(node.peers.connectedPeers()).toEqual([]);
    expect(node.network.dials.every(({ signal }) => signal.aborted)).toBe(true);
    const [open, closed] = ['connection:established', 'connection:closed'].map(
      (name) => node.told.filter((event) => (event as [string])[0] === name).length,
    );
    expect(closed).toBe(open);
    await expect(codeOf(node.peers.dialPeer(larger))).resolves.toBe('STOPPED');
    await node.peers.disconnectPeer(larger);
  });

  it('tell those who wait', async () => {
    const { peers, network, told } = createNode();
    const connected = codeOf(peers.dialPeer(larger));
    network.open(smaller);
    network.releasing = new Promise(() => undefined);
    const gone = peers.disconnectPeer(smaller);
    await peers.stop();
    await expect(connected).resolves.toBe('STOPPED');
    await gone;
    expect(told.at(-1)).toEqual([
      'connection:closed',
      { peerId: smaller, cause: { code: 'STOPPED', message: 'this node stops' } },
    ]);
  });

  it('end a dial that was overtaken, too', async () => {
    const { peers, network } = createNode();
    const connected = peers.dialPeer(larger);
    network.open(larger, { direction: 'inbound' });
    await connected;
    expect(network.lastDial.signal.aborted).toBe(false);
    await peers.stop();
    expect(network.lastDial.signal.aborted).toBe(true);
  });

  it('hold no peer that nobody needs', async () => {
    const { network, peers } = createNode({ maxConnections: 1, maxPendingConnections: 1 });
    for (let round = 0; round < 20; round += 1) {
      const peerId = round % 2 === 0 ? larger : smaller;
      const connected = codeOf(peers.dialPeer(peerId));
      if (round % 3 === 0) network.lastDial.fail(new Error('no'));
      else network.open(peerId).end();
      await connected;
      await turn();
    }
    const candidate = { peerId: larger, direction: 'inbound', relayed: false } as const;
    expect(network.gate.refusesConnection(candidate)).toBeUndefined();
  });

  it('say what is wrong with the configuration', () => {
    expect(() => createPeers({ maxConnections: -1 }, new FakeNetwork())).toThrow(ConfigError);
  });
});

describe('listenedAddresses()', () => {
  it('is what the network is bound to', () => {
    expect(createNode().peers.listenedAddresses()).toEqual(['/ip4/127.0.0.1/tcp/4001']);
  });
});

describe('inspection', () => {
  it('sees the machine of each peer', () => {
    expect(machines.coverage(peerMachine).taken).toBeGreaterThan(12);
  });
});
