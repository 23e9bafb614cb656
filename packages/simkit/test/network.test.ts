import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { describe, expect } from 'vitest';
import type { Stream } from '@libp2p/interface';
import { ConfigError } from '@lloom/core';
import { SimkitError, type Fidelity } from '../src/index.ts';
import { test } from '../src/vitest.ts';
import { createNode, echo, failure, hourLater, openEcho, received, say, serveEcho } from './nodes.ts';

const fidelities: readonly Fidelity[] = ['fast', 'wire', 'full'];

describe.each(fidelities)('%s', (fidelity) => {
  test('what one node says another one hears a delay later', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes: 2, link: { delayMs: 50 }, fidelity, createNode });
    await serveEcho(network.node('n1'));
    const stream = await openEcho(network, 'n0', 'n1');
    const texts = received(stream);
    const before = network.clock.elapsed();
    say(stream, 'hello');
    await network.runUntil(() => texts.length > 0);
    expect(network.clock.elapsed() - before).toBe(100);
    expect(texts).toEqual(['hello']);
  });

  test('the same seed gives the same trace, another one another', async ({ createNetwork }) => {
    const hashes: string[] = [];
    for (const seed of [7, 7, 8]) {
      const link = { delayMs: 20, jitterMs: 5, lossRatio: 0.05 };
      const network = await createNetwork({ nodes: 4, link, seed, fidelity, createNode });
      const [first, ...others] = [...network.nodes.values()];
      for (const other of others) await network.run(() => other.dial(first!.getMultiaddrs()));
      await network.runFor(10_000);
      hashes.push(network.trace.hash());
      await network.stop();
    }
    expect(hashes[0]).toBe(hashes[1]);
    expect(hashes[2]).not.toBe(hashes[0]);
  });

  test('two megabytes arrive whole, as late as the bandwidth makes them', async ({ createNetwork }) => {
    const link = { delayMs: 10, bandwidthBytesPerSecond: 1_000_000 };
    const network = await createNetwork({ nodes: 2, link, fidelity, createNode });
    const total = 2_000_000;
    let got = 0;
    await network.node('n1').handle(echo, (stream) => {
      stream.addEventListener('message', ({ data }) => {
        got += data.byteLength;
      });
    });
    const stream = await openEcho(network, 'n0', 'n1');
    const before = network.clock.elapsed();
    await network.run(async () => {
      for (let sent = 0; sent < total; sent += 50_000) {
        if (!stream.send(new Uint8Array(50_000))) {
          await new Promise((resolve) => stream.addEventListener('drain', resolve, { once: true }));
        }
      }
    });
    await network.runUntil(() => got === total);
    const tookMs = network.clock.elapsed() - before;
    expect(tookMs).toBeGreaterThan(2_000);
    expect(tookMs).toBeLessThan(2_500);
  });

  test('a writer stops when nobody reads, and goes on when somebody does', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes: 2, link: { delayMs: 1 }, fidelity, createNode });
    let got = 0;
    let resume = (): void => undefined;
    await network.node('n1').handle(echo, (stream) => {
      stream.addEventListener('message', ({ data }) => {
        got += data.byteLength;
      });
      stream.pause();
      resume = () => stream.resume();
    });
    const stream = await openEcho(network, 'n0', 'n1');
    let sent = 0;
    const total = 20_000_000;
    const writing = network.run(
      async () => {
        while (sent < total) {
          sent += 50_000;
          if (!stream.send(new Uint8Array(50_000))) {
            await new Promise((resolve) => stream.addEventListener('drain', resolve, { once: true }));
          }
        }
      },
      { timeoutMs: 600_000 },
    );
    let stoppedAt = 0;
    network.at(network.clock.elapsed() + 60_000, () => {
      stoppedAt = sent;
      resume();
    });
    await writing;
    await network.runUntil(() => got === total);
    expect(stoppedAt).toBeGreaterThan(0);
    expect(stoppedAt).toBeLessThan(total / 2);
  });

  test('a partition holds back what is said, and lets it pass when it heals', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes: 2, link: { delayMs: 50 }, fidelity, createNode });
    await serveEcho(network.node('n1'));
    const stream = await openEcho(network, 'n0', 'n1');
    const texts = received(stream);
    network.partition(['n0'], ['n1']);
    say(stream, 'wait ');
    say(stream, 'for it');
    await network.runFor(10_000);
    expect(texts).toEqual([]);
    network.heal();
    await network.runFor(100);
    expect(texts.join('')).toBe('wait for it');
  });

  test('a peer that is not the one who was dialled is refused', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes: 3, fidelity, createNode });
    const other = network.node('n2').peerId.toString();
    const address = multiaddr(`/ip4/10.0.0.2/tcp/4001/p2p/${other}`);
    await network.run(() => failure(network.node('n0').dial(address)));
    expect(network.node('n0').getConnections()).toEqual([]);
  });

  test('a connection over which nothing gets breaks when the link says so', async ({ createNetwork }) => {
    const link = { delayMs: 50, breakAfterMs: 8_000 };
    const network = await createNetwork({ nodes: 2, link, fidelity, createNode });
    await serveEcho(network.node('n1'));
    const stream = await openEcho(network, 'n0', 'n1');
    network.partition(['n0'], ['n1']);
    const before = network.clock.elapsed();
    say(stream, 'lost');
    await network.runUntil(() => stream.status !== 'open');
    expect(network.clock.elapsed() - before).toBe(8_000);
    expect(network.node('n0').getConnections()).toEqual([]);
  });
});

