import { describe, expect } from 'vitest';
import { ConfigError } from '@lloom/core';
import {
  bandwidthClass,
  linkPreset,
  type Fidelity,
  type HostBandwidth,
  type LinkEnd,
  type LinkRule,
  type Stoppable,
  type TestNetwork,
} from '../src/index.ts';
import { test } from '../src/vitest.ts';
import { createNode, echo, failure, openEcho, received, say, serveEcho, type Node } from './nodes.ts';

/** How long a ping takes over an open connection, in ms. */
const pingMs = async (network: TestNetwork<Node>, from: string, to: string): Promise<number> => {
  const target = network.node(to).getMultiaddrs();
  await network.run(() => network.node(from).dial(target));
  const before = network.clock.elapsed();
  await network.run(() => network.node(from).services.ping.ping(target));
  return network.clock.elapsed() - before;
};

/** Sends bytes as fast as they go, on a stream of their own. */
async function pour(
  network: TestNetwork<Node>,
  ends: readonly [string, string],
  total: number,
): Promise<void> {
  const stream = await openEcho(network, ...ends);
  void (async () => {
    for (let sent = 0; sent < total; sent += 50_000) {
      if (!stream.send(new Uint8Array(50_000))) {
        await new Promise((resolve) => stream.addEventListener('drain', resolve, { once: true }));
      }
    }
  })();
}

/** Counts what comes in, by name of the host. */
async function count(network: TestNetwork<Node>, ...names: string[]): Promise<Map<string, number>> {
  const counts = new Map(names.map((name) => [name, 0]));
  for (const name of names) {
    await network.node(name).handle(echo, (stream) => {
      stream.addEventListener('message', ({ data }) => counts.set(name, counts.get(name)! + data.byteLength));
    });
  }
  return counts;
}

const onlyUpload =
  (name: string, uploadBytesPerSecond: number) =>
  (host: LinkEnd): HostBandwidth =>
    host.name === name ? { uploadBytesPerSecond } : {};

describe('links', () => {
  test('a rule is asked once for each direction that is used, and for no other', async ({
    createNetwork,
  }) => {
    const asked: string[] = [];
    const link: LinkRule = (from, to) => {
      asked.push(`${from.name}${from.index} ${to.name}${to.index}`);
      return { delayMs: from.index < to.index ? 10 : 30 };
    };
    const network = await createNetwork({ nodes: ['a', 'b', 'c'], link, createNode });
    network.partition(['a'], ['b'], ['c']);
    network.heal();
    expect(asked).toEqual([]);
    expect(await pingMs(network, 'a', 'b')).toBe(40);
    expect(await pingMs(network, 'a', 'b')).toBe(40);
    expect(asked.toSorted()).toEqual(['a0 b1', 'b1 a0']);
    network.setLink('a', 'b', { delayMs: 5 });
    await network.runFor(1_000);
    expect(await pingMs(network, 'a', 'b')).toBe(10);
  });

  test('a preset is given by name, and a rule may build on it', async ({ createNetwork }) => {
    const overseas = await createNetwork({ nodes: 4, link: 'global', createNode });
    const roundTripMs = await pingMs(overseas, 'n0', 'n3');
    expect(roundTripMs).toBeGreaterThanOrEqual(80);
    expect(roundTripMs).toBeLessThan(90);
    await overseas.stop();
    const lan = linkPreset('lan');
    const link: LinkRule = (from, to) => ({ ...lan(from, to), jitterMs: 0 });
    const network = await createNetwork({ nodes: 2, link, createNode });
    expect(await pingMs(network, 'n0', 'n1')).toBeCloseTo(0.4);
  });

  test('what is no link is refused, and so is a preset that there is not', async ({ createNetwork }) => {
    const wrong = { nodes: 1, createNode, link: 'wifi', bandwidth: 5 };
    const error = await failure(createNetwork(wrong as never));
    expect(ConfigError.is(error) && error.data.problems.map(({ path }) => path)).toEqual([
      'network.bandwidth',
      'network.link',
    ]);
    const bandwidth = () => ({ uploadBytesPerSecond: 0 });
    await expect(createNetwork({ nodes: 1, createNode, bandwidth })).rejects.toThrow('uploadBytesPerSecond');
  });

  test('a rule that fails ends the run, and no dial hides it', async ({ createNetwork }) => {
    const rules: [LinkRule, string][] = [
      [() => ({ delayMs: -1 }), 'delayMs'],
      [() => undefined as never, 'returned at once'],
      [() => Promise.resolve({}) as never, 'returned at once'],
      [() => JSON.parse('{') as never, 'JSON'],
    ];
    for (const [link, words] of rules) {
      const network = await createNetwork({ nodes: 2, link, createNode });
      const target = network.node('n1').getMultiaddrs();
      await expect(network.run(() => network.node('n0').dial(target))).rejects.toThrow(words);
      await network.stop();
    }
  });
});

