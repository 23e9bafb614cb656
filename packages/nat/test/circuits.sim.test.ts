import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';

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
import { make } from './circuitSim.ts';

const stockBytes = 128 * 1_024;

describe("a connection through libp2p's own relay", () => {
  for (const chunk of [2_048, 16_384]) {
    test(`carries what is said to be left in chunks of ${chunk} bytes, and little more`, async ({
      createNetwork,
    }) => {
      const { network, r, a, b } = await make({ createNetwork, isStock: true });
      const circuits = circuitsAt(a, undefined, { clock: network.clock });
      const received = await network.run(() => sinkAt(b));
      await network.run(() => circuits.dial(idOf(b), addressOf(r)));
      const [connection] = a.getConnections(b.peerId);
      const first = circuits.bytesLeft(idOf(b))!;
      expect(first).toBeGreaterThan(0.9 * stockBytes);
      await network.run(async () => send(await openSink(connection!), 10_000, chunk));
      const left = circuits.bytesLeft(idOf(b))!;
      expect(left).toBeLessThan(first - 10_000);
      const stream = await network.run(() => openSink(connection!));
      await network.run(() => send(stream, left, chunk));
      await network.runUntil(() => received() === 10_000 + left, { what: 'all of it to arrive' });
      expect(circuits.bytesLeft(idOf(b))).toBeLessThan(4_096);
      await network.run(() => send(stream, 8_192));
      await network.run(() => closed(connection!));
      circuits.stop();
    });
  }

  test('is said to carry nothing before its time is over, and another one takes its place', async ({
    createNetwork,
  }) => {
    const { network, r, a, b } = await make({ createNetwork, isStock: true });
    const circuits = circuitsAt(a, undefined, { clock: network.clock });
    await network.run(() => sinkAt(b));
    await network.run(() => circuits.dial(idOf(b), addressOf(r)));
    const [old] = a.getConnections(b.peerId);
    const running = await network.run(() => openSink(old!));
    await network.runFor(114_000);
    expect(circuits.bytesLeft(idOf(b))).toBeGreaterThan(100_000);
    await network.runFor(2_000);
    expect({ left: circuits.bytesLeft(idOf(b)), status: old?.status }).toEqual({ left: 0, status: 'open' });

    const asked = [circuits.makeRoom(idOf(b), 100_000), circuits.makeRoom(idOf(b), 50_000)];
    expect(await network.run(Promise.all(asked))).toEqual([true, true]);
    expect(a.getConnections(b.peerId)).toHaveLength(2);
    // The old one is left to what runs on it.
    await network.runFor(1_000);
    expect(old?.status).toBe('open');
    await network.run(() => running.close());
    await network.runFor(2_000);
    expect(a.getConnections(b.peerId)).toHaveLength(1);
    await network.runUntil(() => b.getConnections(a.peerId).length === 1);
    expect(await network.run(() => circuits.makeRoom(idOf(b), stockBytes))).toBe(false);
    circuits.stop();
  });

  test('makes room for another one that no dial of others holds up or ends', async ({ createNetwork }) => {
    const { network, r, a, b } = await make({ createNetwork, isStock: true });
    const circuits = circuitsAt(a, undefined, { clock: network.clock });
    await network.run(() => sinkAt(b));
    await network.run(() => circuits.dial(idOf(b), addressOf(r)));
    const [old] = a.getConnections(b.peerId);
    await network.run(() => openSink(old!));
    await network.runFor(116_000);
    // libp2p takes no limited connection for one, dials, and ends what it gets as a duplicate.
    const { connectionManager } = a.services.parts.lent;
    const before = Promise.allSettled([connectionManager.openConnection(b.peerId)]);
    const isMade = circuits.makeRoom(idOf(b), 100_000);
    const behind = Promise.allSettled([connectionManager.openConnection(b.peerId)]);
    expect(await network.run(isMade)).toBe(true);
    await network.run(Promise.all([before, behind]));
    expect(circuits.bytesLeft(idOf(b))).toBeGreaterThan(100_000);
    circuits.stop();
  });

  test('is closed when it is idle and there is one without a relay', async ({ createNetwork }) => {
    const { network, r, a, b } = await make({ createNetwork, isStock: true, isPublic: true });
    const upgrade = async (): Promise<boolean> => {
      await a.dial(b.getMultiaddrs().filter((one) => !one.toString().includes('/p2p-circuit')));
      return true;
    };
    const circuits = circuitsAt(a, upgrade, { clock: network.clock });
    await network.run(() => circuits.dial(idOf(b), addressOf(r)));
    expect(await network.run(() => circuits.makeRoom(idOf(b), 1e9))).toBe(true);
    expect(await network.run(() => circuits.dial(idOf(b), addressOf(r)))).toBeUndefined();
    await network.runFor(3_000);
    const ways = [...a.getConnections(b.peerId), ...b.getConnections(a.peerId)].map(({ direct }) => direct);
    expect(ways).toEqual([true, true]);
    circuits.stop();
  });

  test('cannot be opened, and why is said', async ({ createNetwork }) => {
    const { network, r, a, b } = await make({ createNetwork, isStock: true, nodes: ['r', 'a', 'b', 'c'] });
    const circuits = circuitsAt(a, undefined, { clock: network.clock });
    const c = network.node('c');
    const reasonOf = async (to: string, through: string): Promise<unknown> =>
      network.run(async () => {
        const error = await errorOf(circuits.dial(to, through));
        return (error as { data: { reason: string } }).data.reason;
      });
    expect(await reasonOf(idOf(c), addressOf(r))).toBe('the relay keeps no place for the peer');
    expect(await reasonOf(idOf(b), addressOf(c))).toBe('the peer in between does not relay');
    const gone = throughRelay(r);
    network.crash('r');
    await network.runFor(1_000);
    expect(await reasonOf(idOf(b), gone)).toMatch(/^the relay cannot be reached: /);
    circuits.stop();
  });
});