test('an end that has given up refuses what still comes, and what it had left to say is lost', async ({
  createNetwork,
}) => {
  const link = { delayMs: 50, breakAfterMs: 8_000 };
  const network = await createNetwork({ nodes: 2, link, createNode });
  let heard: string[] = [];
  let answering: Stream | undefined;
  await network.node('n1').handle(echo, (stream) => {
    answering = stream;
    heard = received(stream);
  });
  const stream = await openEcho(network, 'n0', 'n1');
  await network.runFor(1_000);
  network.partitionOneWay(['n0'], ['n1']);
  say(stream, 'lost');
  await network.runUntil(() => stream.status !== 'open');
  network.heal();
  await network.runFor(10_000);
  expect([heard, answering?.status]).toEqual([[], 'open']);
  const before = network.clock.elapsed();
  say(answering!, 'anybody there?');
  await network.runUntil(() => answering?.status !== 'open');
  expect(network.clock.elapsed() - before).toBe(100);
});

test('a dial takes one round trip, and a ping over it another', async ({ createNetwork }) => {
  const network = await createNetwork({ nodes: 2, link: { delayMs: 50 }, createNode });
  const target = network.node('n1').getMultiaddrs();
  await network.run(() => network.node('n0').dial(target));
  expect(network.clock.elapsed()).toBe(100);
  expect(await network.run(() => network.node('n0').services.ping.ping(target))).toBe(100);
});

test('a cut of one way lets the other way pass', async ({ createNetwork }) => {
  const network = await createNetwork({ nodes: 2, link: { delayMs: 10 }, createNode });
  const heard: string[] = [];
  await network.node('n1').handle(echo, (stream) => {
    stream.addEventListener('message', ({ data }) => {
      heard.push(new TextDecoder().decode(data.subarray()));
      say(stream, 'answer');
    });
  });
  const stream = await openEcho(network, 'n0', 'n1');
  const texts = received(stream);
  const lift = network.partitionOneWay(['n1'], ['n0']);
  say(stream, 'question');
  await network.runFor(1_000);
  expect([heard, texts]).toEqual([['question'], []]);
  lift();
  await network.runFor(1_000);
  expect(texts).toEqual(['answer']);
});

test('a connection that is held back does not break, whatever else befalls its link', async ({
  createNetwork,
}) => {
  const link = { breakAfterMs: 8_000 };
  const network = await createNetwork({ nodes: 2, link, createNode });
  await serveEcho(network.node('n1'));
  const stream = await openEcho(network, 'n0', 'n1');
  await network.runFor(1_000);
  const lift = network.partition(['n0'], ['n1']);
  say(stream, 'first');
  await network.runFor(5_000);
  network.hold('n0', 'n1');
  await network.runFor(60_000);
  expect(stream.status).toBe('open');
  network.release('n0', 'n1');
  const before = network.clock.elapsed();
  await network.runUntil(() => stream.status !== 'open');
  expect(network.clock.elapsed() - before).toBe(8_000);
  lift();
});

