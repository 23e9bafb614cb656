import { describe, expect } from 'vitest';
import { Key } from 'interface-datastore';
import type { Fidelity } from '../src/index.ts';
import { test } from '../src/vitest.ts';
import { createNode, createNodeWith, openEcho, received, say, serveEcho } from './nodes.ts';

const fidelities: readonly Fidelity[] = ['fast', 'full'];
const link = { delayMs: 50, breakAfterMs: 8_000 };

describe.each(fidelities)('%s', (fidelity) => {
  test('the death of a process is told to everybody who was connected', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes: 2, link, fidelity, createNode });
    await serveEcho(network.node('n1'));
    const stream = await openEcho(network, 'n0', 'n1');
    const before = network.clock.elapsed();
    network.crash('n1');
    await network.runUntil(() => stream.status !== 'open');
    expect(network.clock.elapsed() - before).toBe(50);
    expect(network.node('n0').getConnections()).toEqual([]);
  });

  test('the death of a machine is noticed by those who send', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes: 2, link, fidelity, createNode });
    await serveEcho(network.node('n1'));
    const stream = await openEcho(network, 'n0', 'n1');
    await network.runFor(1_000);
    network.crash('n1', { isSilent: true });
    await network.runFor(20_000);
    expect(stream.status).toBe('open');
    const before = network.clock.elapsed();
    say(stream, 'still there?');
    await network.runUntil(() => stream.status !== 'open');
    expect(network.clock.elapsed() - before).toBe(8_000);
  });

  test('a machine that comes back knows nothing of old connections, and says so', async ({
    createNetwork,
  }) => {
    const network = await createNetwork({ nodes: 2, link, fidelity, createNode });
    await serveEcho(network.node('n1'));
    const stream = await openEcho(network, 'n0', 'n1');
    await network.runFor(1_000);
    network.crash('n1', { isSilent: true });
    await network.runFor(20_000);
    await network.restart('n1');
    expect(stream.status).toBe('open');
    const before = network.clock.elapsed();
    say(stream, 'still there?');
    await network.runUntil(() => stream.status !== 'open');
    expect(network.clock.elapsed() - before).toBe(100);
  });

  test('a node that was restarted is the same peer at the same address', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes: 2, link, fidelity, createNode });
    const before = network.node('n1');
    network.crash('n1');
    expect(network.nodes.has('n1')).toBe(false);
    const after = await network.restart('n1');
    expect(after).not.toBe(before);
    expect(after.peerId.equals(before.peerId)).toBe(true);
    await serveEcho(after);
    const stream = await openEcho(network, 'n0', 'n1');
    const texts = received(stream);
    say(stream, 'again');
    await network.runUntil(() => texts.join('') === 'again');
  });
});

test('what a dead process still says reaches nobody', async ({ createNetwork }) => {
  const network = await createNetwork({ nodes: 2, link, createNode });
  const heard: string[] = [];
  await network.node('n1').handle('/test/say', (stream) => {
    heard.push(...received(stream));
    stream.addEventListener(
      'message',
      ({ data }) => void heard.push(new TextDecoder().decode(data.subarray())),
    );
  });
  const target = network.node('n1').getMultiaddrs();
  const stream = await network.run(() => network.node('n0').dialProtocol(target, '/test/say'));
  say(stream, 'before');
  await network.runFor(1_000);
  network.crash('n0', { isSilent: true });
  say(stream, 'after');
  await network.runFor(60_000);
  expect(heard).toEqual(['before']);
});

test('a dead process is not found in the local network any more', async ({ createNetwork }) => {
  const found: string[] = [];
  const network = await createNetwork({
    nodes: ['a', 'b'],
    link,
    createNode: async (host) => {
      const node = await createNodeWith(host, { peerDiscovery: [host.localDiscovery] });
      node.addEventListener('peer:discovery', ({ detail }) =>
        found.push(`${host.name} ${detail.id.toString()}`),
      );
      // One that takes long to stop is found no longer for that.
      return Object.assign(node, { stop: () => new Promise<void>((resolve) => setTimeout(resolve, 60_000)) });
    },
  });
  network.crash('b');
  found.length = 0;
  await network.runFor(30_000);
  expect(found).toEqual([]);
});

test('a disk keeps what was written until the crash, unless it is to be empty', async ({ createNetwork }) => {
  const disks: { put(key: Key, value: Uint8Array): unknown; has(key: Key): unknown }[] = [];
  const network = await createNetwork({
    nodes: ['a'],
    createNode: (host) => {
      disks.push(host.datastore);
      return createNode(host);
    },
  });
  const [early, late] = [new Key('/early'), new Key('/late')];
  await disks[0]!.put(early, new Uint8Array([1]));
  network.crash('a');
  await disks[0]!.put(late, new Uint8Array([2]));
  await network.restart('a');
  expect([await disks[1]!.has(early), await disks[1]!.has(late)]).toEqual([true, false]);
  network.crash('a');
  await network.restart('a', { datastore: 'empty' });
  expect(await disks[2]!.has(early)).toBe(false);
});

test('only what is up can crash, and only what is down can be restarted', async ({ createNetwork }) => {
  const network = await createNetwork({ nodes: ['a'], createNode });
  await expect(network.restart('a')).rejects.toThrow('Cannot restart node "a": it is up');
  network.crash('a');
  expect(() => network.crash('a')).toThrow('Cannot crash node "a": it is down');
  expect(() => network.node('a')).toThrow('Cannot use node "a": it is down');
});
