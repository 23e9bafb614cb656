import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { question } from './nodes.ts';
import { failureOf, serve, star, type SimNode } from './simNodes.ts';

const isRelayed = (address: string): boolean => address.includes('/p2p-circuit');
const staysRelayed = { packages: { nat: { enableHolePunching: false } } };
const nodes = ['hub', 'executor', 'client'];

async function ask(client: SimNode, peerId: string): Promise<string> {
  return (await client.stream(peerId, await question(client.identity, peerId)).result).content;
}

/** What the peer store of a node holds of another one. */
const storedAt = async (node: SimNode, { libp2p }: SimNode): Promise<string[]> =>
  (await node.libp2p.peerStore.get(libp2p.peerId)).addresses.map(({ multiaddr }) => multiaddr.toString());

describe('an executor that nobody could dial when it was found', () => {
  test('is asked through its relay seconds after it has a place there, by whoever looks again', async ({
    createNetwork,
  }) => {
    const network = await createNetwork({
      nodes,
      link: { delayMs: 20 },
      createNode: star(() => staysRelayed),
    });
    network.partition(['executor'], ['client']);
    const [hub, executor, client] = nodes.map((name) => network.node(name));
    const { peerId } = executor!;
    const find = () => network.run(() => client!.findModelProviders('demo-small'));
    await network.run(() => hub!.enableRelayServer());
    await network.runFor(5_000);
    await network.run(() => serve(executor!, network.clock));
    await network.runFor(3_000);
    const [before] = await find();
    expect(before?.addresses.some(isRelayed)).toBe(false);
    const refused = await network.run(() => failureOf(ask(client!, peerId)), { timeoutMs: 60_000 });
    expect(refused).toMatchObject({ code: 'DIAL_FAILED' });

    const relays = hub!.listenedAddresses().map((address) => `${address}/p2p/${hub!.peerId}`);
    await network.run(() => executor!.enableRelayClient({ relays }));
    await network.runFor(5_000);
    const [after] = await find();
    expect(after?.addresses.some(isRelayed)).toBe(true);
    const askedAtMs = network.clock.elapsed();
    expect(await network.run(() => ask(client!, peerId))).toBe('to be or not');
    // No address that leads nowhere was tried first: each costs seconds.
    expect(network.clock.elapsed() - askedAtMs).toBeLessThan(2_000);
  });

  test('is dialled where it says that it is, also when the client has forgotten it meanwhile', async ({
    createNetwork,
  }) => {
    const network = await createNetwork({
      nodes,
      link: { delayMs: 20 },
      createNode: star(() => staysRelayed),
    });
    network.partition(['executor'], ['client']);
    const [, executor, client] = nodes.map((name) => network.node(name));
    await network.runFor(5_000);
    await network.run(() => serve(executor!, network.clock));
    await network.runFor(3_000);
    const find = () => network.run(() => client!.findModelProviders('demo-small'));
    await find();
    // The search goes on behind its result until everybody has answered or not; then the answer counts for a while.
    await network.runFor(10_000);
    const own = await network.run(() => storedAt(client!, executor!));
    await network.run(() => client!.libp2p.peerStore.delete(executor!.libp2p.peerId));
    expect(await find()).toHaveLength(1);
    await network.runFor(100);
    expect(await network.run(() => storedAt(client!, executor!))).toEqual(own);
  });
});