test('what is on its way arrives, whatever then befalls the link', async ({ createNetwork }) => {
  const network = await createNetwork({ nodes: 2, link: { delayMs: 1_000 }, createNode });
  const heard: string[] = [];
  await network.node('n1').handle(echo, (stream) => {
    stream.addEventListener('message', ({ data }) => heard.push(new TextDecoder().decode(data.subarray())));
  });
  const stream = await openEcho(network, 'n0', 'n1');
  await network.runFor(10_000);
  say(stream, 'sent before');
  await network.runFor(10);
  network.partition(['n0'], ['n1']);
  say(stream, 'sent after');
  await network.runFor(5_000);
  expect(heard).toEqual(['sent before']);
});

test('of two partitions each is lifted by itself, and hosts in no group reach everybody', async ({
  createNetwork,
}) => {
  const network = await createNetwork({ nodes: ['a', 'b', 'c'], createNode });
  const liftFirst = network.partition(['a'], ['b']);
  const liftSecond = network.partition(['a'], ['b']);
  const dial = (from: string, to: string): Promise<boolean> => {
    const target = network.node(to).getMultiaddrs();
    const signal = AbortSignal.timeout(1_000);
    const dialling = network.node(from).dial(target, { signal });
    return network.run(dialling.then(() => true).catch(() => false));
  };
  expect(await dial('a', 'b')).toBe(false);
  expect(await dial('a', 'c')).toBe(true);
  liftFirst();
  expect(await dial('b', 'a')).toBe(false);
  liftSecond();
  expect(await dial('b', 'a')).toBe(true);
});

test('a link that is held back never breaks', async ({ createNetwork }) => {
  const network = await createNetwork({ nodes: 2, createNode });
  await serveEcho(network.node('n1'));
  const stream = await openEcho(network, 'n0', 'n1');
  const texts = received(stream);
  network.hold('n0', 'n1');
  say(stream, 'patience');
  await network.runFor(3_600_000);
  expect([stream.status, texts]).toEqual(['open', []]);
  network.release('n0', 'n1');
  await network.runFor(1);
  expect(texts).toEqual(['patience']);
});

test('a dial into a partition ends when its signal says so', async ({ createNetwork }) => {
  const network = await createNetwork({ nodes: 2, link: { delayMs: 50 }, createNode });
  network.partition(['n0'], ['n1']);
  const target = network.node('n1').getMultiaddrs();
  const error = await network.run(() =>
    failure(network.node('n0').dial(target, { signal: AbortSignal.timeout(6_000) })),
  );
  expect(error.name).toMatch(/TimeoutError|AbortError/);
  expect(network.clock.elapsed()).toBe(6_000);
});

test('a dial that began in a partition gets through at the first try after it', async ({ createNetwork }) => {
  const network = await createNetwork({ nodes: 2, link: { delayMs: 50 }, createNode });
  network.partition(['n0'], ['n1']);
  network.at(5_000, () => network.heal());
  const target = network.node('n1').getMultiaddrs();
  await network.run(() => network.node('n0').dial(target, { signal: hourLater() }));
  // Tries at 0, 1, 3 and 7 s.
  expect(network.clock.elapsed()).toBe(7_100);
});

test('nobody at an address of a host is told at once, nobody at an address at all never', async ({
  createNetwork,
}) => {
  const network = await createNetwork({ nodes: 2, link: { delayMs: 50 }, createNode });
  const dial = async (address: string): Promise<[string, number]> => {
    const before = network.clock.elapsed();
    const error = await network.run(
      () => failure(network.node('n0').dial(multiaddr(address), { signal: hourLater() })),
      { timeoutMs: 3_700_000 },
    );
    return [error.message, network.clock.elapsed() - before];
  };
  const peerId = network.node('n1').peerId.toString();
  const [refused, refusedAfterMs] = await dial(`/ip4/10.0.0.2/tcp/9/p2p/${peerId}`);
  expect(refused).toContain('ECONNREFUSED');
  expect(refusedAfterMs).toBe(100);
  const [unanswered, unansweredAfterMs] = await dial('/ip4/10.9.9.9/tcp/4001');
  expect(unanswered).toContain('ETIMEDOUT');
  expect(unansweredAfterMs).toBe(127_000);
});

