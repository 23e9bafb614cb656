import { multiaddr } from '@multiformats/multiaddr';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '@lloom/core';

import { codeOf, fakeNodes } from './fakeNode.ts';
import { candidateOf, larger, self, smaller, turn } from './fakes.ts';

const { createNode } = fakeNodes();
const address = '/ip4/192.168.0.7/tcp/4001';

describe('limits', () => {
  it('are given to the network, and can be changed and changed back', () => {
    const { network, peers } = createNode({ maxConnections: 5 });
    const before = {
      maxConnections: 5,
      maxInboundConnections: 5,
      maxOutboundConnections: 5,
      maxConnectionsPerPeer: 3,
      maxConnectionsPerIp: 64,
      maxPendingConnections: 30,
    };
    expect(network.limits).toEqual(before);
    peers.setConnectionLimits({ maxConnections: 9 });
    expect(network.limits).toEqual({
      ...before,
      maxConnections: 9,
      maxInboundConnections: 9,
      maxOutboundConnections: 9,
    });
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
    const [other, third] = [multiaddr('/ip4/192.168.0.8/tcp/1'), multiaddr('/ip4/192.168.0.9/tcp/1')];
    expect(network.gate.refusesInbound(from, [other])).toBeUndefined();
    expect(network.gate.refusesInbound(from, [other, third])).toMatch(/maxPendingConnections is 2/);
  });

  it('refuse whoever has come in while the last place was taken', () => {
    const { network, peers } = createNode({ maxConnections: 1 });
    const candidate = candidateOf(smaller);
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
      const candidate = candidateOf(larger, { direction });
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

  it('leave what is in use when another one comes, whoever has dialled it', () => {
    const { network, clock } = createNode({ maxConnectionsPerPeer: 1 });
    const used = network.open(smaller, { direction: 'outbound' });
    used.isInUse = true;
    expect(network.gate.refusesConnection(candidateOf(smaller))).toBeUndefined();
    clock.increment(5_000);
    expect(network.gate.refusesConnection(candidateOf(smaller))).toMatch(/maxConnectionsPerPeer is 1/);
    expect(network.open(smaller, { direction: 'inbound', openedAt: clock.now() }).isOpen).toBe(false);
    expect(used.isOpen).toBe(true);
  });

  it('leave what is in use when they are lowered, until it is not', async () => {
    const { network, peers, clock } = createNode();
    const all = [1, 2, 3].map((openedAt) => network.open(larger, { openedAt }));
    for (const connection of all) connection.isInUse = true;
    peers.setConnectionLimits({ maxConnectionsPerPeer: 1 });
    const open = () => all.map(({ isOpen }) => isOpen);
    clock.increment(1_000);
    await turn();
    expect(open()).toEqual([true, true, true]);
    all[0]!.isInUse = false;
    clock.increment(1_000);
    await turn();
    expect(open()).toEqual([false, true, true]);
    all[1]!.isInUse = false;
    all[2]!.isInUse = false;
    clock.increment(1_000);
    await turn();
    expect(open()).toEqual([false, true, false]);
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
    const candidate = candidateOf(third, { direction: 'outbound' });
    expect(network.gate.refusesConnection(candidate)).toBe('too many peers');
    expect(network.open(third).isOpen).toBe(false);
    expect(peers.isConnected(third)).toBe(false);
    await peers.disconnectPeer(larger);
    await expect(pending).resolves.toBe('CANCELLED');
    expect(network.gate.refusesConnection(candidate)).toBeUndefined();
  });

  it('refuse inbound connections beyond the total and beyond their own share, before the handshake and after', () => {
    for (const [limits, refusal] of [
      [{ maxConnections: 1 }, /maxConnections is 1/],
      [{ maxInboundConnections: 1 }, /maxInboundConnections is 1/],
    ] as const) {
      const { network } = createNode(limits);
      const from = multiaddr(address);
      network.open(larger, { direction: 'inbound' });
      expect(network.gate.refusesInbound(from, [])).toMatch(refusal);
      expect(network.gate.refusesConnection(candidateOf(smaller))).toMatch(refusal);
    }
  });

  it('stop dials beyond the share of this node, and let others in', async () => {
    const { network, peers } = createNode({ maxOutboundConnections: 1 });
    network.open(larger);
    await expect(peers.dialPeer(smaller)).rejects.toMatchObject({
      code: 'LIMIT_REACHED',
      data: { limit: 'maxOutboundConnections', value: 1 },
    });
    expect(network.gate.refusesConnection(candidateOf(smaller))).toBeUndefined();
    peers.setConnectionLimits({ maxOutboundConnections: 2 });
    const connected = peers.dialPeer(smaller);
    network.open(smaller);
    await connected;
  });

  it('admit what other services dial, and close what is too many a moment later, unless it is in use', async () => {
    const { network, peers, clock, toldOf } = createNode({ maxOutboundConnections: 1 });
    const used = network.open(larger);
    used.isInUse = true;
    network.open(smaller);
    expect(peers.connectedPeers()).toHaveLength(2);
    clock.increment(1_000);
    await turn();
    expect(peers.connectedPeers()).toEqual([larger]);
    expect(toldOf('connection:closed')).toMatchObject([{ peerId: smaller, cause: { code: 'LIMIT' } }]);
  });

  it('are kept when they are lowered, also in all', async () => {
    const { network, peers, clock } = createNode();
    for (const peerId of [smaller, larger]) network.open(peerId);
    peers.setConnectionLimits({ maxConnections: 1 });
    clock.increment(1_000);
    await turn();
    expect(peers.connectedPeers()).toHaveLength(1);
    peers.setConnectionLimits({ maxConnections: 2 });
    network.open(peers.connectedPeers()[0] === larger ? smaller : larger);
    clock.increment(1_000);
    await turn();
    expect(peers.connectedPeers()).toHaveLength(2);
  });
});

describe('the limit for one IP address', () => {
  const peer = (at: string, port = 1): { direction: 'inbound'; remoteAddress: string } => ({
    direction: 'inbound',
    remoteAddress: `${at}/tcp/${port}`,
  });
  const refusal = /maxConnectionsPerIp is 2/;

  it.each([
    ['an IPv4 address', '/ip4/8.8.8.8', '/ip4/8.8.8.9'],
    ['an IPv6 network of 64 bits', '/ip6/2600:1:2:3::1', '/ip6/2600:1:2:4::1'],
    ['an IPv4 address in IPv6', '/ip6/::ffff:8.8.8.8', '/ip6/::ffff:8.8.8.9'],
  ])('counts %s', (_, here, elsewhere) => {
    const { network } = createNode({ maxConnectionsPerIp: 2 });
    const { gate } = network;
    const from = multiaddr(`${here}/tcp/9`);
    const candidate = candidateOf(self.replace('P8', 'P9'), { remoteAddress: from });
    network.open(larger, peer(here));
    expect(gate.refusesInbound(from, [])).toBeUndefined();
    expect(gate.refusesInbound(from, [from])).toMatch(refusal);
    expect(gate.refusesInbound(from, [multiaddr(`${elsewhere}/tcp/9`)])).toBeUndefined();
    const second = network.open(smaller, peer(here, 2));
    expect(gate.refusesInbound(from, [])).toMatch(refusal);
    expect(gate.refusesConnection(candidate)).toMatch(refusal);
    expect(gate.refusesConnection({ ...candidate, direction: 'outbound' })).toBeUndefined();
    expect(gate.refusesInbound(multiaddr(`${elsewhere}/tcp/9`), [])).toBeUndefined();
    second.end();
    expect(gate.refusesInbound(from, [])).toBeUndefined();
  });

  it('takes one IPv6 network for one, and IPv4 for itself however it is written', () => {
    const { network } = createNode({ maxConnectionsPerIp: 2 });
    network.open(larger, peer('/ip6/2600:1:2:3::1'));
    network.open(larger, peer('/ip6/2600:1:2:3:ffff::2'));
    expect(network.gate.refusesInbound(multiaddr('/ip6/2600:1:2:3::9/tcp/1'), [])).toMatch(refusal);
    network.open(smaller, peer('/ip4/8.8.8.8'));
    network.open(smaller, peer('/ip6/::ffff:808:808'));
    expect(network.gate.refusesInbound(multiaddr('/ip4/8.8.8.8/tcp/1'), [])).toMatch(refusal);
  });

  it.each([
    ['loopback', '/ip4/127.0.0.1/tcp/1'],
    ['loopback of IPv6', '/ip6/::1/tcp/1'],
    ['relayed', `/ip4/8.8.8.8/tcp/1/p2p/${smaller}/p2p-circuit`],
  ])('does not count what is %s', (_, remoteAddress) => {
    const { network } = createNode({ maxConnectionsPerIp: 1 });
    network.open(larger, { direction: 'inbound', remoteAddress });
    expect(network.gate.refusesInbound(multiaddr(remoteAddress), [multiaddr(remoteAddress)])).toBeUndefined();
  });

  it.each([
    [30, 7],
    [4, 1],
    [1, 1],
  ])('lets one address have of %i handshakes under way %i', (maxPendingConnections, share) => {
    const { gate } = createNode({ maxPendingConnections }).network;
    const from = multiaddr('/ip4/8.8.8.8/tcp/1');
    const pending = Array.from({ length: share }, () => from);
    expect(gate.refusesInbound(from, pending.slice(1))).toBeUndefined();
    expect(gate.refusesInbound(from, pending)).toMatch(/maxPendingConnections/);
    const other = gate.refusesInbound(multiaddr('/ip4/8.8.8.9/tcp/1'), pending);
    expect(other === undefined).toBe(share < maxPendingConnections);
  });

  it('counts what others have opened only', () => {
    const { network } = createNode({ maxConnectionsPerIp: 1 });
    network.open(larger, { ...peer('/ip4/8.8.8.8'), direction: 'outbound' });
    expect(network.gate.refusesInbound(multiaddr('/ip4/8.8.8.8/tcp/1'), [])).toBeUndefined();
  });
});