const fidelities: readonly Fidelity[] = ['fast', 'full'];
describe.each(fidelities)('bandwidth, %s', (fidelity) => {
  test('all connections of a host share what it can send, and none of them starves', async ({
    createNetwork,
  }) => {
    const bandwidth = onlyUpload('a', 1_000_000);
    const network = await createNetwork({ nodes: ['a', 'b', 'c', 'd'], bandwidth, fidelity, createNode });
    const counts = await count(network, 'b', 'c');
    await serveEcho(network.node('d'));
    const small = await openEcho(network, 'a', 'd');
    const texts = received(small);
    await pour(network, ['a', 'b'], 2_000_000);
    await pour(network, ['a', 'c'], 2_000_000);
    const before = network.clock.elapsed();
    await network.runFor(1_000);
    const halves = [...counts.values()];
    expect(Math.max(...halves) - Math.min(...halves)).toBeLessThan(200_000);
    expect(halves[0]! + halves[1]!).toBeGreaterThan(800_000);
    expect(halves[0]! + halves[1]!).toBeLessThan(1_200_000);
    say(small, 'me too');
    const asked = network.clock.elapsed();
    await network.runUntil(() => texts.length > 0);
    // Behind one segment of each of the others, not behind all that they have.
    expect(network.clock.elapsed() - asked).toBeLessThan(200);
    await network.runUntil(() => [...counts.values()].every((got) => got === 2_000_000));
    expect(network.clock.elapsed() - before).toBeGreaterThan(3_900);
    expect(network.clock.elapsed() - before).toBeLessThan(4_300);
  });

  test('all who send to a host share what it can receive', async ({ createNetwork }) => {
    const bandwidth = ({ name }: LinkEnd): HostBandwidth =>
      name === 'c' ? { downloadBytesPerSecond: 1_000_000 } : {};
    const network = await createNetwork({ nodes: ['a', 'b', 'c'], bandwidth, fidelity, createNode });
    let got = 0;
    await network.node('c').handle(echo, (stream) => {
      stream.addEventListener('message', ({ data }) => {
        got += data.byteLength;
      });
    });
    const before = network.clock.elapsed();
    await pour(network, ['a', 'c'], 1_000_000);
    await pour(network, ['b', 'c'], 1_000_000);
    await network.runUntil(() => got === 2_000_000);
    expect(network.clock.elapsed() - before).toBeGreaterThan(1_990);
    expect(network.clock.elapsed() - before).toBeLessThan(2_200);
  });
});

test('a host that is cut off keeps what it could not send yet, and sends it later', async ({
  createNetwork,
}) => {
  const bandwidth = onlyUpload('a', 100_000);
  const link = { breakAfterMs: 600_000 };
  const network = await createNetwork({ nodes: ['a', 'b'], bandwidth, link, createNode });
  const counts = await count(network, 'b');
  await pour(network, ['a', 'b'], 500_000);
  await network.runFor(2_000);
  network.partition(['a'], ['b']);
  await network.runFor(10_000);
  const stuck = counts.get('b')!;
  expect(stuck).toBeLessThan(300_000);
  network.heal();
  await network.runUntil(() => counts.get('b') === 500_000);
});

test('what went over the links is counted, for all and for each host', async ({ createNetwork }) => {
  const link: LinkRule = ({ name }) => (name === 'a' ? { lossRatio: 0.5, breakAfterMs: 600_000 } : {});
  const network = await createNetwork({ nodes: ['a', 'b', 'c'], link, createNode });
  expect(network.traffic).toEqual({ dials: 0, segments: 0, lostSegments: 0, bytes: 0 });
  await serveEcho(network.node('b'));
  const stream = await openEcho(network, 'a', 'b');
  const before = network.traffic;
  say(stream, 'x'.repeat(10_000));
  const texts = received(stream);
  await network.runUntil(() => texts.join('').length === 10_000);
  const { dials, segments, lostSegments, bytes } = network.traffic;
  expect(dials).toBe(1);
  expect(bytes - before.bytes).toBeGreaterThanOrEqual(20_000);
  expect(bytes - before.bytes).toBeLessThan(21_000);
  expect(lostSegments).toBeGreaterThan(0);
  const [a, b, c] = ['a', 'b', 'c'].map((name) => network.trafficOf(name));
  expect(a!.segments + b!.segments).toBe(segments);
  expect([a!.dials, a!.lostSegments, b!.lostSegments]).toEqual([1, lostSegments, 0]);
  expect(c).toEqual({ dials: 0, segments: 0, lostSegments: 0, bytes: 0 });
  expect(() => network.trafficOf('d')).toThrow('Cannot find node "d"');
});

test('the same seed gives the same trace, with regions, bandwidth, bursts, faults and newcomers', async ({
  createNetwork,
}) => {
  const rule = linkPreset('global');
  const link: LinkRule = (from, to) => ({ ...rule(from, to), lossRatio: 0.05, lossBurstSegments: 4 });
  const bandwidth = ({ index }: LinkEnd) => bandwidthClass(index % 2 === 0 ? 'mobile' : 'server');
  const hashes: string[] = [];
  for (const seed of [3, 3, 4]) {
    const network = await createNetwork({ nodes: 3, link, bandwidth, seed, createNode });
    const counts = await count(network, 'n1');
    await pour(network, ['n0', 'n1'], 300_000);
    network.at(1_000, () => network.spawn('late'));
    network.at(1_500, () => network.partition(['n0'], ['n1']));
    network.at(3_000, () => network.heal());
    await network.runUntil(() => counts.get('n1') === 300_000 && network.nodes.has('late'));
    await pour(network, ['late', 'n1'], 300_000);
    await network.runFor(10_000);
    hashes.push(network.trace.hash());
    await network.stop();
  }
  expect(hashes[1]).toBe(hashes[0]);
  expect(hashes[2]).not.toBe(hashes[0]);
});

test('a thousand hosts that are parted, healed, crashed and restarted cost next to nothing', async ({
  createNetwork,
}) => {
  const nothing = (): Stoppable => ({ stop: () => undefined });
  const asked: string[] = [];
  const link: LinkRule = ({ name }) => {
    asked.push(name);
    return {};
  };
  const network = await createNetwork({ nodes: 1_000, link, createNode: nothing });
  const names = network.hosts;
  network.partition(names.slice(0, 500), names.slice(500));
  network.heal();
  for (const name of names.slice(0, 50)) network.crash(name, { isSilent: true });
  for (const name of names.slice(0, 50)) await network.restart(name);
  expect(network.nodes.size).toBe(1_000);
  // No way between two hosts was made for that.
  expect(asked).toEqual([]);
});
