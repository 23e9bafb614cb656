import { KEEP_ALIVE, type Stream } from '@libp2p/interface';
import { MemoryDatastore } from 'datastore-core';
import type { Key } from 'interface-datastore';
import { afterEach, describe, expect, it } from 'vitest';

import {
  addressOf,
  areConnected,
  cleanUp,
  connectTwo,
  createNode,
  dial,
  echo,
  echoProtocol,
  ended,
  errorOf,
  expectRefused,
  idOf,
  nextEvent,
  say,
  until,
} from './nodes.ts';

afterEach(cleanUp);

const hourMs = 3_600_000;

/** Takes as long as a test says. */
class SlowDatastore extends MemoryDatastore {
  working: Promise<void> = Promise.resolve();

  override async get(key: Key): Promise<Uint8Array> {
    await this.working;
    return super.get(key);
  }

  override async has(key: Key): Promise<boolean> {
    await this.working;
    return super.has(key);
  }

  override async put(key: Key, value: Uint8Array): Promise<Key> {
    await this.working;
    return super.put(key, value);
  }
}

describe('banPeer()', () => {
  it('ends every connection, refuses both directions, and unbanPeer() takes it back', async () => {
    const [a, b] = await connectTwo();
    const { peers } = a.services;
    const [closed, gone, told] = [
      nextEvent(peers, 'connection:closed'),
      nextEvent(b.services.peers, 'connection:closed'),
      nextEvent(peers, 'peer:banned'),
    ];
    await peers.banPeer(b.peerId, hourMs, 'spam');
    expect((await closed).cause).toEqual({ code: 'BANNED', message: 'spam' });
    expect(await gone).not.toHaveProperty('cause');
    expect(await told).toMatchObject({ peerId: idOf(b), reason: 'spam', by: 'user' });
    expect(peers.bannedPeers()).toEqual([await told]);

    const data = { peerId: idOf(b), reason: 'spam' };
    expect(await errorOf(dial(a, b))).toMatchObject({ code: 'BANNED', data });
    await expect(a.dial(b.getMultiaddrs())).rejects.toMatchObject({ name: 'DialDeniedError' });
    await expectRefused(b, a);

    const over = nextEvent(peers, 'peer:unbanned');
    await peers.unbanPeer(b.peerId);
    expect(await over).toEqual({ peerId: idOf(b), by: 'user' });
    await dial(b, a);
    await until([a], () => areConnected(a, b));
  });

  it('cuts a peer off also while the peer store hangs', async () => {
    const datastore = new SlowDatastore();
    const [a, b] = [await createNode({}, { datastore }), await createNode()];
    await dial(a, b);
    await until([b], () => areConnected(b, a));
    const hanging = Promise.withResolvers<void>();
    datastore.working = hanging.promise;
    const gone = nextEvent(b.services.peers, 'connection:closed');
    await a.services.peers.banPeer(b.peerId, hourMs);
    await gone;
    expect(a.getConnections()).toEqual([]);
    hanging.resolve();
  });

  it('ends by itself when its time is over', async () => {
    const [a, b] = await connectTwo();
    const over = nextEvent(a.services.peers, 'peer:unbanned');
    await a.services.peers.banPeer(b.peerId, 60);
    await until([b], () => b.services.peers.connectedPeers().length === 0);
    expect(await over).toEqual({ peerId: idOf(b), by: 'time' });
    expect(a.services.peers.bannedPeers()).toEqual([]);
    await dial(b, a);
    await until([a], () => areConnected(a, b));
  });

  it('holds against those whom libp2p would dial again by itself', async () => {
    const [a, b] = await connectTwo();
    const tags = { [`${KEEP_ALIVE}-test`]: { value: 1 } };
    await a.peerStore.merge(b.peerId, { tags });
    const established: unknown[] = [];
    for (const { services } of [a, b]) {
      services.peers.addEventListener('connection:established', ({ detail }) => established.push(detail));
    }
    await a.services.peers.banPeer(b.peerId, hourMs);
    await until([b], () => b.services.peers.connectedPeers().length === 0);
    expect([...(await a.peerStore.get(b.peerId)).tags.keys()]).toEqual([]);
    expect(established).toEqual([]);
  });

  it.each(['the one who bans', 'the one who is banned'])(
    'ends streams in the middle, of %s as well',
    async (who) => {
      const [a, b] = await connectTwo();
      const [opener, handler] = who === 'the one who bans' ? [a, b] : [b, a];
      const { promise: opened, resolve } = Promise.withResolvers<Stream>();
      await handler.handle(echoProtocol, (stream) => {
        echo(stream);
        resolve(stream);
      });
      const stream = await opener.getConnections(handler.peerId)[0]!.newStream(echoProtocol);
      expect(await say(stream, 'hello')).toBe('hello');
      const ends = Promise.all([ended(stream), ended(await opened)]);
      await a.services.peers.banPeer(b.peerId, hourMs);
      await ends;
      await until(
        [a, b],
        () => !a.services.peers.isConnected(b.peerId) && !b.services.peers.isConnected(a.peerId),
      );
      expect([...a.getConnections(), ...b.getConnections()]).toEqual([]);
    },
  );

  it('ends a dial in the middle, and whoever waits learns why', async () => {
    const [a, b] = await Promise.all([createNode(), createNode()]);
    const failed = errorOf(dial(a, b));
    const banned = a.services.peers.banPeer(b.peerId, hourMs);
    expect(await failed).toMatchObject({ code: 'BANNED' });
    await banned;
    expect(a.getConnections()).toEqual([]);
    await until([b], () => b.services.peers.connectedPeers().length === 0);
  });

  it('suspends what is maintained, which comes back after it', async () => {
    const [a, b] = await connectTwo({ redialMinDelayMs: 1, redialMaxDelayMs: 1 });
    const { peers } = a.services;
    await peers.addPeerAddr(b.peerId, addressOf(b));
    await peers.maintainConnection(b.peerId);
    await peers.banPeer(b.peerId, hourMs);
    expect(peers.explainPeer(b.peerId).state).toBe('banned');
    await until([b], () => b.services.peers.connectedPeers().length === 0);
    await peers.unbanPeer(b.peerId);
    await until([a, b], () => areConnected(a, b));
  });
});
