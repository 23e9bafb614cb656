import { createHash } from 'node:crypto';
import { lpStream } from '@libp2p/utils';
import { multiaddr } from '@multiformats/multiaddr';
import { CID } from 'multiformats/cid';
import * as raw from 'multiformats/codecs/raw';
import { create as digestOf } from 'multiformats/hashes/digest';
import { expect } from 'vitest';
import { connectAll, createDhtNode, recordKey, listed, signed, stored, type DhtNetwork } from './dhtNodes.ts';
import { encodeKad, isTaken, kad, kadProtocol, putValue, utf8 } from './kadMessages.ts';

/** Streams that one connection may have at a time. */
const atOnce = 32;
const link = { delayMs: 5 };

/** A key of the DHT. */
export const hash = (index: number): Uint8Array =>
  digestOf(0x12, createHash('sha256').update(`key ${index}`).digest()).bytes;

/** Sends so many messages from one node to another, each on a stream of its own; gives how many were answered. */
async function flood(
  network: DhtNetwork,
  message: (index: number) => Uint8Array,
  count: number,
): Promise<number> {
  const [attacker, victim] = [network.node('attacker'), network.node('victim')];
  let [next, taken] = [0, 0];
  const send = async (): Promise<void> => {
    while (next < count) {
      const bytes = message(next++);
      if (await isTaken(await attacker.dialProtocol(victim.peerId, kadProtocol), bytes)) taken += 1;
    }
  };
  const all = (): Promise<unknown> => Promise.all(Array.from({ length: atOnce }, send));
  await network.run(all, { timeoutMs: 3_600_000 });
  return taken;
}

/** Sends so many messages that nobody answers, a thousand on each stream. */
export async function pour(
  network: DhtNetwork,
  message: (index: number) => Uint8Array,
  count: number,
): Promise<void> {
  const [attacker, victim] = [network.node('attacker'), network.node('victim')];
  const send = async (from: number): Promise<void> => {
    const stream = await attacker.dialProtocol(victim.peerId, kadProtocol);
    const messages = lpStream(stream);
    for (let index = from; index < Math.min(count, from + 1_000); index += 1)
      await messages.write(message(index));
    await stream.close();
  };
  for (let from = 0; from < count; from += 1_000) await network.run(send(from), { timeoutMs: 600_000 });
  await network.runFor(5_000);
}

/** A node that is flooded, one that floods it, and two that want to use the DHT meanwhile. */
export const create = () => ({
  nodes: ['victim', 'attacker', 'honest', 'client'],
  link,
  createNode: createDhtNode,
});

/** Messages in which the attacker says to provide a key. */
export function provided(network: DhtNetwork, key = hash): (index: number) => Uint8Array {
  const id = network.node('attacker').peerId.toMultihash().bytes;
  const providers = [{ id, addresses: [multiaddr('/ip4/10.0.0.9/tcp/1').bytes] }];
  return (index) => encodeKad({ type: kad.addProvider, key: key(index), providers });
}

/** Somebody provides a key, somebody else finds it, and a record is put and got: the DHT does its work. */
export async function worksAsBefore(network: DhtNetwork): Promise<void> {
  const [honest, client] = [network.node('honest'), network.node('client')];
  const cid = CID.createV1(raw.code, digestOf(0x12, hash(-1).slice(2)));
  await network.run(async () => {
    for await (const _ of honest.services.dht.provide(cid));
  });
  const found = await network.run(async () => {
    for await (const event of client.services.dht.findProviders(cid)) {
      const [provider] = event.name === 'PROVIDER' ? event.providers : [];
      if (provider !== undefined) return provider.id.toString();
    }
    return undefined;
  });
  expect(found).toBe(honest.peerId.toString());
  const frame = await signed(honest.identity, 1);
  const got = await network.run(async () => {
    for await (const _ of honest.services.dht.put(recordKey(honest.identity.peerId), frame));
    for await (const event of client.services.dht.get(recordKey(honest.identity.peerId)))
      if (event.name === 'VALUE') return event.value;
    return undefined;
  });
  expect(got).toEqual(frame);
  expect(listed(client).length).toBeGreaterThan(0);
}

/** Floods with records: none without a namespace, none of a key, and one descriptor is stored. */
export async function floodRecords(network: DhtNetwork, count: number): Promise<void> {
  await connectAll(network);
  const victim = network.node('victim');
  const before = (await stored(victim, '/')).bytes;

  const junk = new Uint8Array(1_024).fill(7);
  expect(await flood(network, (index) => putValue(utf8(`key ${index}`), junk), count)).toBe(0);
  expect(await flood(network, (index) => putValue(utf8(`/pk/${index}`), junk), 500)).toBe(0);
  expect((await stored(victim, '/dht/record')).count).toBe(0);

  const { identity } = network.node('attacker');
  const [older, newer] = [await signed(identity, 1), await signed(identity, 2)];
  const forged = (index: number): Uint8Array => {
    const { peerId } = identity;
    const key = index % 2 === 0 ? recordKey(peerId) : utf8(`/lloom/descriptor/${peerId}/${index}`);
    return putValue(key, index % 4 === 0 ? newer : older);
  };
  const taken = await flood(network, forged, count);
  expect(taken).toBeLessThanOrEqual(count / 2);
  expect((await stored(victim, '/dht/record')).count).toBe(1);
  expect((await stored(victim, '/')).bytes - before).toBeLessThan(1_000_000);
  await worksAsBefore(network);
}

/** Floods with provided keys, more than 4,096: no more than the sender's share is stored, and none that is no hash. */
export async function floodKeys(network: DhtNetwork, count: number): Promise<void> {
  await connectAll(network);
  const victim = network.node('victim');
  const before = (await stored(victim, '/')).bytes;
  await pour(network, provided(network), count);
  expect((await stored(victim, '/dht/provider')).count).toBe(4_096);
  expect(victim.datastore.dhtStats).toMatchObject({ providers: 4_096, dropped: count - 4_096 });

  // A hash that hashes nothing may have any size.
  const long = CID.createV1(raw.code, digestOf(0, new Uint8Array(10_000))).bytes;
  await pour(
    network,
    provided(network, () => long),
    10,
  );
  expect((await stored(victim, '/dht/provider')).count).toBe(4_096);
  expect((await stored(victim, '/')).bytes - before).toBeLessThan(1_000_000);
  await worksAsBefore(network);
}
