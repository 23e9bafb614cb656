import { once } from 'node:events';
import net from 'node:net';
import { multiaddr } from '@multiformats/multiaddr';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { toPeerId } from '@lloom/core';

import { PeersError } from '../src/index.ts';
import { turn } from './fakes.ts';
import {
  addressAs,
  addressOf,
  cleanUp,
  createNode,
  createPlainNode,
  createSilentServer,
  createUnknownPeerId,
  findDeadPort,
  idOf,
  nextEvent,
  nextLibp2pEvent,
  until,
  type Node,
} from './nodes.ts';

afterEach(async () => {
  vi.restoreAllMocks();
  await cleanUp();
});

const errorOf = async (promise: Promise<unknown>): Promise<PeersError> => {
  try {
    await promise;
  } catch (error) {
    if (PeersError.is(error)) return error;
    throw error;
  }
  throw new Error('it should have failed');
};

/** Resolves when a socket is closed, however that came about. */
async function closeOf(socket: net.Socket): Promise<void> {
  if (socket.destroyed) return;
  await new Promise((resolve) =>
    socket
      .on('error', () => undefined)
      .on('close', resolve)
      .resume(),
  );
}

/** Opens a connection to a node and says nothing. */
async function knock(node: Node): Promise<net.Socket> {
  const socket = net.connect(Number(addressOf(node).split('/')[4]), '127.0.0.1');
  await new Promise((resolve) =>
    socket
      .on('error', () => undefined)
      .on('connect', resolve)
      .on('close', resolve),
  );
  return socket;
}

const connectionsOf = (node: Node, other: Node) =>
  node.services.peers.peerInfo(idOf(other))?.connections ?? [];

describe('dialPeer()', () => {
  it('connects, and the other node sees it', async () => {
    const [a, b] = await Promise.all([createNode(), createNode()]);
    const seenByB = nextEvent(b.services.peers, 'connection:established');
    const info = await a.services.peers.dialPeer(b.peerId, [addressOf(b)]);
    expect(info).toMatchObject({
      direction: 'outbound',
      remoteAddress: addressOf(b),
      transport: 'tcp',
      relayed: false,
    });
    const { peerId, endpoint } = await seenByB;
    expect(peerId).toBe(idOf(a));
    expect(endpoint).toMatchObject({ direction: 'inbound', transport: 'tcp', relayed: false });
    expect(b.services.peers.connectedPeers()).toEqual([idOf(a)]);
  });

  it('says that nobody listens on a dead port', async () => {
    const [a, b, port] = await Promise.all([createNode(), createNode(), findDeadPort()]);
    const address = `/ip4/127.0.0.1/tcp/${port}`;
    const error = await errorOf(a.services.peers.dialPeer(idOf(b), [address]));
    expect(error).toMatchObject({ code: 'DIAL_FAILED', retryable: true });
    expect(error.data).toMatchObject({
      attempts: [{ address: `${address}/p2p/${idOf(b)}`, reason: 'nobodyListens' }],
    });
    expect(b.services.peers.connectedPeers()).toEqual([]);
  });

  it('names every address that failed', async () => {
    const [a, b, port] = await Promise.all([createNode(), createNode(), findDeadPort()]);
    const unknown = await createUnknownPeerId();
    const addresses = [`/ip4/127.0.0.1/tcp/${port}/p2p/${unknown}`, addressAs(b, unknown)];
    const error = await errorOf(a.services.peers.dialPeer(unknown, addresses));
    const { attempts } = error.data as unknown as { attempts: { address: string; reason: string }[] };
    expect(Object.fromEntries(attempts.map(({ address, reason }) => [address, reason]))).toEqual({
      [addresses[0] ?? '']: 'nobodyListens',
      [addresses[1] ?? '']: 'wrongPeer',
    });
  });

  it('finds the address that works among others', async () => {
    const [a, b, port] = await Promise.all([createNode(), createNode(), findDeadPort()]);
    const info = await a.services.peers.dialPeer(idOf(b), [`/ip4/127.0.0.1/tcp/${port}`, addressOf(b)]);
    expect(info.remoteAddress).toBe(addressOf(b));
    await until([b], () => b.services.peers.isConnected(a.peerId));
  });

  it('says that no address of an unknown peer is known', async () => {
    const a = await createNode();
    const error = await errorOf(a.services.peers.dialPeer(await createUnknownPeerId()));
    expect(error).toMatchObject({ code: 'NO_ADDRESS', data: { unusable: [] } });
  });

  it('says which addresses no transport can use', async () => {
    const [a, peerId] = await Promise.all([createNode(), createUnknownPeerId()]);
    const address = `/ip4/127.0.0.1/udp/1/quic-v1/p2p/${peerId}`;
    const error = await errorOf(a.services.peers.dialPeer(peerId, [address]));
    expect(error).toMatchObject({ code: 'NO_ADDRESS', data: { unusable: [address] } });
  });

  it('says which other peer lives at the address', async () => {
    const [a, b, peerId] = await Promise.all([createNode(), createNode(), createUnknownPeerId()]);
    const error = await errorOf(a.services.peers.dialPeer(peerId, [addressAs(b, peerId)]));
    expect(error).toMatchObject({ code: 'WRONG_PEER', data: { peerId, foundPeerId: idOf(b) } });
    expect(a.services.peers.connectedPeers()).toEqual([]);
    expect(b.services.peers.connectedPeers()).toEqual([]);
  });

  it('gives the same connection the second time', async () => {
    const [a, b] = await Promise.all([createNode(), createNode()]);
    const both = [1, 2].map(() => a.services.peers.dialPeer(idOf(b), [addressOf(b)]));
    const [first, second] = await Promise.all(both);
    const third = await a.services.peers.dialPeer(idOf(b));
    expect(second).toEqual(first);
    expect(third.openedAt).toBe(first?.openedAt);
    await until([b], () => b.services.peers.isConnected(a.peerId));
    expect(connectionsOf(b, a)).toHaveLength(1);
  });

  it('ends with its signal, and hangs up', async () => {
    const [a, peerId, silent] = await Promise.all([
      createNode(),
      createUnknownPeerId(),
      createSilentServer(),
    ]);
    const controller = new AbortController();
    const config = { signal: controller.signal };
    const failed = errorOf(a.services.peers.dialPeer(peerId, [`/ip4/127.0.0.1/tcp/${silent.port}`], config));
    const [socket] = (await once(silent.server, 'connection')) as [net.Socket];
    controller.abort();
    expect(await failed).toMatchObject({ code: 'CANCELLED', data: { by: 'signal' } });
    await closeOf(socket);
  });

  it('says that the other side closed without saying why', async () => {
    const [a, peerId, silent] = await Promise.all([
      createNode(),
      createUnknownPeerId(),
      createSilentServer(),
    ]);
    silent.server.on('connection', (socket) => socket.destroy());
    const error = await errorOf(a.services.peers.dialPeer(peerId, [`/ip4/127.0.0.1/tcp/${silent.port}`]));
    expect(error).toMatchObject({ code: 'DIAL_FAILED', data: { attempts: [{ reason: 'closed' }] } });
  });
});

