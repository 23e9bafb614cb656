import type { SimHost } from '@lloom/simkit';
import { test, type NetworkFixture } from '@lloom/simkit/vitest';
import type { Datastore } from 'interface-datastore';
import { describe, expect } from 'vitest';
import { routingTableOf } from '../src/adapters/kad.ts';
import { keepKadMode } from '../src/adapters/kadMode.ts';
import type { LloomBehaviour } from '../src/index.ts';
import { star } from './simNodes.ts';

const nodes = ['hub', 'a', 'b'];
const link = { delayMs: 20 };

type ProvidedKey = Parameters<LloomBehaviour['kad']['provide']>[0];
const zeros = (length: number): number[] => Array.from({ length }, () => 0);

async function meet(createNetwork: NetworkFixture['createNetwork']) {
  const disks = new Map<string, Datastore>();
  const create = star();
  const createNode = (host: SimHost) => {
    disks.set(host.name, host.datastore);
    return create(host);
  };
  const network = await createNetwork({ nodes, link, createNode });
  await network.runFor(10_000);
  return { network, disks };
}

/** How many entries stand under a prefix. */
async function count(datastore: Datastore, prefix: string): Promise<number> {
  let entries = 0;
  for await (const _ of datastore.queryKeys({ prefix })) entries += 1;
  return entries;
}

describe('the DHT of a node', () => {
  test('takes no record that is not a descriptor', async ({ createNetwork }) => {
    const { network, disks } = await meet(createNetwork);
    for (const key of ['key', '/pk/key', '/lloom/other/key', '/lloom/descriptor/key']) {
      await network.run(async () => {
        const [name, value] = [new TextEncoder().encode(key), new Uint8Array(100)];
        for await (const _ of network.node('a').kad.put(name, value));
      });
    }
    expect(await count(disks.get('a')!, '/dht/record')).toBe(4);
    for (const name of ['hub', 'b']) expect(await count(disks.get(name)!, '/dht/record')).toBe(0);
  });

  test('takes no provided key that is no hash', async ({ createNetwork }) => {
    const { network, disks } = await meet(createNetwork);
    /** Only the bytes matter: they are sent as they are. */
    const provide = (bytes: readonly number[]): Promise<void> =>
      network.run(async () => {
        const cid = { multihash: { bytes: Uint8Array.from(bytes) } } as unknown as ProvidedKey;
        for await (const _ of network.node('a').kad.provide(cid));
      });
    await provide([0x12, 32, ...zeros(32)]);
    await network.runFor(1_000);
    const before = await count(disks.get('hub')!, '/dht/provider');
    expect(before).toBeGreaterThan(0);
    // A CID may hold any bytes in place of their hash.
    await provide([1, 0x55, 0, 0xe8, 7, ...zeros(1_000)]);
    await network.runFor(1_000);
    expect(await count(disks.get('hub')!, '/dht/provider')).toBe(before);
  });

  test('has a routing table from which a peer can be taken, as long as kad-dht is built as it is', async ({
    createNetwork,
  }) => {
    const { network } = await meet(createNetwork);
    const [hub, { peerId }] = [network.node('hub'), network.node('a')];
    const table = routingTableOf(() => hub.kad);
    expect(await network.run(table.has(peerId))).toBe(true);
    expect(await network.run(table.has(hub.peerId))).toBe(false);
    await network.run(table.remove(peerId));
    expect(await network.run(table.has(peerId))).toBe(false);
  });

  test('loses a peer that died from its routing table', async ({ createNetwork }) => {
    const { network } = await meet(createNetwork);
    const { peerId } = network.node('a');
    const table = routingTableOf(() => network.node('hub').kad);
    expect(await network.run(table.has(peerId))).toBe(true);
    network.crash('a');
    await network.runFor(40_000);
    expect(await network.run(table.has(peerId))).toBe(false);
  });

  test('loses a peer that cannot be reached, which goes on to find others, until it can be again', async ({
    createNetwork,
  }) => {
    const { network } = await meet(createNetwork);
    const [hub, hidden] = [network.node('hub'), network.node('a')];
    const table = routingTableOf(() => hub.kad);
    const ownTable = routingTableOf(() => hidden.kad);
    const tell = keepKadMode({
      libp2p: hidden.libp2p,
      dht: () => hidden.kad,
      kadProtocol: '/lloom/kad/1.0.0',
      routingTable: ownTable,
      onError: (error) => {
        throw error;
      },
    });
    await network.run(tell({ kind: 'private' }));
    await network.runFor(10_000);
    expect(await network.run(table.has(hidden.peerId))).toBe(false);
    expect(hub.peerInfo(hidden.peerId)?.protocols).toContain('/lloom/kad/1.0.0/client');
    await network.run(network.node('b').advertiseService({ kind: 'validator', stake: '1' }));
    await network.runFor(10_000);
    const found = await network.run(hidden.discoverValidators());
    expect(found).toMatchObject([{ peerId: network.node('b').peerId }]);
    await network.run(tell({ kind: 'unknown' }));
    await network.runFor(10_000);
    expect(hub.peerInfo(hidden.peerId)?.protocols).toContain('/lloom/kad/1.0.0');
    expect(await network.run(table.has(hidden.peerId))).toBe(true);
    expect(hub.peerInfo(hidden.peerId)?.protocols).not.toContain('/lloom/kad/1.0.0/client');
  });
});

describe('a DHT that is built otherwise', () => {
  test('has nobody in its routing table, and nothing is taken from it', async () => {
    for (const shape of [{}, { routingTable: {} }, { routingTable: undefined }]) {
      const table = routingTableOf(() => shape as never);
      expect(await table.has('16Uiu2HAmMUjGmiUhJeiZgu6ZZnLRkE2VViR2JgjqtW9aTZnHQqgg')).toBe(false);
      await table.remove('16Uiu2HAmMUjGmiUhJeiZgu6ZZnLRkE2VViR2JgjqtW9aTZnHQqgg');
    }
  });
});