test('a changed link counts from then on', async ({ createNetwork }) => {
  const network = await createNetwork({ nodes: 2, link: { delayMs: 50 }, createNode });
  const target = network.node('n1').getMultiaddrs();
  const ping = (): Promise<number> => network.run(() => network.node('n0').services.ping.ping(target));
  await network.run(() => network.node('n0').dial(target));
  expect(await ping()).toBe(100);
  // What is on its way is not overtaken.
  await network.runFor(1_000);
  network.setLink('n0', 'n1', { delayMs: 5 });
  expect(await ping()).toBe(10);
});

test('a plan is carried out at its time', async ({ createNetwork }) => {
  const network = await createNetwork({ nodes: 1, createNode });
  const times: number[] = [];
  network.at(2_500, () => times.push(network.clock.elapsed()));
  network.at(1_500, () => times.push(network.clock.elapsed()));
  await network.runFor(2_000);
  expect(times).toEqual([1_500]);
  await network.runFor(2_000);
  expect(times).toEqual([1_500, 2_500]);
});

test('nodes of one local network find each other', async ({ createNetwork }) => {
  const found = new Map<string, Set<string>>();
  const network = await createNetwork({
    nodes: 3,
    link: { delayMs: 1 },
    createNode: async ({ localDiscovery, name, privateKey, address, stack }) => {
      const node = await createLibp2p({
        privateKey,
        addresses: { listen: [address] },
        ...stack,
        peerDiscovery: [localDiscovery],
      });
      const peers = new Set<string>();
      found.set(name, peers);
      node.addEventListener('peer:discovery', ({ detail }) => void peers.add(detail.id.toString()));
      return node;
    },
  });
  await network.runUntil(() => [...found.values()].every((peers) => peers.size === 2));
});

test('a plan may restart a node, and one that fails ends the run', async ({ createNetwork }) => {
  const network = await createNetwork({ nodes: ['a', 'b'], createNode });
  network.at(1_000, () => network.crash('b'));
  network.at(2_000, async () => network.restart('b'));
  network.at(3_000, async () => Promise.reject(new Error('planned')));
  await network.runFor(2_500);
  expect(network.node('b').status).toBe('started');
  await expect(network.runFor(1_000)).rejects.toThrow('planned');
  network.crash('b');
  await network.run(async () => network.restart('b'));
  expect(network.node('b').status).toBe('started');
});

test('a restart that fails leaves a host on which the next one works', async ({ createNetwork }) => {
  let isBroken = false;
  const network = await createNetwork({
    nodes: ['a'],
    createNode: async (host) => {
      const node = await createNode(host);
      if (isBroken) throw new Error('a bad update');
      return node;
    },
  });
  network.crash('a');
  isBroken = true;
  await expect(network.restart('a')).rejects.toThrow('a bad update');
  isBroken = false;
  expect((await network.restart('a')).status).toBe('started');
});

test('what is no time, no condition, no group and no node is refused', async ({ createNetwork }) => {
  const refused = { code: 'INVALID_ARGUMENT' };
  const noNode = (() => undefined) as never;
  await expect(createNetwork({ nodes: 1, createNode: noNode })).rejects.toMatchObject(refused);
  const network = await createNetwork({ nodes: 2, createNode });
  for (const ms of ['5', -1, Number.NaN, Infinity, undefined] as number[]) {
    await expect(network.runFor(ms)).rejects.toMatchObject(refused);
    expect(() => network.at(ms, () => undefined)).toThrow(SimkitError);
  }
  const slow = (async () => false) as unknown as () => boolean;
  await expect(network.runUntil(slow)).rejects.toMatchObject(refused);
  expect(() => network.at(1, undefined as never)).toThrow('want a function');
  await expect(network.runUntil(5 as never)).rejects.toMatchObject(refused);
  expect(() => network.partition('n0' as never, 'n1' as never)).toThrow('want lists of names');
  expect(() => network.partition(['n0', 'n1'])).toThrow('want two groups or more');
  expect(() => network.partition(['n0', 'n1'], ['n1'])).toThrow('got n1 in two groups');
  expect(() => network.crash('n0', { isSilent: 'no' as never })).toThrow('want isSilent to be true or false');
  const burnt = network.restart('n0', { datastore: 'burnt' as never });
  await expect(burnt).rejects.toThrow('want datastore to be "kept" or "empty"');
  expect(await network.run(() => 5)).toBe(5);
  expect(network.clock.elapsed()).toBe(0);
});

