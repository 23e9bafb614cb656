import { test } from '@lloom/simkit/vitest';
import { multiaddr } from '@multiformats/multiaddr';
import { describe, expect } from 'vitest';
import type { SimHost, TestNetwork, TestNetworkConfig } from '@lloom/simkit';
import type { Libp2pOptions } from 'libp2p';
import { askByHand } from './autonatPeer.ts';
import { Outside } from './outside.ts';
import { autonatOf, createSimNode, probingOf, type ReachNode } from './reachable.ts';

type Create = (config: TestNetworkConfig<ReachNode>) => Promise<TestNetwork<ReachNode>>;

const ok = { kind: 'dialResponse', status: 200, index: 0, dialStatus: 200 };
const unreached = { ...ok, dialStatus: 100 };
const rejected = { ...ok, status: 100, dialStatus: 0 };
const refused = { ...ok, status: 101, dialStatus: 0 };

interface Plan {
  readonly clients?: readonly string[];
  readonly fidelity?: 'fast' | 'full';
  readonly onlyGlobalIps?: boolean;
  readonly options?: Libp2pOptions;
}

/** A server `s`, and clients that take its dials and ask by hand. */
async function serve(createNetwork: Create, plan: Plan = {}) {
  const { clients = ['a'], fidelity = 'fast', onlyGlobalIps = true, options } = plan;
  const outside = new Outside();
  for (const name of ['s', ...clients]) outside.global.add(name);
  const createNode = async (host: SimHost): Promise<ReachNode> => {
    const autonat = { onlyGlobalIps, enableServer: host.name === 's' };
    const own = { ...outside.stackOf(host), addresses: { listen: [outside.listenOf(host)] } };
    return createSimNode(host, { autonat }, { ...own, ...(host.name === 's' && options) });
  };
  const nodes = ['s', ...clients];
  const network = await createNetwork({ nodes, link: { delayMs: 5 }, fidelity, createNode });
  const server = network.node('s');
  const addressOf = (name: string): string => `/ip4/45.0.0.${nodes.indexOf(name) + 1}/tcp/4001`;
  const connect = (name: string) =>
    network.run(() =>
      network.node(name).dial(multiaddr(`${addressOf('s')}/p2p/${server.peerId.toString()}`)),
    );
  const ask = async (name: string, addresses: readonly string[]) => {
    const [connection] = network.node(name).getConnections(server.peerId);
    const bytes = addresses.map((address) => multiaddr(address).bytes);
    return askByHand(connection ?? (await connect(name)), bytes);
  };
  const answer = (name: string, addresses: readonly string[]) =>
    network.run(async () => (await ask(name, addresses)).hear());
  const dials = (): string[] => outside.dials.filter((dial) => dial.startsWith('s '));
  return { network, outside, server, connect, ask, answer, addressOf, dials };
}