describe('two nodes that dial each other at the same time', () => {
  it('keep the same single connection', async () => {
    const config = { maxConnectionsPerPeer: 1 };
    for (let round = 0; round < 10; round += 1) {
      const [a, b] = await Promise.all([createNode(config), createNode(config)]);
      const [lesser, greater] = idOf(a) < idOf(b) ? [a, b] : [b, a];
      await Promise.all([
        a.services.peers.dialPeer(idOf(b), [addressOf(b)]),
        b.services.peers.dialPeer(idOf(a), [addressOf(a)]),
      ]);
      await until([a, b], () => {
        const [one, other] = [connectionsOf(lesser, greater), connectionsOf(greater, lesser)];
        return one.length === 1 && other.length === 1 && one[0]?.direction !== other[0]?.direction;
      });
    }
  });
});

describe('limits', () => {
  it('hold in all, for dials and for those who come, until they are raised', async () => {
    const [a, b, c] = await Promise.all([createNode({ maxConnections: 1 }), createNode(), createNode()]);
    await a.services.peers.dialPeer(idOf(b), [addressOf(b)]);
    const refused = await errorOf(c.services.peers.dialPeer(idOf(a), [addressOf(a)]));
    expect(refused).toMatchObject({ code: 'DIAL_FAILED', data: { attempts: [{ reason: 'closed' }] } });
    const full = await errorOf(a.services.peers.dialPeer(idOf(c), [addressOf(c)]));
    expect(full).toMatchObject({ code: 'LIMIT_REACHED', data: { limit: 'maxConnections', value: 1 } });

    a.services.peers.setConnectionLimits({ maxConnections: 2 });
    await c.services.peers.dialPeer(idOf(a), [addressOf(a)]);
    await until([a], () => a.services.peers.connectedPeers().length === 2);

    const pruned = Promise.race([b, c].map(({ services }) => nextEvent(services.peers, 'connection:closed')));
    a.services.peers.setConnectionLimits({ maxConnections: 1 });
    expect((await pruned).peerId).toBe(idOf(a));
    await until([a], () => a.services.peers.connectedPeers().length === 1);
  });

  it('hold per peer against one who opens more and more', async () => {
    const [a, stranger] = await Promise.all([createNode({ maxConnectionsPerPeer: 2 }), createPlainNode()]);
    let open = 0;
    let worst = 0;
    a.services.peers.addEventListener('connection:established', () => (worst = Math.max(worst, (open += 1))));
    a.services.peers.addEventListener('connection:closed', () => (open -= 1));
    for (let count = 0; count < 6; count += 1) {
      const connection = await stranger.dial(multiaddr(addressOf(a)), { force: true }).catch(() => undefined);
      if (count >= 2 && connection?.status === 'open') {
        await new Promise((resolve) => connection.addEventListener('close', resolve, { once: true }));
      }
    }
    expect(worst).toBe(2);
    expect(stranger.getConnections(a.peerId)).toHaveLength(2);
  });

  it('close what is too many to one peer when they are lowered, and the other node sees it', async () => {
    const [a, stranger] = await Promise.all([createNode(), createPlainNode()]);
    for (let count = 0; count < 3; count += 1) await stranger.dial(multiaddr(addressOf(a)), { force: true });
    await until([a], () => a.services.peers.peerInfo(stranger.peerId)?.connections.length === 3);
    const closed = nextLibp2pEvent(stranger, 'connection:close');
    const cause = nextEvent(a.services.peers, 'connection:closed');
    a.services.peers.setConnectionLimits({ maxConnectionsPerPeer: 2 });
    await closed;
    expect((await cause).cause).toMatchObject({ code: 'LIMIT' });
    expect(stranger.getConnections(a.peerId)).toHaveLength(2);
  });

  it('hold for handshakes that do not get on', async () => {
    const a = await createNode({ maxPendingConnections: 1 });
    const first = await knock(a);
    const second = await knock(a);
    await closeOf(second);
    expect(first.destroyed).toBe(false);
    first.destroy();
  });

  it('admit more handshakes at once than libp2p by itself', async () => {
    const [a, b] = await Promise.all([createNode({ maxPendingConnections: 20 }), createPlainNode()]);
    const sockets: net.Socket[] = [];
    while (sockets.length < 15) sockets.push(await knock(a));
    await b.dial(multiaddr(addressOf(a)));
    await until([a], () => a.services.peers.isConnected(b.peerId));
    for (const socket of sockets) socket.destroy();
  });

  it('do not count a handshake that is over', async () => {
    const [a, b, c] = await Promise.all([
      createNode({ maxPendingConnections: 1 }),
      createPlainNode(),
      createPlainNode(),
    ]);
    await b.dial(multiaddr(addressOf(a)));
    await until([a], () => a.services.peers.isConnected(b.peerId));
    await c.dial(multiaddr(addressOf(a)));
    await until([a], () => a.services.peers.isConnected(c.peerId));
  });
});

