import { createHash } from 'node:crypto';
import type { Stream } from '@libp2p/interface';
import { lpStream } from '@libp2p/utils';
import { multiaddr } from '@multiformats/multiaddr';
import { toPeerId, type Hex } from '@lloom/core';
import { Identity } from '@lloom/identity';
import { test, type NetworkFixture } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { decodeKad, encodeKad, kad, kadProtocol, type KadPeer } from './kadMessages.ts';
import { advertiseAll, peerIdOf, search, serviceOf, star, timed, type SimNetwork } from './simNodes.ts';

const link = { delayMs: 20 };
const liars = ['x1', 'x2', 'x3'];
const nodes = ['hub', ...liars, 'e1', 'c1'];

/** A peer that exists nowhere, at an address where nobody answers. */
function nobody(index: number): KadPeer {
  const key: Hex = `0x${createHash('sha256').update(`nobody ${index}`).digest('hex')}`;
  const { peerId } = Identity.fromPrivateKey(key);
  const address = multiaddr(`/ip4/10.99.${index >> 8}.${index & 255}/tcp/4001`).bytes;
  return { id: toPeerId(peerId).toMultihash().bytes, addresses: [address] };
}

/** Answers whatever the DHT asks, until the stream ends. */
const lying =
  (lie: () => { readonly closer?: readonly KadPeer[]; readonly providers?: readonly KadPeer[] }) =>
  async (stream: Stream): Promise<void> => {
    const messages = lpStream(stream);
    try {
      for (;;) {
        const { type, key } = decodeKad((await messages.read()).subarray());
        const isPing = type === kad.ping;
        await messages.write(encodeKad({ type, key, ...(isPing ? {} : lie()) }));
      }
    } catch {
      await stream.close().catch(() => {});
    }
  };

/** Three of six nodes lie to everybody who asks their DHT. */
async function meet(
  createNetwork: NetworkFixture['createNetwork'],
  lie: Parameters<typeof lying>[0],
): Promise<SimNetwork> {
  const createNode = star((name) => (liars.includes(name) ? 'stranger' : {}));
  const network = await createNetwork({ nodes, link, createNode });
  const hub = network.node('hub').getMultiaddrs();
  for (const name of liars) {
    const liar = network.node(name);
    await network.run(async () => liar.unhandle(kadProtocol));
    await network.run(async () => liar.handle(kadProtocol, lying(lie)));
    await network.run(async () => liar.dial(hub));
  }
  await network.runFor(5_000);
  await advertiseAll(network, ['e1']);
  return network;
}

describe('nodes of the DHT that lie', () => {
  const many = Array.from({ length: 100 }, (_, index) => nobody(index));

  test('name a hundred providers that do not exist, and the one that does is found at once', async ({
    createNetwork,
  }) => {
    const network = await meet(createNetwork, () => ({ providers: many }));
    const found = await timed(network, () => serviceOf(network, 'c1').discoverExecutors());
    expect(found.result.map(({ peerId }) => peerId)).toEqual([peerIdOf(network, 'e1')]);
    expect(found.tookMs).toBeLessThan(1_000);
    const all = await timed(network, () => search(network, 'c1'));
    expect(all.result).toEqual(['e1']);
    expect(all.tookMs).toBeLessThanOrEqual(61_000);
  });

  test('name closer peers that do not exist, new ones each time, and no search goes on for ever', async ({
    createNetwork,
  }) => {
    let next = 1_000;
    const closer = (): KadPeer[] => Array.from({ length: 5 }, () => nobody((next += 1)));
    const network = await meet(createNetwork, () => ({ closer: closer() }));
    const found = await timed(network, () => serviceOf(network, 'c1').discoverExecutors());
    expect(found.result.map(({ peerId }) => peerId)).toEqual([peerIdOf(network, 'e1')]);
    expect(found.tookMs).toBeLessThan(1_000);
    const all = await timed(network, () => search(network, 'c1'));
    expect(all.result).toEqual(['e1']);
    expect(all.tookMs).toBeLessThanOrEqual(61_000);
  });

  test('say that honest peers provide what they do not, and nobody else is listed', async ({
    createNetwork,
  }) => {
    const honest: KadPeer[] = [];
    const network = await meet(createNetwork, () => ({ providers: honest }));
    const { peerId } = network.node('hub');
    honest.push({ id: peerId.toMultihash().bytes, addresses: [multiaddr('/ip4/10.99.0.1/tcp/1').bytes] });
    expect(await network.run(() => search(network, 'c1'), { timeoutMs: 120_000 })).toEqual(['e1']);
  });
});
