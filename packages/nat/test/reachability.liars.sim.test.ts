import type { Libp2p } from '@libp2p/interface';
import { test } from '@lloom/simkit/vitest';
import { multiaddr } from '@multiformats/multiaddr';
import { expect } from 'vitest';
import type { TestNetwork, TestNetworkConfig } from '@lloom/simkit';
import { proveDial, response, serveByHand, type Asked } from './autonatPeer.ts';
import { createSimNode, kindOf, probingOf, type ReachNode } from './reachable.ts';

type Create = (config: TestNetworkConfig<ReachNode>) => Promise<TestNetwork<ReachNode>>;

/** A node `a` that asks, and a server `b` that answers by hand. */
async function meet(
  createNetwork: Create,
  answer: (asked: Asked, b: Libp2p) => Promise<unknown>,
  announce: string[] = [],
) {
  const network = await createNetwork({
    nodes: ['a', 'b'],
    link: { delayMs: 5 },
    createNode: (host) =>
      host.name === 'a'
        ? createSimNode(host, {}, { addresses: { listen: [host.address], announce } })
        : createSimNode(host, { autonat: false }),
  });
  const [a, b] = [network.node('a'), network.node('b')];
  let asked = 0;
  await network.run(() =>
    serveByHand(b, (each) => {
      asked++;
      return answer(each, b);
    }),
  );
  await network.run(() => a.dial(b.getMultiaddrs()));
  return { network, a, b, asked: () => asked };
}

const lies: readonly (readonly [what: string, answer: (asked: Asked, b: Libp2p) => Promise<unknown>])[] = [
  ['says that it got through, and did not dial', ({ say }) => say(response())],
  [
    'dials nobody, and proves it on the connection that was there',
    async ({ connection, request, say }) => {
      await proveDial(connection, request.nonce).catch(() => undefined);
      await say(response());
    },
  ],
  [
    'dials and brings another nonce',
    async ({ connection, request, say }, b) => {
      const dialed = await b.dial(connection.remoteAddr.decapsulate('/tcp').encapsulate('/tcp/4001'), {
        force: true,
      });
      await proveDial(dialed, request.nonce + 1n).catch(() => undefined);
      await dialed.close();
      await say(response());
    },
  ],
  ['names an address that nobody asked for', ({ say }) => say(response({ index: 9, dialStatus: 100 }))],
  [
    'asks for more data than a dial is worth',
    ({ say }) => say({ kind: 'dialDataRequest', index: 0, byteCount: 100_001 }),
  ],
  [
    'asks for data for an address that nobody asked for',
    ({ say }) => say({ kind: 'dialDataRequest', index: 9, byteCount: 30_000 }),
  ],
  [
    'asks for data again and again',
    async ({ say, hear }) => {
      for (;;) {
        await say({ kind: 'dialDataRequest', index: 0, byteCount: 30_000 });
        for (let pieces = 0; pieces < 8; pieces++) await hear();
      }
    },
  ],
  ['says what no protocol knows', ({ frames }) => frames.write(Uint8Array.of(0xff, 0xff, 0xff))],
  ['sends a message without end', ({ frames }) => frames.write(new Uint8Array(9_000))],
  ['never answers', () => new Promise(() => undefined)],
  ['refuses', ({ say }) => say(response({ status: 101, dialStatus: 0 }))],
  ['is too busy', ({ say }) => say(response({ status: 100, dialStatus: 0 }))],
  ['fails', ({ say }) => say(response({ status: 0, dialStatus: 0 }))],
  ['could connect, and not talk', ({ say }) => say(response({ dialStatus: 101 }))],
];

for (const [what, answer] of lies) {
  test(`of a server that ${what} nothing is believed, and it is asked again ever later`, async ({
    createNetwork,
  }) => {
    const { network, a, asked } = await meet(createNetwork, answer);
    await network.runFor(55_000);
    expect([kindOf(a), probingOf(a).explain().confidence]).toEqual(['unknown', 0]);
    expect(asked()).toBeGreaterThanOrEqual(2);
    expect(asked()).toBeLessThanOrEqual(6);
    expect(a.getConnections()).toHaveLength(1);
    await network.run(() => probingOf(a).disable());
    expect(a.getConnections()[0]?.streams.map(({ protocol }) => protocol)).toEqual([]);
  });
}

for (const [what, rest, withinMs] of [
  ['refuses to try all addresses', { status: 101, dialStatus: 0 }, 11_000],
  ['is always too busy to try all addresses', { status: 100, dialStatus: 0 }, 360_000],
] as const) {
  test(`a server that ${what} does not hold the verdict up for ever`, async ({ createNetwork }) => {
    const { network, a } = await meet(
      createNetwork,
      async ({ request, say }) => {
        const isDead = String(multiaddr(request.addresses[0])).includes('10.9.9.9');
        await say(response(isDead ? { dialStatus: 100 } : rest));
      },
      ['/ip4/10.9.9.9/tcp/1'],
    );
    await network.runFor(5_000);
    expect(kindOf(a)).toBe('unknown');
    await network.runUntil(() => kindOf(a) === 'private', { timeoutMs: withinMs });
    expect(probingOf(a).explain().candidates).toMatchObject([
      { verdict: 'unreachable' },
      { verdict: 'untested' },
    ]);
  });
}

test('a server that pays no attention harms nobody: another one is asked', async ({ createNetwork }) => {
  const network = await createNetwork({
    nodes: ['a', 'b', 'c'],
    link: { delayMs: 5 },
    createNode: (host) => createSimNode(host, { autonat: host.name === 'b' ? false : {} }),
  });
  const [a, b, c] = [network.node('a'), network.node('b'), network.node('c')];
  await network.run(() => serveByHand(b, ({ say }) => say(response({ status: 100 }))));
  await network.run(() => a.dial(b.getMultiaddrs()));
  await network.runFor(5_000);
  expect(kindOf(a)).toBe('unknown');
  await network.run(() => a.dial(c.getMultiaddrs()));
  await network.runUntil(() => kindOf(a) === 'public', { timeoutMs: 1_000 });
});

test('who asks takes as much data as it pays for a dial elsewhere', async ({ createNetwork }) => {
  let paid = 0;
  const { network, a } = await meet(createNetwork, async ({ connection, request, say, hear }, b) => {
    await say({ kind: 'dialDataRequest', index: 0, byteCount: 100_000 });
    while (paid < 100_000) {
      const message = await hear();
      if (message.kind === 'dialDataResponse') paid += message.byteCount;
    }
    const dialed = await b.dial(connection.remoteAddr.decapsulate('/tcp').encapsulate('/tcp/4001'), {
      force: true,
    });
    await proveDial(dialed, request.nonce);
    await say(response());
  });
  await network.runUntil(() => kindOf(a) === 'public', { timeoutMs: 2_000 });
  expect(paid).toBe(102_400);
});

test('a connection that a server dialled before it was asked proves nothing', async ({ createNetwork }) => {
  const network = await createNetwork({
    nodes: ['a', 'b'],
    link: { delayMs: 5 },
    createNode: (host) => createSimNode(host, { autonat: host.name === 'a' ? {} : false }),
  });
  const [a, b] = [network.node('a'), network.node('b')];
  let refusals = 0;
  await network.run(() =>
    serveByHand(b, async ({ connection, request, say }) => {
      await proveDial(connection, request.nonce).catch(() => refusals++);
      await say(response());
    }),
  );
  await network.run(() => b.dial(a.getMultiaddrs()));
  await network.runFor(5_000);
  expect([kindOf(a), refusals]).toEqual(['unknown', 1]);
});
