import { describe, expect, it } from 'vitest';
import { AddressError, ConfigError } from '@lloom/core';

import { peerMachine } from '../src/machines/peer.machine.ts';
import { createPeers } from '../src/peers.ts';
import { codeOf, fakeNodes, type FakeNode } from './fakeNode.ts';
import { candidateOf, FakeNetwork, larger, self, smaller, turn } from './fakes.ts';

const { machines, createNode } = fakeNodes();
const address = '/ip4/192.168.0.7/tcp/4001';

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
      roles: [],
      reputation: 0,
      isMaintained: false,
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
      [
        'connection:closed',
        { peerId: larger, endpoint, cause: { code: 'RESET', message: 'read ECONNRESET' } },
      ],
    ]);
  });

  it('have no cause when a connection was closed properly', () => {
    const { network, told } = createNode();
    const { openedAt: _, ...endpoint } = network.open(larger).info;
    [...network.connections][0]?.end();
    expect(told.at(-1)).toEqual(['connection:closed', { peerId: larger, endpoint }]);
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
    expect(network.logged).toEqual(['a listener failed']);
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
    const other = createPeers({}, () => new FakeNetwork());
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
    ['dialing', ({ peers }: FakeNode) => void peers.dialPeer(larger).catch(() => undefined)],
    ['connected', ({ network }: FakeNode) => void network.open(larger)],
    [
      'closing',
      ({ network, peers }: FakeNode) => {
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
      (name) => node.told.filter(([told]) => told === name).length,
    );
    expect(closed).toBe(open);
    await expect(codeOf(node.peers.dialPeer(larger))).resolves.toBe('STOPPED');
    await node.peers.disconnectPeer(larger);
  });

  it('tell those who wait', async () => {
    const { peers, network, told } = createNode();
    const connected = codeOf(peers.dialPeer(larger));
    const { openedAt: _, ...endpoint } = network.open(smaller).info;
    network.releasing = new Promise(() => undefined);
    const gone = peers.disconnectPeer(smaller);
    await peers.stop();
    await expect(connected).resolves.toBe('STOPPED');
    await gone;
    expect(told.at(-1)).toEqual([
      'connection:closed',
      { peerId: smaller, endpoint, cause: { code: 'STOPPED', message: 'this node stops' } },
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
    const candidate = candidateOf(larger);
    expect(network.gate.refusesConnection(candidate)).toBeUndefined();
  });

  it('say what is wrong with the configuration', () => {
    expect(() => createPeers({ maxConnections: -1 }, () => new FakeNetwork())).toThrow(ConfigError);
  });
});

describe('snapshot()', () => {
  it('counts all open connections, whomever it describes', () => {
    const { network, peers } = createNode();
    network.open(smaller);
    network.open(larger, { direction: 'inbound' });
    const ended = network.open(larger);
    network.open(larger);
    expect(peers.snapshot(1)).toMatchObject({ peers: [{ peerId: smaller }], known: 2, openConnections: 4 });
    ended.end();
    expect(peers.snapshot().openConnections).toBe(3);
  });
});

describe('inspection', () => {
  it('sees the machine of each peer', () => {
    expect(machines.coverage(peerMachine).taken).toBeGreaterThan(5);
  });
});
