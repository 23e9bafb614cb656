import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2';
import type { Stream } from '@libp2p/interface';
import { tcp } from '@libp2p/tcp';
import { afterEach, describe, expect, it } from 'vitest';

import {
  addressOf,
  areConnected,
  cleanUp,
  connectionsOf,
  createNode,
  echo,
  echoProtocol,
  ended,
  errorOf,
  idOf,
  nextEvent,
  say,
  until,
  type Node,
} from './nodes.ts';

afterEach(cleanUp);

const hourMs = 3_600_000;
const throughRelay = (relay: Node): string => `${addressOf(relay)}/p2p-circuit`;

/** A node that can be reached through a relay only. */
const createHidden = (relay: Node): Promise<Node> =>
  createNode(
    {},
    { transports: [tcp(), circuitRelayTransport()], addresses: { listen: [throughRelay(relay)] } },
  );

/** A relay, and two nodes that are reached through it. */
async function createThree(): Promise<{ readonly relay: Node; readonly a: Node; readonly b: Node }> {
  const relay = await createNode({}, { services: { relay: circuitRelayServer() } });
  const [a, b] = await Promise.all([createHidden(relay), createHidden(relay)]);
  return { relay, a, b };
}

const dial = (from: Node, relay: Node, to: Node) =>
  from.services.peers.dialPeer(to.peerId, [throughRelay(relay)]);

/** The same with a relayed connection between the two, and a stream that is under way on it. */
async function createTalk() {
  const { relay, a, b } = await createThree();
  const { promise: opened, resolve } = Promise.withResolvers<Stream>();
  const take = (stream: Stream): void => {
    echo(stream);
    resolve(stream);
  };
  await b.handle(echoProtocol, take, { runOnLimitedConnection: true });
  await dial(a, relay, b);
  await until([b], () => b.services.peers.isConnected(a.peerId));
  const stream = await a.getConnections(b.peerId)[0]!.newStream(echoProtocol, {
    runOnLimitedConnection: true,
  });
  expect(await say(stream, 'hello')).toBe('hello');
  return { relay, a, b, ends: Promise.all([ended(stream), ended(await opened)]) };
}

const apart = (a: Node, b: Node): Promise<void> =>
  until([a, b], () => !a.services.peers.isConnected(b.peerId) && !b.services.peers.isConnected(a.peerId));

describe('a connection through a relay', () => {
  it('is told as one on both sides, with its limits', async () => {
    const { relay, a, b } = await createThree();
    const seen = nextEvent(b.services.peers, 'connection:established', ({ peerId }) => peerId === idOf(a));
    const info = await dial(a, relay, b);
    const relayed = {
      relayed: true,
      limits: { seconds: expect.any(Number) as unknown },
    };
    expect(info).toMatchObject({ ...relayed, direction: 'outbound' });
    expect((await seen).endpoint).toMatchObject({ ...relayed, direction: 'inbound' });
    expect(relay.services.peers.connectedPeers().toSorted()).toEqual([idOf(a), idOf(b)].toSorted());
  });

  it('ends in the middle when one of its ends bans the other, which comes back after it', async () => {
    const { relay, a, b, ends } = await createTalk();
    const cause = nextEvent(b.services.peers, 'connection:closed');
    await b.services.peers.banPeer(a.peerId, hourMs);
    await ends;
    expect((await cause).cause).toMatchObject({ code: 'BANNED' });
    await apart(a, b);
    const refused = nextEvent(a.services.peers, 'connection:closed').then(() => undefined);
    await dial(a, relay, b).then(
      () => refused,
      () => undefined,
    );
    expect(await errorOf(dial(b, relay, a))).toMatchObject({ code: 'BANNED' });
    await apart(a, b);
    // Both are the relay's peers as before.
    expect(areConnected(a, relay) && areConnected(b, relay)).toBe(true);

    await b.services.peers.unbanPeer(a.peerId);
    await dial(a, relay, b);
    await until([a, b], () => areConnected(a, b));
  });

  it('ends in the middle when one of its ends bans the relay, which is not used until it may', async () => {
    const { relay, a, b, ends } = await createTalk();
    const gone = nextEvent(relay.services.peers, 'connection:closed');
    await a.services.peers.banPeer(relay.peerId, hourMs);
    expect((await gone).peerId).toBe(idOf(a));
    await ends;
    await apart(a, b);
    const refused = await errorOf(dial(a, relay, b));
    expect(refused).toMatchObject({
      code: 'ADDRESS_REFUSED',
      data: { refusals: [{ reason: 'goes through a relay that is banned' }] },
    });
    expect(areConnected(b, relay)).toBe(true);

    await a.services.peers.unbanPeer(relay.peerId);
    await dial(a, relay, b);
    await until([a, b], () => areConnected(a, b));
    expect(connectionsOf(b, a)).toMatchObject([{ relayed: true }]);
  });

  it('ends in the middle when the relay bans one of its ends, which gets no place there until it may', async () => {
    const { relay, a, b, ends } = await createTalk();
    await relay.services.peers.banPeer(b.peerId, hourMs);
    await ends;
    await apart(a, b);
    await until([relay, b], () => b.services.peers.connectedPeers().length === 0);
    expect(await errorOf(dial(a, relay, b))).toMatchObject({ code: 'DIAL_FAILED' });
    await b.stop();
    await expect((async () => b.start())()).rejects.toMatchObject({
      name: 'UnsupportedListenAddressesError',
    });
    expect(areConnected(b, relay)).toBe(false);

    await relay.services.peers.unbanPeer(b.peerId);
    await b.stop();
    await b.start();
    await dial(a, relay, b);
    await until([a, b], () => areConnected(a, b));
  });
});
