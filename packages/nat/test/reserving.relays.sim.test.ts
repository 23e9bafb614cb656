import type { Stream } from '@libp2p/interface';
import type { SimHost } from '@lloom/simkit';
import { test } from '@lloom/simkit/vitest';
import { multiaddr } from '@multiformats/multiaddr';
import { expect } from 'vitest';

import type { RelayCandidate } from '../src/ports.ts';
import { addressOf, idOf, relayedOf, type KeepingConfig } from './reservingNodes.ts';
import {
  entryOf,
  hopStreams,
  keepingOf,
  link,
  minuteMs,
  nodesFor,
  relayOf,
  secondMs,
  type Network,
  type Node,
  type Odd,
} from './reservingSim.ts';

const garbage = (stream: Stream): void => {
  stream.send(new Uint8Array([5, 0xff, 0xff, 0xff, 0xff, 0x0f]));
};
const odd: readonly [name: string, answer: Odd, reason: RegExp][] = [
  ['answers garbage', garbage, /./],
  ['resets the stream', (stream) => stream.abort(new Error('no')), /./],
  ['never answers', () => undefined, /no answer in time/],
  ['names no place', (stream) => stream.send(new Uint8Array([5, 8, 2, 40, 100, 0])), /./],
  [
    'says a status that there is none of',
    (stream) => stream.send(new Uint8Array([4, 8, 2, 40, 9])),
    /status/,
  ],
];

for (const [name, answer, reason] of odd) {
  test(`a relay that ${name} is asked again, with pauses`, async ({ createNetwork }) => {
    let asked = 0;
    const count: Odd = (stream) => {
      asked++;
      return answer(stream);
    };
    const createNode = nodesFor({ odd: count });
    const network: Network = await createNetwork({ nodes: ['o', 'a'], link, createNode });
    keepingOf(network, 'a').enable([relayOf(network, 'o')]);
    await network.runFor(2 * minuteMs);
    expect(entryOf(network, 'a')?.lastFailure).toMatch(reason);
    expect(asked).toBeGreaterThan(5);
    expect(asked).toBeLessThan(30);
    expect(relayedOf(network.node('a'))).toEqual([]);
    keepingOf(network, 'a').reserving.disable();
    await network.runFor(secondMs);
    expect(hopStreams(network)).toEqual([]);
  });
}

test('a relay that denies a place is asked again after half a minute or more only', async ({
  createNetwork,
}) => {
  let asked = 0;
  const denied: Odd = (stream) => {
    asked++;
    stream.send(new Uint8Array([5, 8, 2, 40, 0xca, 1]));
  };
  const createNode = nodesFor({ odd: denied });
  const network: Network = await createNetwork({ nodes: ['o', 'r', 'a'], link, createNode });
  keepingOf(network, 'a').enable([relayOf(network, 'o')]);
  await network.runFor(2 * minuteMs);
  expect(entryOf(network, 'a')).toMatchObject({ state: 'waiting', lastFailure: 'it denies it' });
  expect(asked).toBeLessThanOrEqual(4);
  // One that was found is left for the next.
  keepingOf(network, 'a').reserving.disable();
  keepingOf(network, 'a').enable();
  await network.run(() => network.node('a').dial(multiaddr(relayOf(network, 'r'))));
  await network.runUntil(() => keepingOf(network, 'a').reserved.length === 1, { timeoutMs: 10 * secondMs });
});

test('no more relays are used than wanted, and the third one when one of two is gone for good', async ({
  createNetwork,
}) => {
  const createNode = nodesFor();
  const network: Network = await createNetwork({ nodes: ['r0', 'r1', 'r2', 'a'], link, createNode });
  const a = network.node('a');
  const keeping = keepingOf(network, 'a');
  const names = new Map(['r0', 'r1', 'r2'].map((name) => [idOf(network.node(name)), name]));
  keeping.enable();
  for (const name of names.values()) await network.run(() => a.dial(multiaddr(relayOf(network, name))));
  await network.runUntil(() => keeping.reserved.length === 2);
  await network.runFor(minuteMs);
  expect(keeping.told).toHaveLength(2);
  const used = keeping.reserved.map((relay) => names.get(relay)!);
  const [third] = [...names.values()].filter((name) => !used.includes(name));
  network.crash(used[0]!);
  await network.runUntil(() => keeping.reserved.some((relay) => names.get(relay) === third));
  network.crash(used[1]!);
  await network.runFor(10 * minuteMs);
  expect(keeping.reserved.map((relay) => names.get(relay))).toEqual([third]);
  await network.restart(used[0]!);
  await network.runUntil(() => keeping.reserved.length === 2, { timeoutMs: 10 * minuteMs });
});

/** Names relays as they are asked for, and others that are none. */
const sourceOf = (candidates: () => readonly RelayCandidate[]) => ({
  async *find() {
    yield* candidates();
  },
});

test('relays that somebody else names are tried, whatever else that source names', async ({
  createNetwork,
}) => {
  const config = (_: SimHost, others: ReadonlyMap<string, Node>): KeepingConfig => ({
    source: sourceOf(() => [
      { peerId: 'nonsense', addresses: ['nonsense'] },
      ...Array.from(others.values(), (node) => ({ peerId: idOf(node), addresses: [addressOf(node)] })),
    ]),
  });
  const createNode = nodesFor({ config });
  const network: Network = await createNetwork({ nodes: ['o0', 'o1', 'r', 'a'], link, createNode });
  const keeping = keepingOf(network, 'a');
  keeping.enable();
  await network.runUntil(() => keeping.reserved.length === 1);
  expect(keeping.reserved).toEqual([idOf(network.node('r'))]);
});

test('relays are dialled as everybody is, where somebody dials for this node', async ({ createNetwork }) => {
  const dialled: unknown[] = [];
  const config = (_: SimHost, others: ReadonlyMap<string, Node>): KeepingConfig => ({
    source: sourceOf(() => [{ peerId: idOf(others.get('r')!), addresses: [addressOf(others.get('r')!)] }]),
    dialer: {
      dial: async (peerId, addresses, { toldBy, signal }) => {
        dialled.push([peerId, toldBy]);
        await network.node('a').dial(multiaddr(addresses[0]), { signal });
      },
    },
  });
  const network: Network = await createNetwork({ nodes: ['r', 'a'], link, createNode: nodesFor({ config }) });
  const keeping = keepingOf(network, 'a');
  const relay = idOf(network.node('r'));
  keeping.enable([relayOf(network, 'r')]);
  await network.runUntil(() => keeping.reserved.length === 1);
  keeping.reserving.disable();
  await network.run(() => network.node('a').hangUp(network.node('r').peerId));
  keeping.enable();
  await network.runUntil(() => keeping.reserved.length === 1);
  expect(dialled.slice(0, 2)).toEqual([
    [relay, 'user'],
    [relay, 'peers'],
  ]);
});

test('a source that never ends is not read any longer than a search takes', async ({ createNetwork }) => {
  let reads = 0;
  const source = {
    find: () => ({
      [Symbol.asyncIterator]: () => ({
        next: () => {
          reads++;
          return new Promise<never>(() => undefined);
        },
      }),
    }),
  };
  const createNode = nodesFor({ config: () => ({ source }) });
  const network: Network = await createNetwork({ nodes: ['a', 'r'], link, createNode });
  keepingOf(network, 'a').enable();
  await network.runFor(minuteMs);
  expect(reads).toBeGreaterThan(1);
  expect(reads).toBeLessThan(6);
  await network.run(() => network.node('a').dial(multiaddr(relayOf(network, 'r'))));
  await network.runUntil(() => keepingOf(network, 'a').reserved.length === 1);
});