describe('address policy', () => {
  it('sends nothing to another address under loopback', async () => {
    const [a, peerId] = await Promise.all([createNode(), createUnknownPeerId()]);
    const connect = vi.spyOn(net, 'connect');
    const told = ['/ip4/10.1.2.3/tcp/4001', '/ip6/2001:db8::1/tcp/4001', '/dns4/node.example.org/tcp/4001'];
    const named = await errorOf(a.services.peers.dialPeer(peerId, told));
    expect(named).toMatchObject({ code: 'ADDRESS_REFUSED', retryable: false });
    await a.peerStore.merge(toPeerId(peerId), { multiaddrs: told.map((text) => multiaddr(text)) });
    const known = await errorOf(a.services.peers.dialPeer(peerId));
    expect(known.message).toContain('/ip4/10.1.2.3/tcp/4001');
    expect(known).toMatchObject({ code: 'ADDRESS_REFUSED' });
    await expect(a.dial(toPeerId(peerId))).rejects.toMatchObject({ name: 'DialDeniedError' });
    expect(connect).not.toHaveBeenCalled();
  });

  it('refuses private addresses that others tell under public, but not those of the user', async () => {
    const [a, b] = await Promise.all([createNode({ addressPolicy: 'public' }), createNode()]);
    await a.peerStore.merge(b.peerId, { multiaddrs: [multiaddr(addressOf(b))] });
    await expect(a.dial(b.peerId)).rejects.toMatchObject({ name: 'DialDeniedError' });
    const told = await errorOf(a.services.peers.dialPeer(idOf(b)));
    expect(told.data).toMatchObject({ refusals: [{ reason: 'is of this machine, policy is "public"' }] });
    await a.services.peers.dialPeer(idOf(b), [addressOf(b)]);
    await until([b], () => b.services.peers.isConnected(a.peerId));
  });

  it('asks the gater of the user as well', async () => {
    const b = await createNode();
    const cases = [
      [{ denyDialPeer: () => true }, { code: 'PEER_REFUSED' }],
      [
        { denyDialMultiaddr: () => true },
        {
          code: 'ADDRESS_REFUSED',
          data: { refusals: [{ reason: "the node's connection gater refuses it" }] },
        },
      ],
      [
        { denyOutboundEncryptedConnection: () => true },
        { code: 'DIAL_FAILED', data: { attempts: [{ reason: 'refusedHere' }] } },
      ],
    ] as const;
    for (const [connectionGater, expected] of cases) {
      const a = await createNode({}, { connectionGater: { ...connectionGater } });
      expect(await errorOf(a.services.peers.dialPeer(idOf(b), [addressOf(b)]))).toMatchObject(expected);
    }
    for (const hook of [
      'denyInboundConnection',
      'denyInboundEncryptedConnection',
      'denyInboundUpgradedConnection',
    ]) {
      const a = await createNode({}, { connectionGater: { [hook]: () => true } });
      const closed = nextEvent(b.services.peers, 'connection:closed').then(() => 'closed');
      const failed = b.services.peers.dialPeer(idOf(a), [addressOf(a)]).then(
        () => closed,
        () => 'failed',
      );
      expect(['closed', 'failed']).toContain(await failed);
      expect(a.services.peers.connectedPeers()).toEqual([]);
    }
  });
});

