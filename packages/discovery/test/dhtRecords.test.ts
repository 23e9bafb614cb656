import { Libp2pRecord } from '@libp2p/record';
import { limits, type ServiceType } from '@lloom/codec';
import { Identity } from '@lloom/identity';
import { test, type NetworkFixture } from '@lloom/simkit/vitest';
import { MemoryDatastore } from 'datastore-core';
import { Key } from 'interface-datastore';
import { base32 } from 'multiformats/bases/base32';
import { describe, expect, it } from 'vitest';
import { dhtRecords } from '../src/adapters/dhtRecords.ts';
import { connectAll, createDhtNode, recordKey, signed, type DhtNetwork } from './dhtNodes.ts';
import {
  createVerifier,
  descriptorFrame,
  FakeClock,
  FakeSigner,
  peerIds,
  readFrame,
  tampered,
} from './fakes.ts';
import { isTaken, kadProtocol, kadRecord, putValue, utf8 } from './kadMessages.ts';

const { alice, bob } = peerIds;
const services: ServiceType[] = [{ kind: 'executor', models: ['demo-small'], capacity: 4 }];

function begin() {
  const clock = new FakeClock();
  const records = dhtRecords({ verifier: createVerifier(clock), clock });
  const frame = (peerId: string, sequence: number, ttlMs = 90_000): Promise<Uint8Array> =>
    descriptorFrame(peerId, services, { descriptor: { sequence }, clock, ttlMs });
  /** As the DHT does with a record that somebody puts. */
  const put = (key: Uint8Array, value: Uint8Array): Promise<void> => records.validators.lloom(key, value);
  /** As the DHT does with a record that it looked up. */
  const got = (key: Uint8Array, value: Uint8Array): Promise<void> => records.validators.lloom(key, value, {});
  return { clock, records, frame, put, got };
}

const refusal = (reason: string) => ({ code: 'DESCRIPTOR_REFUSED', data: { reason } });

