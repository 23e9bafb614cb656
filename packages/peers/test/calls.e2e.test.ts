import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LevelDatastore } from 'datastore-level';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';

import {
  addressOf,
  areConnected,
  cleanUp,
  connectionsOf,
  connectTwo,
  createNode,
  createUnknownPeerId,
  dial,
  expectRefused,
  findDeadPort,
  idOf,
  nextEvent,
  until,
  type Node,
} from './nodes.ts';

afterEach(cleanUp);

const withoutId = (address: string): string => address.replace(/\/p2p\/.*/, '');

describe('disconnectPeer()', () => {
  it('keeps the peer out as well, until the user wants it', async () => {
    const [a, b] = await connectTwo();
    const gone = nextEvent(b.services.peers, 'connection:closed');
    await a.services.peers.disconnectPeer(idOf(b));
    await gone;
    await expectRefused(b, a);
    await dial(a, b);
    await until([a, b], () => connectionsOf(a, b).length === 1 && connectionsOf(b, a).length === 1);
  });

  it('does nothing to a peer that is not there', async () => {
    const [a, peerId] = await Promise.all([createNode(), createUnknownPeerId()]);
    await a.services.peers.disconnectPeer(peerId);
    await a.services.peers.disconnectPeer(peerId);
    expect(a.services.peers.isConnected(peerId)).toBe(false);
  });
});

describe('addPeerAddr()', () => {
  it('is enough for a dial without addresses', async () => {
    const [a, b] = await Promise.all([createNode({ addressPolicy: 'public' }), createNode()]);
    await a.services.peers.addPeerAddr(idOf(b), addressOf(b));
    await a.services.peers.dialPeer(idOf(b));
    await until([b], () => b.services.peers.isConnected(a.peerId));
  });

  it('takes what a transport can dial or a name can become, and nothing else', async () => {
    const [a, peerId] = await Promise.all([createNode({ addressPolicy: 'public' }), createUnknownPeerId()]);
    const { peers } = a.services;
    for (const useless of ['/ip4/127.0.0.1', '/ip4/127.0.0.1/udp/4001/quic-v1'])
      await expect(peers.addPeerAddr(peerId, useless)).rejects.toMatchObject({ code: 'NO_ADDRESS' });
    expect(peers.peerInfo(peerId)).toBeUndefined();
    await peers.addPeerAddr(peerId, '/dnsaddr/node.example');
    await peers.addPeerAddr(peerId, '/dns4/node.example/tcp/4001');
  });
});

describe('removePeerAddr()', () => {
  it('leaves a dial without addresses nowhere to go', async () => {
    const [a, b] = await Promise.all([createNode(), createNode()]);
    const { peers } = a.services;
    await peers.addPeerAddr(idOf(b), addressOf(b));
    await until([a], () => peers.peerInfo(idOf(b))?.addresses.length === 1);
    await peers.removePeerAddr(idOf(b), withoutId(addressOf(b)));
    await until(
      [a],
      () => peers.peerInfo(idOf(b)) === undefined || peers.peerInfo(idOf(b))?.addresses.length === 0,
    );
    await expect(peers.dialPeer(idOf(b))).rejects.toMatchObject({ code: 'NO_ADDRESS' });
  });
});

describe('maintainConnection()', () => {
  it('finds the peer again after a restart at the same place, and ends when it is taken back', async () => {
    const listen = [`/ip4/127.0.0.1/tcp/${await findDeadPort()}`];
    const [a, b] = [
      await createNode({ redialMinDelayMs: 20, redialMaxDelayMs: 50 }),
      await createNode({}, { addresses: { listen } }),
    ];
    await a.services.peers.addPeerAddr(b.peerId, addressOf(b));
    await a.services.peers.maintainConnection(b.peerId);
    await until([a, b], () => areConnected(a, b));
    const lost = nextEvent(a.services.peers, 'connection:closed');
    await b.stop();
    await lost;
    expect(a.services.peers.explainPeer(b.peerId)).toMatchObject({ isConnected: false, maintained: {} });
    await b.start();
    await until([a, b], () => areConnected(a, b));
    expect(connectionsOf(b, a)).toMatchObject([{ direction: 'inbound' }]);

    await a.services.peers.releaseConnection(b.peerId);
    expect(areConnected(a, b)).toBe(true);
    expect(a.services.peers.maintainedPeers()).toEqual([]);
    const gone = nextEvent(a.services.peers, 'connection:closed');
    await b.stop();
    await gone;
    expect(a.services.peers.explainPeer(b.peerId).state).toBe('absent');
  });

  it('ends with disconnectPeer(), also for the other side', async () => {
    const [a, b] = await connectTwo({ redialMinDelayMs: 1, redialMaxDelayMs: 1 });
    await a.services.peers.maintainConnection(b.peerId);
    const gone = nextEvent(b.services.peers, 'connection:closed');
    await a.services.peers.disconnectPeer(b.peerId);
    await gone;
    expect(a.services.peers.explainPeer(b.peerId)).toMatchObject({ state: 'absent' });
    expect(b.services.peers.connectedPeers()).toEqual([]);
  });
});

