import type { Connection, ConnectionGater } from '@libp2p/interface';
import type { Meter } from '@lloom/core';
import { test } from '@lloom/simkit/vitest';
import { multiaddr } from '@multiformats/multiaddr';
import { describe, expect } from 'vitest';

import { relayServerDefaults } from '../src/config.ts';
import {
  addressOf,
  circuitsAt,
  closed,
  errorOf,
  idOf,
  openSink,
  send,
  sinkAt,
  throughRelay,
} from './circuitNodes.ts';
import { dialAgain, make, reserveAt } from './circuitSim.ts';

const mebibyte = 1_024 * 1_024;
const hop = '/libp2p/circuit/relay/0.2.0/hop';

describe('a node that relays for others', () => {
  test('ends a connection when it has lasted as long as it may', async ({ createNetwork }) => {
    const { network, r, a, b } = await make({ createNetwork, config: { maxConnectionMs: 60_000 } });
    const circuits = circuitsAt(a, undefined, { clock: network.clock });
    await network.run(() => circuits.dial(idOf(b), addressOf(r)));
    await network.runFor(54_000);
    expect(circuits.bytesLeft(idOf(b))).toBeGreaterThan(0);
    await network.runFor(3_000);
    expect(circuits.bytesLeft(idOf(b))).toBe(0);
    expect(b.getConnections(a.peerId)).toHaveLength(1);
    await network.runFor(4_000);
    expect([...a.getConnections(b.peerId), ...b.getConnections(a.peerId)]).toEqual([]);
    circuits.stop();
  });

  test('has no limit of bytes or time where that is asked for', async ({ createNetwork }) => {
    const { network, r, a, b } = await make({ createNetwork, config: { maxConnectionBytes: Infinity } });
    const circuits = circuitsAt(a, undefined, { clock: network.clock });
    const opened = await network.run(() => circuits.dial(idOf(b), addressOf(r)));
    expect(opened).not.toHaveProperty('limits');
    expect(circuits.bytesLeft(idOf(b))).toBeUndefined();
    circuits.stop();
  });

  test('tells what it carries for whom, and how much of it', async ({ createNetwork }) => {
    let counted = 0;
    const meter: Meter = {
      counter: (family) => (by) => {
        if (family.name === 'nat_relayed_bytes_total') counted += by ?? 1;
      },
      histogram: () => () => {},
      gauge: () => {},
    };
    const config = { maxConnectionBytes: 1_048_576 };
    const { network, r, a, b, relaying } = await make({ createNetwork, config, ports: { meter } });
    expect(relaying().circuits()).toEqual([]);
    const received = await sinkAt(b);
    const circuits = circuitsAt(a, undefined, { clock: network.clock });
    const openedAt = network.clock.now();
    const connection = await network.run(() => dialAgain(a, r, b));
    await network.run(async () => send(await openSink(connection), 65_536));
    await network.runUntil(() => received() === 65_536, { what: 'everything to arrive' });
    const [circuit, ...others] = relaying().circuits();
    expect(others).toEqual([]);
    expect(circuit).toMatchObject({ from: idOf(a), to: idOf(b) });
    expect(circuit?.openedAt).toBeGreaterThanOrEqual(openedAt);
    expect(circuit?.bytes).toBeGreaterThan(65_536);
    expect(circuit?.bytes).toBe(counted);
    expect(circuit?.bytesLeft).toBeGreaterThan(1_048_576 - counted);
    expect(circuit?.bytesLeft).toBeLessThan(1_048_576 - 65_536);
    expect([a, b, r].map((node) => relaying().circuits(idOf(node)).length)).toEqual([1, 1, 0]);
    expect(circuits.relayedCount).toBe(1);
    expect(relaying().endedCircuits()).toEqual([]);
    await network.run(() => connection.close());
    await network.runFor(1_000);
    expect([relaying().circuits(), circuits.relayedCount]).toEqual([[], 0]);
    const [ended] = relaying().endedCircuits(idOf(b));
    expect(ended).toMatchObject({ from: idOf(a), to: idOf(b), openedAt: circuit?.openedAt, bytes: counted });
    expect(network.clock.now() - ended!.endedAt!).toBeLessThanOrEqual(1_000);
    circuits.stop();
  });

  test('does not read on for somebody who does not', async ({ createNetwork }) => {
    const { network, r, a, b } = await make({ createNetwork });
    await network.run(async () => {
      await b.handle('/test/deaf/1.0.0', (stream) => stream.pause(), { runOnLimitedConnection: true });
      const connection = await dialAgain(a, r, b);
      const stream = await connection.newStream('/test/deaf/1.0.0', { runOnLimitedConnection: true });
      let sent = 0;
      for (; sent < 64 * mebibyte; sent += 16_384) if (!stream.send(new Uint8Array(16_384))) break;
      expect(sent).toBeLessThan(mebibyte);
      expect(connection.status).toBe('open');
    });
  });

  test('begins and ends at run time as often as one likes, with nothing left over', async ({
    createNetwork,
  }) => {
    const announced: string[] = [];
    const relaySource = {
      find: async function* () {},
      announce: () => {
        announced.push('begin');
        return () => void announced.push('end');
      },
    };
    const { network, r, a, b, relaying } = await make({ createNetwork, ports: { relaySource } });
    const { registrar } = r.services.parts.lent;
    await network.run(async () => {
      const connection = await dialAgain(a, r, b);
      for (let round = 0; round < 10; round++) {
        await relaying().disable();
        expect(registrar.getProtocols()).not.toContain(hop);
        await relaying().enable(relayServerDefaults, 'private');
        expect(registrar.getProtocols()).toContain(hop);
      }
      await closed(connection);
    });
    expect(announced).toEqual(Array.from({ length: 21 }, (_, at) => (at % 2 === 0 ? 'begin' : 'end')));
    // Its place is gone with the first end.
    const circuits = circuitsAt(a, undefined, { clock: network.clock });
    const refused = await network.run(() => errorOf(circuits.dial(idOf(b), addressOf(r))));
    expect(refused).toMatchObject({ data: { reason: 'the relay keeps no place for the peer' } });
    const peer = await network.run(() => r.peerStore.get(b.peerId));
    expect([...peer.tags.keys()]).toEqual([]);
    circuits.stop();

    // In one moment: the last one holds.
    const calls = [
      relaying().enable(relayServerDefaults, 'public'),
      relaying().disable(),
      relaying().stop(),
      relaying().enable(relayServerDefaults, 'public'),
      relaying().start(),
      relaying().disable(),
    ];
    await network.run(Promise.all(calls));
    expect(relaying().isEnabled).toBe(false);
    expect(registrar.getProtocols()).not.toContain(hop);
  });

  test('keeps places that were taken, and connections that are open, through a change', async ({
    createNetwork,
  }) => {
    const config = { maxReservations: 2 };
    const made = await make({ createNetwork, config, nodes: ['r', 'a', 'b', 'd'] });
    const { network, r, a, b, relaying } = made;
    const received = await sinkAt(b);
    const connection = await network.run(() => dialAgain(a, r, b));
    const changed = { ...relayServerDefaults, maxReservations: 1, maxConnectionBytes: 32_768 };
    await network.run(() => relaying().enable(changed, 'public'));
    const refused = await network.run(() => errorOf(reserveAt(a, r)));
    expect(refused).toMatchObject({ name: 'UnsupportedListenAddressesError' });
    await network.run(async () => send(await openSink(connection), 65_536));
    await network.runUntil(() => received() === 65_536, { what: 'more than the new limit to arrive' });
    const { limits } = await network.run(() => dialAgain(a, r, network.node('d')));
    expect(limits?.bytes).toBeLessThanOrEqual(32_768n);
  });

  test('keeps the place of a peer that is gone until somebody else needs it', async ({ createNetwork }) => {
    const config = { maxReservations: 1 };
    const { network, r, a } = await make({ createNetwork, config });
    expect(await network.run(() => errorOf(reserveAt(a, r)))).toBeInstanceOf(Error);
    network.crash('b');
    await network.runFor(1_000);
    await network.run(() => reserveAt(a, r));
    expect(a.getMultiaddrs().map(String)).toContain(`${throughRelay(r)}/p2p/${idOf(a)}`);
  });

  test('gives a quarter of its places to those of one network', async ({ createNetwork }) => {
    const config = { maxReservations: 16 };
    const { network, r, a } = await make({ createNetwork, config, nodes: ['r', 'a', 'b', 'd', 'e', 'f'] });
    expect(await network.run(() => errorOf(reserveAt(a, r)))).toMatchObject({
      name: 'UnsupportedListenAddressesError',
    });
    network.crash('d');
    await network.runFor(1_000);
    await network.run(() => reserveAt(a, r));
  });

  test('carries sixteen connections at a time that one peer has asked for', async ({ createNetwork }) => {
    const { network, r, a, b } = await make({ createNetwork, nodes: ['r', 'a', 'b', 'c'] });
    const opened: Connection[] = [];
    for (let count = 0; count < 16; count++) opened.push(await network.run(() => dialAgain(a, r, b)));
    const refused = await network.run(() => errorOf(dialAgain(a, r, b)));
    expect(String(refused)).toMatch(/RESOURCE_LIMIT_EXCEEDED/);
    // Another peer is none the worse for it.
    await network.run(() => dialAgain(network.node('c'), r, b));
    await network.run(async () => opened[0]?.close());
    await network.runFor(100);
    await network.run(() => dialAgain(a, r, b));
  });

  test('carries fewer of them where it carries few, and as many for a whole network', async ({
    createNetwork,
  }) => {
    const config = { maxReservations: 4 };
    const { network, r, a, b } = await make({ createNetwork, config, nodes: ['r', 'a', 'b', 'c'] });
    const takenBy = async (node: typeof a): Promise<number> => {
      let taken = 0;
      for (let count = 0; count < 4; count++) {
        const dialled = dialAgain(node, r, b).then(
          () => taken++,
          () => undefined,
        );
        await network.run(dialled);
      }
      return taken;
    };
    expect([await takenBy(a), await takenBy(network.node('c'))]).toEqual([2, 2]);
  });

  test('gives no place to a peer that the gater refuses one, nor a connection', async ({ createNetwork }) => {
    const denied = new Set<string>();
    const gater: ConnectionGater = {
      denyInboundRelayReservation: (peerId) => denied.has(peerId.toString()),
      denyOutboundRelayedConnection: (from, to) => denied.has(from.toString()) || denied.has(to.toString()),
    };
    const { network, r, a, b } = await make({ createNetwork, gater });
    const circuits = circuitsAt(a, undefined, { clock: network.clock });
    for (const whom of [a, b]) {
      denied.clear();
      denied.add(idOf(whom));
      const refused = await network.run(() => errorOf(circuits.dial(idOf(b), addressOf(r))));
      expect(refused).toMatchObject({ data: { reason: 'the relay refuses' } });
    }
    denied.add(idOf(a));
    expect(await network.run(() => errorOf(reserveAt(a, r)))).toBeInstanceOf(Error);
    circuits.stop();
  });

  test('answers a request that is none, or ends it', async ({ createNetwork }) => {
    const { network, r, a } = await make({ createNetwork });
    const answers: number[][] = [];
    const connection = await network.run(() => a.dial(multiaddr(addressOf(r))));
    for (const bytes of [
      [2, 255, 255],
      [2, 8, 9],
      [2, 8, 1],
      [4, 8, 1, 18, 0],
      [255, 255, 3],
    ]) {
      const stream = await network.run(() => connection.newStream(hop));
      const answer: number[] = [];
      stream.addEventListener('message', ({ data }) => void answer.push(...data.subarray()));
      stream.send(Uint8Array.from(bytes));
      await network.runUntil(() => stream.readableEnded, { what: 'the request to end' });
      answers.push(answer);
    }
    const [malformed, unexpected] = [
      [5, 8, 2, 40, 144, 3],
      [5, 8, 2, 40, 145, 3],
    ];
    expect(answers).toEqual([malformed, unexpected, malformed, malformed, []]);
  });
});