test('a node that fails to stop is told when everything has stopped', async ({ createNetwork }) => {
  const { setTimeout } = globalThis;
  const stop = (): Promise<void> => Promise.reject(new Error('the disk is full'));
  const network = await createNetwork({ nodes: 2, createNode: () => ({ stop }) });
  const [first, second] = await Promise.allSettled([network.stop(), network.stop()]);
  expect([first, second]).toMatchObject([{ status: 'rejected' }, { status: 'rejected' }]);
  await expect(network.stop()).rejects.toMatchObject({ code: 'STOP_FAILED' });
  await expect(network.stop()).rejects.toThrow('the disk is full; the disk is full');
  expect(network.isStopped).toBe(true);
  expect(globalThis.setTimeout).toBe(setTimeout);
  expect(() => network.heal()).toThrow('the network is stopped');
});

test('what cannot be simulated is refused with every reason', async ({ createNetwork }) => {
  const wrong = { nodes: -1, seed: -1, fidelity: 'slow' as Fidelity, link: { delayMs: -5 } };
  const error = await failure(createNetwork(wrong as never));
  expect(ConfigError.is(error) && error.data.problems.map(({ path }) => path)).toEqual([
    'network.createNode',
    'network.nodes',
    'network.seed',
    'network.fidelity',
    'link.delayMs',
  ]);
  await expect(createNetwork({ nodes: ['a', 'a'], createNode })).rejects.toThrow('different names');
  await expect(createNetwork({ nodes: 2, link: { delayMs: -5 }, createNode })).rejects.toThrow('delayMs');
});

test('a name that no node has is told, with those that there are', async ({ createNetwork }) => {
  const network = await createNetwork({ nodes: ['a', 'b'], createNode });
  expect(() => network.node('c')).toThrow('Cannot find node "c": there are a, b');
  expect(() => network.partition(['a'], ['c'])).toThrow(SimkitError);
});

test('a condition that never holds ends with the seed that shows it', async ({ createNetwork }) => {
  const network = await createNetwork({ nodes: 1, seed: 42, createNode });
  const waiting = network.runUntil(() => false, { timeoutMs: 5_000, what: 'the end of the world' });
  await expect(waiting).rejects.toMatchObject({
    code: 'TIMEOUT',
    message: 'Waited 5000 ms of virtual time for the end of the world (seed 42)',
  });
  expect(network.clock.elapsed()).toBe(5_000);
});

test('a node that does not start gives the process its real time back', async ({ createNetwork }) => {
  const { setTimeout } = globalThis;
  const failing = createNetwork({ nodes: 2, createNode: () => Promise.reject(new Error('no disk')) });
  await expect(failing).rejects.toThrow('no disk');
  expect(globalThis.setTimeout).toBe(setTimeout);
  await createNetwork({ nodes: 1, createNode });
});

test('a stopped network says so, and may be stopped again', async ({ createNetwork }) => {
  const network = await createNetwork({ nodes: 1, createNode });
  await network.stop();
  await network.stop();
  await expect(network.runFor(1)).rejects.toMatchObject({ code: 'STOPPED' });
});

test('a run that is under way ends when the network is stopped, and its nodes with it', async ({
  createNetwork,
}) => {
  const network = await createNetwork({ nodes: 1, createNode });
  const node = network.node('n0');
  const error = failure(network.runUntil(() => false, { timeoutMs: 1e12 }));
  setInterval(() => undefined, 10);
  await network.stop();
  expect(await error).toMatchObject({ code: 'STOPPED' });
  expect(node.status).toBe('stopped');
});

test('a run inside a run is refused, and the outer one goes on', async ({ createNetwork }) => {
  const network = await createNetwork({ nodes: 1, createNode });
  const inner = await network.run(() => failure(network.runFor(1_000)));
  expect(inner).toMatchObject({ code: 'ALREADY_MOVING' });
  await network.runFor(1_000);
});

test('one network at a time lives in a process', async ({ createNetwork }) => {
  await createNetwork({ nodes: 1, createNode });
  await expect(createNetwork({ nodes: 1, createNode })).rejects.toMatchObject({ code: 'ALREADY_RUNNING' });
});
