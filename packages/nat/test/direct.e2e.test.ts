import { dcutr } from '@libp2p/dcutr';
import { multiaddr } from '@multiformats/multiaddr';
import { afterEach, describe, expect, it } from 'vitest';
import { dcutrProtocol } from '../src/adapters/dcutr.ts';
import { cleanUp, createNode, type CircuitNode } from './circuitNodes.ts';
import { addressOf, createHidden, createRelay, upgradingAt } from './punchNodes.ts';

afterEach(cleanUp);

const idOf = (node: CircuitNode): string => node.peerId.toString();
const dialThrough = (from: CircuitNode, relay: CircuitNode, to: CircuitNode) =>
  from.dial(multiaddr(`${addressOf(relay).toString()}/p2p-circuit/p2p/${idOf(to)}`));
const directTo = (from: CircuitNode, to: CircuitNode) =>
  from.getConnections(to.peerId).filter(({ direct, status }) => direct && status === 'open');

describe('a connection through a relay', () => {
  it('becomes one direct connection between two nodes that nobody can dial, and carries streams', async () => {
    const relay = await createRelay();
    const [a, b] = await Promise.all([createHidden([relay]), createHidden([relay])]);
    const [atA, atB] = await Promise.all([upgradingAt(a), upgradingAt(b)]);
    await b.handle('/test/once/1.0.0', (stream) => stream.close());
    await dialThrough(a, relay, b);
    const [seenByA, seenByB] = await Promise.all([atA.upgraded, atB.upgraded]);
    expect(seenByA).toMatchObject({ peerId: idOf(b), how: 'punched' });
    expect(seenByB).toMatchObject({ peerId: idOf(a), how: 'punched' });
    expect([directTo(a, b), directTo(b, a)].map(({ length }) => length)).toEqual([1, 1]);
    expect(directTo(a, b)[0]?.direction).toBe('outbound');
    expect(directTo(b, a)[0]?.direction).toBe('inbound');
    const stream = await directTo(a, b)[0]?.newStream('/test/once/1.0.0');
    expect(stream?.status).toBe('open');
    await stream?.close();
    expect(a.getConnections(relay.peerId)).toHaveLength(1);
    await expect(atA.upgrading.upgrade(idOf(b), AbortSignal.timeout(1_000))).resolves.toBe(true);
    expect(atB.upgrading.explain()).toMatchObject({ upgrades: [{ state: 'direct' }] });
  });

  it('becomes one direct connection when both have called each other at once', async () => {
    const relay = await createRelay();
    const [a, b] = await Promise.all([createHidden([relay]), createHidden([relay])]);
    const [atA, atB] = await Promise.all([upgradingAt(a), upgradingAt(b)]);
    await Promise.all([dialThrough(a, relay, b), dialThrough(b, relay, a)]);
    await Promise.all([atA.upgraded, atB.upgraded]);
    expect([directTo(a, b), directTo(b, a)].map(({ length }) => length)).toEqual([1, 1]);
  });

  it('is left by dialling back when the other side can be dialled', async () => {
    const relay = await createRelay();
    const [a, b] = await Promise.all([createNode(), createHidden([relay])]);
    const [atA, atB] = await Promise.all([upgradingAt(a), upgradingAt(b)]);
    await dialThrough(a, relay, b);
    expect((await atB.upgraded).how).toBe('dialed');
    expect((await atA.upgraded).how).toBe('reversed');
  });

  it('stays when the own NAT is symmetric, and both sides say why', async () => {
    const relays = await Promise.all([createRelay(), createRelay()]);
    const [a, b] = await Promise.all([createHidden(relays, 'random'), createHidden(relays)]);
    const [atA, atB] = await Promise.all([upgradingAt(a), upgradingAt(b)]);
    await dialThrough(a, relays[0], b);
    expect((await atB.staysRelayed).reason).toBe('peer has no address to punch');
    expect((await atA.staysRelayed).reason).toBe('own NAT is symmetric');
    expect([atA.upgrading.mapping, atB.upgrading.mapping]).toEqual(['endpoint-dependent', 'none']);
    expect(directTo(a, b)).toEqual([]);
    await expect(atA.upgrading.upgrade(idOf(b), AbortSignal.timeout(1_000))).resolves.toBe(false);
  });

  it.each([
    { peer: 'does not speak DCUtR', services: {} },
    { peer: 'speaks it for public addresses only', services: { dcutr: dcutr() } },
  ])('stays when the peer $peer', async ({ services }) => {
    const relay = await createRelay();
    const [a, b] = await Promise.all([
      createNode({ addresses: { listen: [] }, services: services as never }),
      createHidden([relay]),
    ]);
    const { staysRelayed, upgrading } = await upgradingAt(b);
    await dialThrough(a, relay, b);
    const told = await staysRelayed;
    expect(told).toMatchObject({ peerId: idOf(a), reason: 'peer does not take part' });
    expect(told.retryAt).toBeGreaterThan(Date.now() + 20_000);
    expect(upgrading.isNeeded(idOf(a))).toBe(false);
  });

  it('stays, and nothing is tried, where it is switched off', async () => {
    const relay = await createRelay();
    const [a, b] = await Promise.all([createHidden([relay]), createHidden([relay])]);
    const { staysRelayed } = await upgradingAt(b, false);
    await dialThrough(a, relay, b);
    expect(await staysRelayed).toEqual({ peerId: idOf(a), reason: 'disabled' });
    expect(b.getProtocols()).not.toContain(dcutrProtocol);
  });

  it('survives whoever sends what is no message, or asks again and again', async () => {
    const relay = await createRelay();
    const [a, b] = await Promise.all([createHidden([relay]), createHidden([relay])]);
    await upgradingAt(a);
    const connection = await dialThrough(a, relay, b);
    for (let call = 0; call < 6; call++) {
      const outgoing = b.getConnections(a.peerId)[0];
      const stream = await outgoing?.newStream(dcutrProtocol, { runOnLimitedConnection: true });
      const closed = new Promise((resolve) => stream?.addEventListener('close', resolve));
      if (stream?.status === 'open') stream.send(new Uint8Array(10).fill(255));
      if (stream?.status === 'open') await closed;
      expect(stream?.status).not.toBe('open');
    }
    expect(connection.status).toBe('open');
  });

  it('is left alone by a node that stops in the midst of it, which serves nothing any more', async () => {
    const relay = await createRelay();
    const [a, b] = await Promise.all([createHidden([relay]), createHidden([relay])]);
    const { upgrading } = await upgradingAt(b);
    await dialThrough(a, relay, b);
    const waiter = upgrading.upgrade(idOf(a), AbortSignal.timeout(5_000));
    await upgrading.stop();
    await expect(waiter).resolves.toBe(false);
    expect(upgrading.explain()).toEqual({ mapping: 'unknown', upgrades: [] });
    await upgrading.start();
    await upgrading.start();
    expect(b.getProtocols()).toContain(dcutrProtocol);
    await Promise.all([upgrading.stop(), upgrading.stop()]);
  });
});