describe('a record that is put', () => {
  const key = recordKey(alice);

  it('is taken when it is the signed descriptor of the peer of its key', async () => {
    const { frame, put } = begin();
    await expect(put(key, await frame(alice, 1))).resolves.toBeUndefined();
  });

  const lies: [what: string, frame: (clock: FakeClock) => Promise<Uint8Array>, reason: string][] = [
    ['forged', async (clock) => tampered(await descriptorFrame(alice, services, { clock })), 'BAD_SIGNATURE'],
    ['of another peer', async (clock) => descriptorFrame(bob, services, { clock }), 'WRONG_SIGNER'],
    [
      'about another peer',
      async (clock) => descriptorFrame(alice, services, { clock, descriptor: { peerId: bob } }),
      'WRONG_PEER',
    ],
    [
      'signed by another peer',
      async (clock) => descriptorFrame(alice, services, { signer: new FakeSigner(bob, clock) }),
      'WRONG_SIGNER',
    ],
    [
      'expired',
      async (clock) => descriptorFrame(alice, services, { clock: { now: () => clock.now() - 100_000 } }),
      'EXPIRED',
    ],
    [
      'valid for hours',
      async (clock) => descriptorFrame(alice, services, { clock, ttlMs: 3_600_000 }),
      'LIFETIME_TOO_LONG',
    ],
    ['garbled', async () => new Uint8Array(100).fill(255), 'MALFORMED'],
    ['empty', async () => new Uint8Array(), 'EMPTY'],
    ['too large', async () => new Uint8Array(limits.descriptorBytes + 1), 'TOO_LARGE'],
  ];
  it.each(lies)('is refused when it is %s', async (_, frame, reason) => {
    const { clock, put } = begin();
    await expect(put(key, await frame(clock))).rejects.toMatchObject(refusal(reason));
  });

  it('is refused under any other key, so that nobody has two', async () => {
    const { frame, put } = begin();
    const value = await frame(alice, 1);
    const text = `/lloom/descriptor/${alice}`;
    const keys = [
      '/lloom',
      '/lloom/',
      '/lloom/other/x',
      '/lloom/descriptor/',
      `${text}/`,
      `${text} `,
      `/${text}`,
    ];
    const longer = Uint8Array.from([0xef, 0xbb, 0xbf, ...utf8(text)]);
    for (const wrong of [...keys.map((one) => utf8(one)), longer, new Uint8Array(100_000).fill(47)]) {
      await expect(put(wrong, value)).rejects.toMatchObject({ code: 'DESCRIPTOR_REFUSED' });
    }
  });

  it('is refused when it is older than the one before, and taken when it is the same or newer', async () => {
    const { clock, frame, put } = begin();
    const [first, second] = [await frame(alice, 1), await frame(alice, 2)];
    await put(key, second);
    await put(key, second);
    await expect(put(key, first)).rejects.toMatchObject(refusal('STALE'));
    await clock.advance(1_000);
    const again = await frame(alice, 2);
    await put(key, again);
    // The same, signed earlier: whoever stores it ends its time sooner.
    await expect(put(key, second)).rejects.toMatchObject(refusal('STALE'));
    await put(key, await frame(alice, 3));
  });

  it('is refused when a newer one arrives while it is checked', async () => {
    const { clock, frame } = begin();
    const gate = Promise.withResolvers<void>();
    const verifier = createVerifier(clock);
    const slow = new Set<number>([1]);
    const records = dhtRecords({
      clock,
      verifier: {
        ...verifier,
        verify: async (envelope, expectation) => {
          const { sequence } = (envelope as unknown as { payload: { sequence: number } }).payload;
          if (slow.has(sequence)) await gate.promise;
          return verifier.verify(envelope, expectation);
        },
      },
    });
    const older = records.validators.lloom(key, await frame(alice, 1));
    await records.validators.lloom(key, await frame(alice, 2));
    gate.resolve();
    await expect(older).rejects.toMatchObject(refusal('STALE'));
  });

  it('is refused when it is older than the one that was stored before the start', async () => {
    const { clock, frame } = begin();
    const datastore = new MemoryDatastore();
    const stored = kadRecord(key, await frame(alice, 2));
    void datastore.put(new Key(`/dht/record/${base32.baseEncode(key)}`, false), stored);
    const { validators } = dhtRecords({ verifier: createVerifier(clock), clock, datastore });
    await expect(validators.lloom(key, await frame(alice, 1))).rejects.toMatchObject(refusal('STALE'));
    await validators.lloom(key, await frame(alice, 2));
    void datastore.put(new Key(`/dht/record/${base32.baseEncode(recordKey(bob))}`, false), new Uint8Array(9));
    await validators.lloom(recordKey(bob), await frame(bob, 1));
  });

  it('is refused when 1,024 peers have one, until theirs have expired', async () => {
    const { clock, frame, put, got } = begin();
    const others = Array.from({ length: 1_024 }, () => Identity.generate().peerId);
    for (const peerId of others) await put(recordKey(peerId), await frame(peerId, 1));
    const late = await frame(alice, 1);
    await expect(put(key, late)).rejects.toMatchObject(refusal('TOO_MANY'));
    // Those who have one still renew it, and what is looked up is not stored.
    await put(recordKey(others[0]!), await frame(others[0]!, 2));
    await got(key, late);
    await clock.advance(600_000);
    await put(key, await frame(alice, 1));
  });
});

describe('a record that was looked up', () => {
  it('may be older than the newest one, and must be proven all the same', async () => {
    const { frame, put, got } = begin();
    const key = recordKey(alice);
    const older = await frame(alice, 1);
    await put(key, await frame(alice, 2));
    await got(key, older);
    await expect(got(key, tampered(older))).rejects.toMatchObject(refusal('BAD_SIGNATURE'));
  });
});

describe('of several records', () => {
  it('the one with the highest sequence is the best, then the one that was signed last', async () => {
    const { clock, records, frame } = begin();
    const [first, second] = [await frame(alice, 1), await frame(alice, 2)];
    await clock.advance(1_000);
    const again = await frame(alice, 2);
    const { lloom, pk } = records.selectors;
    const key = recordKey(alice);
    expect(lloom(key, [first, second, again])).toBe(2);
    expect(lloom(key, [again, second, first])).toBe(0);
    expect(lloom(key, [new Uint8Array([1]), new Uint8Array(), first])).toBe(2);
    expect(lloom(key, [new Uint8Array([1])])).toBe(0);
    expect(pk(key, [first, second])).toBe(0);
  });
});