describe('disconnectPeer()', () => {
  it('keeps the peer out as well, until the user wants it', async () => {
    const [a, b] = await Promise.all([createNode(), createNode()]);
    await a.services.peers.dialPeer(idOf(b), [addressOf(b)]);
    await until([b], () => b.services.peers.isConnected(a.peerId));
    const gone = nextEvent(b.services.peers, 'connection:closed');
    await a.services.peers.disconnectPeer(idOf(b));
    await gone;
    const established = vi.fn<() => void>();
    a.services.peers.addEventListener('connection:established', established);
    const refused = nextEvent(b.services.peers, 'connection:closed').then(() => 'closed');
    const outcome = b.services.peers.dialPeer(idOf(a), [addressOf(a)]).then(
      () => refused,
      () => 'failed',
    );
    expect(['closed', 'failed']).toContain(await outcome);
    expect(established).not.toHaveBeenCalled();

    await a.services.peers.dialPeer(idOf(b), [addressOf(b)]);
    await until([a, b], () => connectionsOf(a, b).length === 1 && connectionsOf(b, a).length === 1);
  });

  it('does nothing to a peer that is not there', async () => {
    const [a, peerId] = await Promise.all([createNode(), createUnknownPeerId()]);
    await a.services.peers.disconnectPeer(peerId);
    await a.services.peers.disconnectPeer(peerId);
    expect(a.services.peers.isConnected(peerId)).toBe(false);
  });
});

describe('connection:closed', () => {
  const nextClosed = ({ services }: Node) => nextEvent(services.peers, 'connection:closed');

  async function connectTwo(): Promise<[Node, Node]> {
    const [a, b] = await Promise.all([createNode(), createNode()]);
    await a.services.peers.dialPeer(idOf(b), [addressOf(b)]);
    await until([b], () => b.services.peers.isConnected(a.peerId));
    return [a, b];
  }

  it('has a cause on the side that disconnects, and none on the other', async () => {
    const [a, b] = await connectTwo();
    const events = Promise.all([nextClosed(a), nextClosed(b)]);
    await a.services.peers.disconnectPeer(idOf(b));
    const [ofA, ofB] = await events;
    expect(ofA).toMatchObject({ peerId: idOf(b), cause: { code: 'DISCONNECTED' } });
    expect(ofB).toEqual({
      peerId: idOf(a),
      endpoint: expect.objectContaining({ direction: 'inbound', relayed: false }) as unknown,
    });
  });

  it('tells a connection that was cut from one that was closed', async () => {
    const [a, b] = await connectTwo();
    const event = nextEvent(a.services.peers, 'connection:closed');
    for (const connection of b.getConnections(a.peerId)) connection.abort(new Error('my own reason'));
    expect(await event).toMatchObject({ peerId: idOf(b), cause: { code: 'RESET' } });
  });

  it('says that this node stops', async () => {
    const [a, b] = await connectTwo();
    const events = Promise.all([nextClosed(a), nextClosed(b)]);
    await a.stop();
    const [ofA, ofB] = await events;
    expect(ofA.cause?.code).toBe('STOPPED');
    expect(ofB.peerId).toBe(idOf(a));
  });
});