describe('a server', () => {
  for (const fidelity of ['fast', 'full'] as const) {
    test(`dials on a connection of its own, and closes that one alone (${fidelity})`, async ({
      createNetwork,
    }) => {
      const { network, server, connect, answer, addressOf } = await serve(createNetwork, { fidelity });
      const a = network.node('a');
      const connection = await connect('a');
      await network.run(() => probingOf(a).disable());
      await network.runFor(11_000);
      await network.run(() => probingOf(a).enable(autonatOf({ enableServer: false })));
      // By then the node has asked by itself.
      await network.runFor(500);
      expect(probingOf(a).status).toEqual({ kind: 'public', address: addressOf('a') });
      expect(await answer('a', [addressOf('a')])).toEqual(rejected);
      await network.runFor(500);
      expect([a.getConnections(), server.getConnections().length]).toEqual([[connection], 1]);
    });

    test(`finds somebody else at an address, and says that it did not get through (${fidelity})`, async ({
      createNetwork,
    }) => {
      const clients = ['a', 'b'];
      const { network, server, ask, connect, addressOf } = await serve(createNetwork, { clients, fidelity });
      await network.run(() => probingOf(network.node('a')).disable());
      await connect('a');
      const heard = await network.run(async () => {
        const { say, hear } = await ask('a', [addressOf('b')]);
        const request = await hear();
        for (let sent = 0; sent < 100_000; sent += 4_000)
          await say({ kind: 'dialDataResponse', byteCount: 4_000 });
        return [request, await hear()];
      });
      expect(heard).toEqual([
        { kind: 'dialDataRequest', index: 0, byteCount: expect.any(Number) as number },
        unreached,
      ]);
      await network.runFor(100);
      expect(server.getConnections()).toHaveLength(1);
    });
  }

  test('dials nobody else before it was paid for', async ({ createNetwork }) => {
    const { network, ask, connect, addressOf, dials } = await serve(createNetwork, { clients: ['a', 'b'] });
    await network.run(() => probingOf(network.node('a')).disable());
    await connect('a');
    await network.run(async () => {
      const { say, hear, stream } = await ask('a', [addressOf('b')]);
      await hear();
      for (let pieces = 0; pieces < 4_097; pieces++) {
        if (stream.status === 'open') await say({ kind: 'dialDataResponse', byteCount: 0 });
      }
      await expect(hear()).rejects.toThrow(/./);
    });
    expect(dials()).toEqual([]);
  });

  test('dials one address of many, the first that it may', async ({ createNetwork }) => {
    const { network, answer, connect, addressOf, dials, outside } = await serve(createNetwork);
    await network.run(() => probingOf(network.node('a')).disable());
    await connect('a');
    outside.firewalled.add('a');
    const many = Array.from({ length: 100 }, (_, at) => addressOf('a').replace('4001', String(4_001 + at)));
    const asked = ['/ip4/10.0.0.1/tcp/4001', '/dns4/example.com/tcp/1', ...many];
    expect(await answer('a', asked)).toEqual({ ...unreached, index: 2 });
    expect(dials()).toHaveLength(1);
  });

  const relay = '12D3KooWS5yGaeRhAuRnrbfDncJoVs1VpfF3HezNKVHKGvNnTdaT';
  const forbidden: readonly (readonly [what: string, address: string])[] = [
    ['a private address', '/ip4/192.168.1.1/tcp/4001'],
    ['an address of the server itself', '/ip4/127.0.0.1/tcp/4001'],
    ['the same of IPv6', '/ip6/::1/tcp/4001'],
    ['an IPv4 address in one of IPv6', '/ip6/::ffff:7f00:1/tcp/4001'],
    ['one that a gateway translates', '/ip6/64:ff9b::7f00:1/tcp/4001'],
    ['an address of all', '/ip4/0.0.0.0/tcp/4001'],
    ['a group', '/ip4/224.0.0.1/tcp/4001'],
    ['no port', '/ip4/45.0.0.2/tcp/0'],
    ['another transport', '/ip4/45.0.0.2/udp/4001/quic-v1'],
    ['a name', '/dns4/localhost/tcp/4001'],
    ['a relay', `/ip4/45.0.0.2/tcp/4001/p2p/${relay}/p2p-circuit`],
    ['somebody else by name', `/ip4/45.0.0.2/tcp/4001/p2p/${relay}`],
  ];
  test('refuses what nobody may have dialled', async ({ createNetwork }) => {
    const { network, answer, connect, dials } = await serve(createNetwork);
    await network.run(() => probingOf(network.node('a')).disable());
    await connect('a');
    for (const [what, address] of forbidden) {
      expect([what, await answer('a', [address])]).toEqual([what, refused]);
      await network.runFor(10_000);
    }
    expect([await answer('a', []), dials()]).toEqual([refused, []]);
  });

  test('asks the gater, and never dials its own machine for others', async ({ createNetwork }) => {
    const denied: string[] = [];
    const connectionGater = {
      denyDialMultiaddr: (address: { toString(): string }) => denied.push(address.toString()) > 0,
    };
    const plan = { onlyGlobalIps: false, options: { connectionGater } };
    const { network, answer, connect, addressOf, dials } = await serve(createNetwork, plan);
    await network.run(() => probingOf(network.node('a')).disable());
    await connect('a');
    expect(await answer('a', [addressOf('a'), '/ip4/127.0.0.1/tcp/4001'])).toEqual(refused);
    expect([denied, dials()]).toEqual([[addressOf('a')], []]);
  });

  test('serves a peer once in its interval, and of one network one at a time', async ({ createNetwork }) => {
    const clients = ['a', 'b'];
    const plan = await serve(createNetwork, { clients });
    const { network, outside, answer, ask, connect, addressOf } = plan;
    for (const name of clients) {
      await network.run(() => probingOf(network.node(name)).disable());
      await connect(name);
    }
    outside.firewalled.add('a');
    const first = network.run(async () => {
      const { hear } = await ask('a', [addressOf('a')]);
      const others = Array.from({ length: 20 }, async () => {
        try {
          return await (await ask('a', [addressOf('a')])).hear();
        } catch {
          return 'reset';
        }
      });
      const other = await (await ask('b', [addressOf('b')])).hear();
      return { first: await hear(), other, others: await Promise.all(others) };
    });
    const heard = await first;
    expect([heard.first, heard.other]).toEqual([unreached, rejected]);
    expect(heard.others).not.toContainEqual(unreached);
    expect(plan.dials()).toHaveLength(1);
    expect(await answer('b', [addressOf('b')])).toMatchObject({ status: 200 });
    await network.runFor(3_000);
    expect(await answer('a', [addressOf('a')])).toEqual(rejected);
    await network.runFor(3_000);
    expect(await answer('a', [addressOf('a')])).toEqual(unreached);
  });

  test('waits for a request for 5 s, in a place that others may have then', async ({ createNetwork }) => {
    const { network, server, connect, answer, addressOf } = await serve(createNetwork, {
      clients: ['a', 'b'],
    });
    for (const name of ['a', 'b']) await network.run(() => probingOf(network.node(name)).disable());
    const connection = await connect('a');
    await connect('b');
    const stream = await network.run(() => connection.newStream('/libp2p/autonat/2/dial-request'));
    await network.runFor(4_000);
    expect(await answer('b', [addressOf('b')])).toEqual(rejected);
    await network.runFor(2_000);
    expect([stream.status, await answer('b', [addressOf('b')])]).toMatchObject(['reset', { status: 200 }]);
    // Whoever stops serving ends what is under way.
    await network.run(() => probingOf(server).enable(autonatOf({ enableServer: false })));
    await expect(answer('b', [addressOf('b')])).rejects.toThrow(/./);
  });
});
