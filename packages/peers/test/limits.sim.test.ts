import type { Libp2p } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import type { SimHost } from '@lloom/simkit';
import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';

import type { PeersError } from '../src/index.ts';
import {
  addressOf,
  areConnected,
  createSimNode,
  createSimPlainNode,
  dial,
  errorOf,
  failure,
  idOf,
  watch,
  type SimNode,
} from './simNodes.ts';

const names = ['a', 'b'];

describe('limits', () => {
  /** Sixty nodes dial one of them in the same moment. */
  const crowd = Array.from({ length: 60 }, (_, index) => `d${index}`);
  const link = { delayMs: 50, jitterMs: 20, lossRatio: 0.01 };
  const createNode = (host: SimHost): Promise<SimNode> =>
    createSimNode(host, host.name === 'a' ? { maxConnections: 20 } : {});

  test('hold against a crowd that comes in one moment, and everybody learns', async ({ createNetwork }) => {
    for (const fidelity of ['fast', 'full'] as const) {
      for (const seed of [1, 2]) {
        const network = await createNetwork({ nodes: ['a', ...crowd], link, seed, fidelity, createNode });
        const what = `seed ${seed}, ${fidelity}`;
        const a = network.node('a');
        const watched = watch(a);
        const dials = crowd.map(async (name) => dial(network.node(name), a).catch((error: unknown) => error));
        for (const outcome of await network.run(Promise.all(dials), { what })) {
          if (outcome instanceof Error) expect(outcome).toMatchObject({ code: 'DIAL_FAILED' });
        }
        await network.runFor(2_000);
        const inside = a.services.peers.connectedPeers().length;
        const served = crowd.filter((name) => network.node(name).services.peers.isConnected(idOf(a))).length;
        const { mostOpen } = watched;
        expect({ what, mostOpen, inside, served }).toEqual({ what, mostOpen: 20, inside: 20, served: 20 });
        await network.stop();
      }
    }
  });

  test('do not let newcomers take the place of those who are there', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes: ['a', ...crowd], link, fidelity: 'full', createNode });
    const a = network.node('a');
    const old = crowd.slice(0, 15);
    for (const name of old) await network.run(() => dial(a, network.node(name)));
    await network.runFor(1_000);
    const dials = crowd.slice(15).map(async (name) => errorOrNothing(dial(network.node(name), a)));
    await network.run(Promise.all(dials));
    await network.runFor(2_000);
    expect(old.filter((name) => !areConnected(a, network.node(name)))).toEqual([]);
    expect(a.services.peers.connectedPeers()).toHaveLength(20);
  });

  test('let the next one in when somebody has left', async ({ createNetwork }) => {
    const network = await createNetwork({
      nodes: ['a', ...crowd.slice(0, 21)],
      link,
      fidelity: 'full',
      createNode,
    });
    const a = network.node('a');
    const [first, ...others] = crowd.slice(0, 21).map((name) => network.node(name)) as [
      SimNode,
      ...SimNode[],
    ];
    for (const node of others) await network.run(() => dial(node, a));
    expect((await failure(network, () => dial(first, a))).error.code).toBe('DIAL_FAILED');
    await network.run(others[0]!.services.peers.disconnectPeer(idOf(a)));
    await network.runFor(1_000);
    await network.run(() => dial(first, a));
    await network.runFor(1_000);
    expect(areConnected(first, a)).toBe(true);
  });

  test('hold for one IP address, which keeps no other one out', async ({ createNetwork }) => {
    const network = await createNetwork<Libp2p>({
      nodes: ['a', 'b', 'c'],
      link: { delayMs: 50 },
      createNode: (host) =>
        host.name === 'a'
          ? createSimNode(host, { maxConnectionsPerIp: 2, maxConnectionsPerPeer: 9 })
          : createSimPlainNode(host),
    });
    const a = network.node('a') as SimNode;
    const watched = watch(a);
    const [b, c] = [network.node('b'), network.node('c')];
    for (const from of [b, b, b, b, c]) {
      await network.run(() => errorOrNothing(from.dial(multiaddr(addressOf(a)), { force: true })));
      await network.runFor(1_000);
    }
    const open = (from: Libp2p) => a.services.peers.peerInfo(idOf(from))?.connections.length;
    expect([open(b), open(c), watched.mostOpen]).toEqual([2, 1, 3]);
    a.services.peers.setConnectionLimits({ maxConnectionsPerIp: 3 });
    await network.run(() => b.dial(multiaddr(addressOf(a)), { force: true }));
    await network.runFor(1_000);
    expect(open(b)).toBe(3);
  });

  test('give back the place of a handshake that does not get on after 10 s', async ({ createNetwork }) => {
    const network = await createNetwork({
      nodes: ['a', 'b', 'c'],
      link: { delayMs: 50, breakAfterMs: 900_000 },
      fidelity: 'full',
      createNode: (host) => createSimNode(host, { maxPendingConnections: 1 }),
    });
    const [a, b, c] = ['a', 'b', 'c'].map((name) => network.node(name)) as [SimNode, SimNode, SimNode];
    const silent = errorOf(dial(b, a));
    // The connection is there, the handshake is not.
    await network.runFor(75);
    network.hold('a', 'b');
    expect(await network.run(silent)).toMatchObject({
      code: 'DIAL_TIMEOUT',
      data: { attempts: [{ address: addressOf(a), reason: 'timeout' }] },
    });
    expect(network.clock.elapsed()).toBe(6_000);
    expect((await failure(network, () => dial(c, a))).error.code).toBe('DIAL_FAILED');
    await network.runFor(10_000 - network.clock.elapsed() + 100);
    await network.run(() => dial(c, a));
    await network.runFor(1_000);
    expect(areConnected(a, c)).toBe(true);
  });

  test('keep a disconnected peer away for exactly disconnectCooldownMs', async ({ createNetwork }) => {
    const network = await createNetwork({
      nodes: names,
      link: { delayMs: 50 },
      createNode: (host) => createSimNode(host),
    });
    const [a, b] = [network.node('a'), network.node('b')];
    await network.run(() => dial(a, b));
    const before = network.clock.elapsed();
    await network.run(a.services.peers.disconnectPeer(idOf(b)));
    // The peer comes back every second; its dial is there 50 ms later.
    const refusedAtMs: number[] = [];
    for (let isIn = false; !isIn && refusedAtMs.length < 20;) {
      await network.runFor(before + (refusedAtMs.length + 1) * 1_000 - 51 - network.clock.elapsed());
      isIn = (await network.run(() => errorOrNothing(dial(b, a)))) === undefined;
      if (!isIn) refusedAtMs.push(Math.round(network.clock.elapsed() - before - 49));
    }
    expect(refusedAtMs).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((second) => second * 1_000));
    expect(b.services.peers.isConnected(idOf(a))).toBe(true);
  });
});

/** What a promise was rejected with; nothing when it was not. */
async function errorOrNothing(promise: Promise<unknown>): Promise<PeersError | undefined> {
  return promise.then(
    () => undefined,
    (error: unknown) => error as PeersError,
  );
}
