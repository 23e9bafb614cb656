import net from 'node:net';
import { multiaddr } from '@multiformats/multiaddr';
import { afterEach, describe, expect, it } from 'vitest';

import {
  addressOf,
  cleanUp,
  closeOf,
  createNode,
  createPlainNode,
  dial,
  errorOf,
  expectRefused,
  idOf,
  nextEvent,
  nextLibp2pEvent,
  type Node,
  until,
} from './nodes.ts';

afterEach(cleanUp);

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

  it('leave a place for a maintained peer that comes back when strangers have filled the node', async () => {
    const [a, friend] = await Promise.all([createNode({ maxConnections: 2 }), createPlainNode()]);
    const strangers = await Promise.all([createPlainNode(), createPlainNode()]);
    for (const stranger of strangers) await stranger.dial(multiaddr(addressOf(a)));
    await until([a], () => a.services.peers.connectedPeers().length === 2);
    const refused = await createNode();
    await expectRefused(refused, a);
    // Nothing is known of where it is: it has to come by itself.
    await a.services.peers.maintainConnection(friend.peerId);
    await friend.dial(multiaddr(addressOf(a)));
    await until([a], () => a.services.peers.isConnected(friend.peerId) && a.getConnections().length === 2);
    await expectRefused(refused, a);
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

  it('hold for each direction by itself, and are taken back', async () => {
    const [a, b, c] = await Promise.all([createNode(), createNode(), createNode()]);
    const { peers } = a.services;
    peers.setConnectionLimits({ maxInboundConnections: 1, maxOutboundConnections: 0 });
    await dial(b, a);
    await until([a], () => peers.isConnected(b.peerId));
    await expectRefused(c, a);
    const full = await errorOf(dial(a, c));
    expect(full).toMatchObject({
      code: 'LIMIT_REACHED',
      data: { limit: 'maxOutboundConnections', value: 0 },
    });

    peers.setConnectionLimits({ maxOutboundConnections: 1 });
    await dial(a, c);
    await until([c], () => c.services.peers.isConnected(a.peerId));
    await peers.disconnectPeer(c.peerId);
    peers.setConnectionLimits({ maxInboundConnections: 2, maxOutboundConnections: 0 });
    const d = await createNode();
    await dial(d, a);
    await until([a], () => peers.connectedPeers().length === 2);
  });
});