describe('stopping', () => {
  it('ends a dial that is under way', async () => {
    const [a, peerId, silent] = await Promise.all([
      createNode(),
      createUnknownPeerId(),
      createSilentServer(),
    ]);
    const failed = errorOf(a.services.peers.dialPeer(peerId, [`/ip4/127.0.0.1/tcp/${silent.port}`]));
    const [socket] = (await once(silent.server, 'connection')) as [net.Socket];
    await a.stop();
    expect(await failed).toMatchObject({ code: 'STOPPED' });
    await closeOf(socket);
  });

  it('works while a peer is being disconnected', async () => {
    const [a, b] = await Promise.all([createNode(), createNode()]);
    await a.services.peers.dialPeer(idOf(b), [addressOf(b)]);
    await until([b], () => b.services.peers.isConnected(a.peerId));
    const closed = nextEvent(b.services.peers, 'connection:closed');
    const gone = a.services.peers.disconnectPeer(idOf(b));
    await a.stop();
    await gone;
    expect((await closed).peerId).toBe(idOf(a));
  });

  it('works when the node could not start, and leaves nothing running', async () => {
    const a = await createNode();
    const taken = { addresses: { listen: [addressOf(a).replace(/\/p2p\/.*/, '')] } };
    await expect(createNode({}, taken)).rejects.toMatchObject({ name: 'UnsupportedListenAddressesError' });
  });

  it('can be followed by another start', async () => {
    const [a, b] = await Promise.all([createNode(), createNode()]);
    await a.stop();
    expect(await errorOf(a.services.peers.dialPeer(idOf(b), [addressOf(b)]))).toMatchObject({
      code: 'STOPPED',
    });
    await a.start();
    await a.services.peers.dialPeer(idOf(b), [addressOf(b)]);
    await until([b], () => b.services.peers.isConnected(a.peerId));
  });
});

describe('peerInfo()', () => {
  it('is complete when the peer is identified', async () => {
    const b = await createNode({}, { nodeInfo: { name: 'b', version: '1', userAgent: 'b/1' } });
    const a = await createNode({ services: (peerId) => [{ of: peerId }] });
    const identified = nextLibp2pEvent(a, 'peer:identify');
    await a.services.peers.dialPeer(idOf(b), [addressOf(b)]);
    await identified;
    const info = a.services.peers.peerInfo(idOf(b));
    expect(info).toMatchObject({
      peerId: idOf(b),
      addresses: [addressOf(b).replace(/\/p2p\/.*/, '')],
      agentVersion: 'b/1',
      services: [{ of: idOf(b) }],
      connections: [{ direction: 'outbound', transport: 'tcp' }],
    });
    expect(info?.protocols).toEqual(expect.arrayContaining(['/ipfs/id/1.0.0', '/ipfs/ping/1.0.0']));
  });

  it('does not take what it reads from the store for newer than what has come since', async () => {
    const [a, b] = await Promise.all([createNode(), createNode()]);
    const addresses = () => a.services.peers.peerInfo(idOf(b))?.addresses;
    const old = await a.peerStore.merge(b.peerId, { multiaddrs: [multiaddr('/ip4/127.0.0.1/tcp/8')] });
    await a.stop();
    const reading = Promise.withResolvers<void>();
    vi.spyOn(a.peerStore, 'forEach').mockImplementation(async (tell) => {
      await reading.promise;
      tell(old);
    });
    await a.start();
    await a.peerStore.merge(b.peerId, { multiaddrs: [multiaddr('/ip4/127.0.0.1/tcp/9')] });
    const both = ['/ip4/127.0.0.1/tcp/8', '/ip4/127.0.0.1/tcp/9'];
    expect(addresses()).toEqual(both);
    reading.resolve();
    await turn();
    expect(addresses()).toEqual(both);
  });
});

describe('addPeerAddr()', () => {
  it('is enough for a dial without addresses', async () => {
    const [a, b] = await Promise.all([createNode({ addressPolicy: 'public' }), createNode()]);
    await a.services.peers.addPeerAddr(idOf(b), addressOf(b));
    await a.services.peers.dialPeer(idOf(b));
    await until([b], () => b.services.peers.isConnected(a.peerId));
  });
});

describe('listenedAddresses()', () => {
  it('are those that the node is bound to', async () => {
    const a = await createNode();
    expect(a.services.peers.listenedAddresses()).toEqual([addressOf(a).replace(/\/p2p\/.*/, '')]);
    await a.stop();
    expect(a.services.peers.listenedAddresses()).toEqual([]);
  });
});
