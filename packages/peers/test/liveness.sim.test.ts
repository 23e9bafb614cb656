import { ping } from '@libp2p/ping';
import type { SimHost, TestNetwork } from '@lloom/simkit';
import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';

import { createWatcher, type Watcher } from './watcher.ts';

const createNode = ({ clock, privateKey, address, stack }: SimHost): Promise<Watcher> =>
  createWatcher(clock, {
    privateKey,
    addresses: { listen: [address] },
    ...stack,
    services: { ping: ping() },
  });

const seeds = [1, 2, 3];
const nodes = ['a', 'b'];
const link = { delayMs: 50 };

async function connect(network: TestNetwork<Watcher>): Promise<Watcher[]> {
  const [a, b] = [network.node('a'), network.node('b')];
  await network.run(() => a.node.dial(b.node.getMultiaddrs()));
  return [a, b];
}

describe.each(['fast', 'full'] as const)('a connection (%s)', (fidelity) => {
  test('is found dead within a minute when the peer is silent', async ({ createNetwork }) => {
    for (const seed of seeds) {
      const network = await createNetwork({ nodes, link, seed, fidelity, createNode });
      const both = await connect(network);
      await network.runFor(100_000 + seed * 4_321);
      const silentAt = network.clock.elapsed();
      network.hold('a', 'b');
      await network.runFor(60_000);
      for (const { dead, node } of both) {
        expect(dead, `seed ${seed}`).toHaveLength(1);
        expect(dead[0]!.at - silentAt, `seed ${seed}`).toBeGreaterThan(30_000);
        expect(node.getConnections(), `seed ${seed}`).toEqual([]);
      }
      await network.stop();
    }
  });

  test('lives on when the peer says nothing for ten seconds, again and again', async ({ createNetwork }) => {
    for (const seed of seeds) {
      const network = await createNetwork({ nodes, link, seed, fidelity, createNode });
      const both = await connect(network);
      for (let count = 0; count < 20; count += 1) {
        await network.runFor(3_000 + count * 777);
        network.hold('a', 'b');
        await network.runFor(10_000);
        network.release('a', 'b');
      }
      await network.runFor(16_000);
      for (const { dead, node } of both) {
        expect(dead, `seed ${seed}`).toEqual([]);
        expect(node.getConnections(), `seed ${seed}`).toMatchObject([{ status: 'open', rtt: 100 }]);
      }
      await network.stop();
    }
  });
});

test('a round trip is measured as well when the peer knows no pings', async ({ createNetwork }) => {
  const withoutPing = ({ clock, privateKey, address, stack }: SimHost): Promise<Watcher> =>
    createWatcher(clock, { privateKey, addresses: { listen: [address] }, ...stack });
  const network = await createNetwork({ nodes, link, fidelity: 'full', createNode: withoutPing });
  const both = await connect(network);
  await network.runFor(16_000);
  for (const { node } of both) expect(node.getConnections()).toMatchObject([{ rtt: 100 }]);
});