describe('a restart with a datastore', () => {
  it('keeps bans, addresses and maintained peers, as the others see', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lloom-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const [b, c] = await Promise.all([createNode(), createNode()]);
    const boot = async (): Promise<{ readonly a: Node; readonly stop: () => Promise<void> }> => {
      const datastore = new LevelDatastore(folder);
      await datastore.open();
      const a = await createNode({ datastore });
      const stop = async (): Promise<void> => {
        await a.stop();
        await datastore.close();
      };
      return { a, stop };
    };
    const first = await boot();
    await first.a.services.peers.addPeerAddr(b.peerId, addressOf(b));
    await first.a.services.peers.maintainConnection(b.peerId);
    await first.a.services.peers.banPeer(c.peerId, 3_600_000, 'spam');
    await until([b], () => b.services.peers.isConnected(first.a.peerId));
    const bans = first.a.services.peers.bannedPeers();
    await first.stop();
    await until([b], () => b.services.peers.connectedPeers().length === 0);

    const { a, stop } = await boot();
    const { peers } = a.services;
    await until([a, b], () => areConnected(a, b));
    expect(peers.bannedPeers()).toEqual(bans);
    expect(peers.maintainedPeers()).toEqual([idOf(b)]);
    expect(peers.peerInfo(b.peerId)?.addresses).toContain(withoutId(addressOf(b)));
    await expectRefused(c, a);
    await peers.unbanPeer(c.peerId);
    await dial(c, a);
    await until([a], () => areConnected(a, c));
    await stop();
  });
});

describe('reportPeer()', () => {
  it('disconnects whom it makes worthless, and then bans him; unbanPeer() forgets it', async () => {
    const [a, b] = await connectTwo({ disconnectBelow: -15, banBelow: -30, disconnectCooldownMs: 0 });
    const { peers } = a.services;
    const gone = nextEvent(b.services.peers, 'connection:closed');
    const closed = nextEvent(peers, 'connection:closed');
    peers.reportPeer(idOf(b), 'PROTOCOL_VIOLATION');
    await gone;
    expect((await closed).cause).toMatchObject({ code: 'REPUTATION' });
    expect(peers.reputationOf(idOf(b))).toBeLessThan(-15);
    await dial(b, a);
    await until([a], () => peers.isConnected(b.peerId));
    const banned = nextEvent(peers, 'peer:banned');
    peers.reportPeer(idOf(b), 'PROTOCOL_VIOLATION');
    expect(await banned).toMatchObject({ peerId: idOf(b), by: 'reputation' });
    await until([b], () => b.services.peers.connectedPeers().length === 0);
    await expectRefused(b, a);
    expect(peers.explainPeer(b.peerId)).toMatchObject({ reputation: -100, ban: { by: 'reputation' } });

    await peers.unbanPeer(b.peerId);
    expect(peers.reputationOf(idOf(b))).toBe(0);
    await dial(b, a);
    await until([a], () => areConnected(a, b));
  });
});

describe('drain()', () => {
  it('lets others in, and does what the user asks for', async () => {
    const [a, b, c] = await Promise.all([createNode(), createNode(), createNode()]);
    a.services.peers.drain();
    await dial(b, a);
    await dial(a, c);
    await until([a, b, c], () => areConnected(a, b) && areConnected(a, c));
  });
});
