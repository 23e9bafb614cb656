import { once } from 'node:events';
import type { Socket } from 'node:net';
import { multiaddr } from '@multiformats/multiaddr';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { turn } from './fakes.ts';
import {
  addressOf,
  cleanUp,
  closeOf,
  connectTwo,
  createNode,
  createSilentServer,
  createUnknownPeerId,
  errorOf,
  idOf,
  nextEvent,
  nextLibp2pEvent,
  type Node,
  until,
} from './nodes.ts';

afterEach(async () => {
  vi.restoreAllMocks();
  await cleanUp();
});

describe('connection:closed', () => {
  const nextClosed = ({ services }: Node) => nextEvent(services.peers, 'connection:closed');

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
    const [socket] = (await once(silent.server, 'connection')) as [Socket];
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

describe('listenedAddresses()', () => {
  it('are those that the node is bound to', async () => {
    const a = await createNode();
    expect(a.services.peers.listenedAddresses()).toEqual([addressOf(a).replace(/\/p2p\/.*/, '')]);
    await a.stop();
    expect(a.services.peers.listenedAddresses()).toEqual([]);
  });
});