describe('a record of a key', () => {
  it('is refused: peer ids hold their keys', async () => {
    const { records } = begin();
    await expect(records.validators.pk(utf8('/pk/x'), new Uint8Array())).rejects.toThrow('not kept');
  });
});

describe('in a DHT', () => {
  const nodes = ['a', 'b', 'c', 'owner'];
  const link = { delayMs: 5 };

  async function meet(createNetwork: NetworkFixture['createNetwork']): Promise<DhtNetwork> {
    const network = await createNetwork({ nodes, link, createNode: createDhtNode });
    await connectAll(network);
    return network;
  }

  /** As the owner does. */
  const put = (network: DhtNetwork, key: Uint8Array, value: Uint8Array): Promise<void> =>
    network.run(async () => {
      for await (const _ of network.node('owner').services.dht.put(key, value));
    });

  const getAs = (network: DhtNetwork, name: string, key: Uint8Array): Promise<Uint8Array | undefined> =>
    network.run(async () => {
      for await (const event of network.node(name).services.dht.get(key))
        if (event.name === 'VALUE') return event.value;
      return undefined;
    });

  const sequenceOf = (frame: Uint8Array | undefined): number | undefined =>
    frame && readFrame(frame)?.sequence;

  /** What a node hands out of its own datastore, unchecked. */
  async function heldBy(network: DhtNetwork, name: string): Promise<number[]> {
    const held: number[] = [];
    for await (const { value } of network.node(name).datastore.query({ prefix: '/dht/record' }))
      held.push(sequenceOf(Libp2pRecord.deserialize(value).value) ?? Number.NaN);
    return held;
  }

  test('a newer record is not overwritten by an older one, whoever puts it', async ({ createNetwork }) => {
    const network = await meet(createNetwork);
    const { identity } = network.node('owner');
    const key = recordKey(identity.peerId);
    const [older, newer] = [await signed(identity, 1), await signed(identity, 2)];
    await put(network, key, newer);
    const stranger = network.node('c');
    for (const name of ['a', 'b']) {
      const stream = await network.run(async () =>
        stranger.dialProtocol(network.node(name).getMultiaddrs(), kadProtocol),
      );
      expect(await network.run(isTaken(stream, putValue(key, older)))).toBe(false);
    }
    expect([await heldBy(network, 'a'), await heldBy(network, 'b')]).toEqual([[2], [2]]);
    expect(sequenceOf(await getAs(network, 'a', key))).toBe(2);
  });

  test('an older record that somebody still holds does not fail a look-up, and is put right', async ({
    createNetwork,
  }) => {
    const network = await meet(createNetwork);
    const { identity } = network.node('owner');
    const key = recordKey(identity.peerId);
    await put(network, key, await signed(identity, 1));
    const newer = await signed(identity, 2);
    const stream = await network.run(async () =>
      network.node('c').dialProtocol(network.node('a').getMultiaddrs(), kadProtocol),
    );
    expect(await network.run(isTaken(stream, putValue(key, newer)))).toBe(true);
    expect([await heldBy(network, 'a'), await heldBy(network, 'b')]).toEqual([[2], [1]]);
    expect(sequenceOf(await getAs(network, 'c', key))).toBe(2);
    expect([await heldBy(network, 'a'), await heldBy(network, 'b')]).toEqual([[2], [2]]);
  });

  test('a record that has expired, or that is a lie of the peer that holds it, is not found', async ({
    createNetwork,
  }) => {
    const network = await meet(createNetwork);
    const { identity } = network.node('owner');
    const key = recordKey(identity.peerId);
    await put(network, key, await signed(identity, 1));
    expect(sequenceOf(await getAs(network, 'c', key))).toBe(1);
    await network.runFor(120_000);
    expect(await getAs(network, 'c', key)).toBeUndefined();

    // Stored without a check.
    const [liar, client] = [network.node('a'), network.node('c')];
    for await (const { key: at } of liar.datastore.query({ prefix: '/dht/record' })) {
      await liar.datastore.put(at, kadRecord(key, tampered(await signed(identity, 9))));
    }
    expect(await getAs(network, 'c', key)).toBeUndefined();
    expect(await network.run(async () => client.services.ping.ping(liar.peerId))).toBeGreaterThan(0);
    await put(network, key, await signed(identity, 3));
    expect(sequenceOf(await getAs(network, 'c', key))).toBe(3);
  });
});
