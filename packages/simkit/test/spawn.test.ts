import { expect } from 'vitest';
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import { multiaddr } from '@multiformats/multiaddr';
import type { SimHost, Stoppable, TestNetwork } from '../src/index.ts';
import { test } from '../src/vitest.ts';
import { createNode, failure, type Node } from './nodes.ts';

/** Starts a node that takes a while, and does nothing. */
const slowly = async (): Promise<Stoppable> => {
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  return { stop: () => undefined };
};

/** Whether one node gets through to another within 5 s. */
async function reaches(network: TestNetwork<Node>, from: string, address: string): Promise<boolean> {
  const signal = AbortSignal.timeout(5_000);
  return network.run(
    network
      .node(from)
      .dial(multiaddr(address), { signal })
      .then(() => true)
      .catch(() => false),
  );
}

test('a network may begin with nobody, and hosts come when they like: between runs, inside one, and by plan', async ({
  createNetwork,
}) => {
  const told: string[][] = [];
  const network = await createNetwork({
    nodes: 0,
    createNode: (host, others) => {
      told.push([host.name, ...others.keys()]);
      return slowly();
    },
  });
  expect([network.hosts, network.nodes.size]).toEqual([[], 0]);
  await network.spawn('first');
  expect(network.clock.elapsed()).toBe(1_000);
  await network.run(() => network.spawn('second'));
  network.at(2_500, () => network.spawn('third'));
  await network.runFor(1_000);
  expect([network.hosts, [...network.nodes.keys()]]).toEqual([
    ['first', 'second', 'third'],
    ['first', 'second'],
  ]);
  await network.runFor(1_000);
  expect(told).toEqual([['first'], ['second', 'first'], ['third', 'first', 'second']]);
  expect([...network.nodes.keys()]).toEqual(['first', 'second', 'third']);
});

test('several are spawned at once, each as soon as it can', async ({ createNetwork }) => {
  const network = await createNetwork({
    nodes: 1,
    createNode: async ({ index }) => {
      await new Promise((resolve) => setTimeout(resolve, 1_000 * index));
      return { stop: () => undefined };
    },
  });
  const before = network.clock.elapsed();
  network.at(before + 1_500, () => expect([...network.nodes.keys()]).toEqual(['n0', 'a']));
  await Promise.all([network.spawn('a'), network.spawn('b'), network.spawn('c')]);
  expect(network.clock.elapsed() - before).toBe(3_000);
  expect([...network.nodes.keys()]).toEqual(['n0', 'a', 'b', 'c']);
  for (const name of ['a', 'b']) network.crash(name);
  await Promise.all([network.restart('b'), network.restart('a')]);
  expect([...network.nodes.keys()]).toEqual(['n0', 'a', 'b', 'c']);
});

test('a name that is taken, empty, too long or no text is refused, and so is one host too many', async ({
  createNetwork,
}) => {
  const network = await createNetwork({ nodes: 9_999, createNode: () => ({ stop: () => undefined }) });
  const refused = { code: 'INVALID_ARGUMENT' };
  for (const name of ['n0', '', 'x'.repeat(65), 7, undefined] as string[]) {
    await expect(network.spawn(name)).rejects.toMatchObject(refused);
  }
  await network.spawn('the last');
  await expect(network.spawn('one more')).rejects.toThrow('want at most 10000 hosts');
  expect(network.hosts.length).toBe(10_000);
  expect(() => network.node('nobody')).toThrow(/there are n0, n1, .*n19, …$/);
});

test('a host whose first node does not start stays, down, and may be restarted', async ({
  createNetwork,
}) => {
  let isBroken = true;
  const network = await createNetwork({
    nodes: 0,
    createNode: async (host) => {
      const node = await createNode(host);
      if (isBroken) throw new Error('no disk');
      return node;
    },
  });
  await expect(network.spawn('a')).rejects.toThrow('no disk');
  expect([network.hosts, network.nodes.size]).toEqual([['a'], 0]);
  await expect(network.spawn('a')).rejects.toThrow('a name that no host has');
  isBroken = false;
  expect((await network.restart('a')).status).toBe('started');
});

test('a host that is being started can neither crash nor be started again', async ({ createNetwork }) => {
  const network = await createNetwork({ nodes: 0, createNode: slowly });
  const spawning = network.spawn('a');
  expect(() => network.crash('a')).toThrow('Cannot crash node "a": it is starting');
  await expect(network.restart('a')).rejects.toThrow('Cannot restart node "a": it is starting');
  await spawning;
  network.crash('a');
});

test('a node that comes up when its network is stopped is stopped as well', async ({ createNetwork }) => {
  let stops = 0;
  const network = await createNetwork({
    nodes: 1,
    createNode: async ({ index }) => {
      if (index > 0) await slowly();
      // The others are still being started then.
      const lastMs = index === 0 ? 5_000 : 0;
      return {
        stop: () => new Promise<void>((resolve) => setTimeout(resolve, lastMs)).then(() => (stops += 1)),
      };
    },
  });
  const errors: Promise<Error>[] = [];
  network.at(1, () => void errors.push(failure(network.spawn('planned'))));
  await network.runFor(10);
  const awaited = failure(network.spawn('awaited'));
  await network.stop();
  expect(await Promise.all([...errors, awaited])).toMatchObject([{ code: 'STOPPED' }, { code: 'STOPPED' }]);
  expect([stops, network.nodes.size]).toEqual([3, 1]);
});

test('a plan that is starting a node does not fail the stop of its network', async ({ createNetwork }) => {
  const network = await createNetwork({
    nodes: 1,
    createNode: async ({ index }) =>
      index > 0 ? slowly() : { stop: () => new Promise<void>((resolve) => setTimeout(resolve, 5_000)) },
  });
  let begun = 0;
  network.at(1, () => network.spawn('planned'));
  network.at(20, () => {
    begun += 1;
    throw new Error('begun');
  });
  await network.runFor(10);
  await network.stop();
  expect([network.nodes.size, begun]).toEqual([1, 0]);
});

test('a newcomer is in no group of a partition, and a machine that is down is down for it as well', async ({
  createNetwork,
}) => {
  const network = await createNetwork({ nodes: ['a', 'b', 'c'], link: { delayMs: 5 }, createNode });
  const addresses = ['a', 'b', 'c'].map((name) => network.node(name).getMultiaddrs()[0]!.toString());
  network.partition(['a'], ['b']);
  network.crash('c', { isSilent: true });
  await network.spawn('d');
  const reached: boolean[] = [];
  for (const address of addresses) reached.push(await reaches(network, 'd', address));
  expect(reached).toEqual([true, true, false]);
  const d = network.node('d').getMultiaddrs()[0]!.toString();
  expect([await reaches(network, 'a', d), await reaches(network, 'a', addresses[1]!)]).toEqual([true, false]);
  await network.restart('c');
  expect(await reaches(network, 'd', addresses[2]!)).toBe(true);
});

test('the key of a host is the one that libp2p makes of its bytes', async ({ createNetwork }) => {
  const hosts: SimHost[] = [];
  await createNetwork({
    nodes: 1,
    createNode: (host) => {
      hosts.push(host);
      return { stop: () => undefined };
    },
  });
  const [host] = hosts;
  const wanted = await generateKeyPairFromSeed('Ed25519', host!.keyBytes);
  expect(host!.privateKey.raw).toEqual(wanted.raw);
  expect(host!.privateKey.publicKey.raw).toEqual(wanted.publicKey.raw);
  expect(host!.privateKey).toBe(host!.privateKey);
});
