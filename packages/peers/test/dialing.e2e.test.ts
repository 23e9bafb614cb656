import { once } from 'node:events';
import net from 'node:net';
import { multiaddr } from '@multiformats/multiaddr';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { toPeerId } from '@lloom/core';

import {
  addressAs,
  addressOf,
  cleanUp,
  closeOf,
  connectionsOf,
  createNode,
  createSilentServer,
  createUnknownPeerId,
  errorOf,
  findDeadPort,
  idOf,
  nextEvent,
  until,
} from './nodes.ts';

afterEach(async () => {
  vi.restoreAllMocks();
  await cleanUp();
});

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

  it('works in the moment after a disconnect, while libp2p still ends the dial before', async () => {
    const [a, b] = await Promise.all([createNode(), createNode()]);
    const refusals: unknown[] = [];
    for (let round = 0; round < 30; round += 1) {
      await a.services.peers
        .dialPeer(b.peerId, [addressOf(b)])
        .catch((error: unknown) => refusals.push(error));
      await a.services.peers.disconnectPeer(b.peerId);
    }
    expect(refusals).toEqual([]);
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
