import type { Connection } from '@libp2p/interface';
import { lpStream } from '@libp2p/utils';
import { systemClock, systemRandom } from '@lloom/core';
import { multiaddr } from '@multiformats/multiaddr';
import { afterEach, describe, expect, it } from 'vitest';
import { AutonatClient } from '../src/adapters/autonatClient.ts';
import { dcutrProtocol } from '../src/adapters/dcutr.ts';
import { decodeHolePunch, encodeHolePunch } from '../src/internal/holePunch.ts';
import { proveDial, response, serveByHand } from './autonatPeer.ts';
import { cleanUp, type CircuitNode } from './circuitNodes.ts';
import { addressOf, createHidden, createRelay, upgradingAt } from './punchNodes.ts';

afterEach(cleanUp);

const dialThrough = (from: CircuitNode, relay: CircuitNode, to: CircuitNode) =>
  from.dial(multiaddr(`${addressOf(relay).toString()}/p2p-circuit/p2p/${to.peerId.toString()}`));

describe('a punch', () => {
  it('does not make a node public: who came in by one cannot prove that anybody could', async () => {
    const [relay, server] = await Promise.all([createRelay(), createRelay()]);
    const [victim, friend] = await Promise.all([createHidden([relay]), createHidden([relay])]);
    const [, atFriend] = await Promise.all([upgradingAt(victim), upgradingAt(friend)]);
    const proofs: boolean[] = [];
    await serveByHand(server, async ({ request, say }) => {
      await dialThrough(friend, relay, victim);
      await atFriend.upgraded;
      const [direct] = friend.getConnections(victim.peerId).filter((each) => each.direct);
      const proof = direct === undefined ? Promise.resolve() : proveDial(direct, request.nonce);
      proofs.push(
        await proof.then(
          () => true,
          () => false,
        ),
      );
      await say(response({ index: 0 }));
    });
    await victim.dial(addressOf(server));
    const ports = { clock: systemClock, random: systemRandom };
    const client = new AutonatClient(victim.services.parts.lent, ports);
    await client.start();
    const answer = await client.ask({
      peerId: server.peerId.toString(),
      address: '/ip4/203.0.113.7/tcp/4001',
      signal: AbortSignal.timeout(10_000),
    });
    await client.stop();
    expect(proofs).toEqual([false]);
    expect(answer.kind).toBe('silent');
  });

  it('is not got ready for a peer that calls and says nothing, and is for one that says where it is', async () => {
    const relay = await createRelay();
    const [a, b] = await Promise.all([createHidden([relay]), createHidden([relay])]);
    const { upgrading } = await upgradingAt(a);
    const opened = new Promise<Connection>((resolve) =>
      b.addEventListener('connection:open', ({ detail }) => {
        if (detail.remotePeer.equals(a.peerId)) resolve(detail);
      }),
    );
    await dialThrough(a, relay, b);
    const call = async () => (await opened).newStream(dcutrProtocol, { runOnLimitedConnection: true });
    const silent = await call();
    const garbled = await call();
    const closed = new Promise((resolve) => garbled.addEventListener('close', resolve));
    await lpStream(garbled).write(encodeHolePunch({ type: 'sync', addresses: [] }));
    await closed;
    expect(upgrading.explain().upgrades).toMatchObject([{ state: 'waiting' }]);
    const addresses = [multiaddr('/ip4/127.0.0.1/tcp/9').bytes];
    const messages = lpStream(silent);
    await messages.write(encodeHolePunch({ type: 'connect', addresses }));
    expect(decodeHolePunch((await messages.read()).subarray())?.type).toBe('connect');
    expect(upgrading.explain().upgrades).toMatchObject([{ state: 'agreeing' }]);
    await upgrading.stop();
  });

  it('is not made by a node whose NAT is symmetric, which tells the peer that it has no address', async () => {
    const relays = await Promise.all([createRelay(), createRelay()]);
    const [a, b] = await Promise.all([createHidden(relays, 'random'), createHidden(relays)]);
    const [atA, atB] = await Promise.all([upgradingAt(a), upgradingAt(b)]);
    await dialThrough(b, relays[0], a);
    expect((await atA.staysRelayed).reason).toBe('own NAT is symmetric');
    expect((await atB.staysRelayed).reason).toBe('peer has no address to punch');
  });
});
