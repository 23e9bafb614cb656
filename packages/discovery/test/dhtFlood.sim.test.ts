import { multiaddr } from '@multiformats/multiaddr';
import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { create, floodKeys, floodRecords, hash, pour, provided, worksAsBefore } from './dhtFlood.ts';
import { connectAll } from './dhtNodes.ts';
import { encodeKad, isTaken, kad, kadProtocol } from './kadMessages.ts';

// With 10,000 messages: dhtFlood.sim.long.test.ts.
describe('a flood of the DHT by one peer', () => {
  test('stores no record without a namespace, no record of a key, and one descriptor', async ({
    createNetwork,
  }) => {
    await floodRecords(await createNetwork(create()), 2_000);
  });

  test('stores no more provided keys than its share, and none that is no hash', async ({ createNetwork }) => {
    await floodKeys(await createNetwork(create()), 5_000);
  });

  test('with addresses keeps few of them, and a message that is too large is not read', async ({
    createNetwork,
  }) => {
    const network = await createNetwork(create());
    await connectAll(network);
    const [attacker, victim] = [network.node('attacker'), network.node('victim')];
    const id = attacker.peerId.toMultihash().bytes;
    const say = (count: number, port: number): Uint8Array => {
      const addresses = Array.from({ length: count }, (_, index) =>
        multiaddr(`/ip4/10.0.${index >> 8}.${index & 255}/tcp/${port}`),
      );
      const provider = { id, addresses: addresses.map(({ bytes }) => bytes) };
      return encodeKad({ type: kad.addProvider, key: hash(port), providers: [provider] });
    };
    const known = async (): Promise<number> =>
      (await network.run(async () => victim.peerStore.get(attacker.peerId))).addresses.length;
    await pour(network, () => say(1_000, 1), 1);
    expect(await known()).toBeLessThanOrEqual(20);
    await pour(network, (index) => say(100, index + 2), 100);
    expect(await known()).toBeLessThanOrEqual(80);
    expect(await known()).toBeGreaterThan(20);

    const { providers } = victim.datastore.dhtStats;
    const large = say(30_000, 1_000);
    expect(large.length).toBeGreaterThan(256 * 1024);
    await network.run(
      async () => void (await isTaken(await attacker.dialProtocol(victim.peerId, kadProtocol), large)),
    );
    await network.runFor(1_000);
    expect(victim.datastore.dhtStats.providers).toBe(providers);
    await worksAsBefore(network);
  });

  test('takes no room any more when what it provided has expired', async ({ createNetwork }) => {
    const network = await createNetwork({ ...create(), nodes: ['victim', 'attacker'] });
    await connectAll(network);
    await pour(network, provided(network), 50);
    const { datastore } = network.node('victim');
    expect(datastore.dhtStats.providers).toBe(50);
    await network.runFor(50 * 60_000);
    expect(datastore.dhtStats).toMatchObject({ providers: 0, dropped: 0 });
  });
});
