import { generateKeyPair, publicKeyToProtobuf } from '@libp2p/crypto/keys';
import type { GossipSub } from '@libp2p/gossipsub';
import type { Logger, PrivateKey } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { systemClock } from '@lloom/core';
import { beforeAll, describe, expect, test } from 'vitest';
import { Authors } from '../src/adapters/authors.ts';
import { internalsOf, type Internals } from '../src/adapters/internals.ts';
import { createPubsub } from '../src/adapters/pubsub.ts';
import { Receiving } from '../src/adapters/receiving.ts';
import { Sending } from '../src/adapters/sending.ts';
import { WireReader } from '../src/adapters/wire.ts';
import { encodeMessage, messageOf, WireMessage } from '../src/adapters/wireMessage.ts';
import { resolveGossipConfig, type GossipConfig } from '../src/config.ts';
import type { MessageKeys } from '../src/ports.ts';
import { FakeWatcher } from './routerNodes.ts';
import { signedMessage } from './wirePeer.ts';

const maxAuthors = 20;

let own: PrivateKey;
let alice: PrivateKey;
beforeAll(async () => {
  own = await generateKeyPair('Ed25519');
  alice = await generateKeyPair('Ed25519');
});

const log = Object.assign(() => undefined, {
  error: () => undefined,
  trace: () => undefined,
}) as unknown as Logger;
const logger = { forComponent: () => log };

/** A copy as it comes from another neighbour: from other bytes. */
const again = (message: WireMessage): WireMessage => {
  const { topic, data, from, seqno, signature, key } = message;
  return messageOf({ topic, data, from, seqno, signature, key });
};

/** Receiving alone, without a network; counts how often a signature is verified. */
function setUp(input: GossipConfig = {}, makeKeys?: MessageKeys['verifierOf']) {
  const { config } = resolveGossipConfig(input);
  const peerId = peerIdFromPrivateKey(own);
  const watcher = new FakeWatcher();
  const unused = {} as never;
  const components = {
    peerId,
    privateKey: own,
    peerStore: unused,
    registrar: unused,
    connectionManager: unused,
  };
  const pubsub: GossipSub = createPubsub({ ...components, logger }, { config, scoreOf: () => 0 });
  const gossipsub: Internals = internalsOf(pubsub);
  let verified = 0;
  const keys: MessageKeys = {
    signerOf: () => undefined,
    verifierOf: (key) => {
      const made = makeKeys?.(key);
      if (made !== undefined) return made;
      return (bytes, signature) => {
        verified++;
        try {
          return key.verify(bytes, signature) as boolean;
        } catch {
          return false;
        }
      };
    },
  };
  const sending = new Sending(gossipsub, {
    peerId,
    privateKey: own,
    config,
    ports: { clock: systemClock, keys },
  });
  const authors = new Authors(keys, maxAuthors);
  const onError = (): void => undefined;
  gossipsub.isStarted = () => true;
  gossipsub.subscriptions.add('topic');
  const blamed: string[] = [];
  gossipsub.score.rejectInvalidMessage = (from) => void blamed.push(from);
  const receiving = new Receiving(gossipsub, { config, authors, sending, watcher: () => watcher, onError });
  return { receiving, watcher, gossipsub, blamed, authors, verifiedCount: () => verified };
}

describe('a message that comes in', () => {
  test('is proven once, however many neighbours bring it', async () => {
    const { receiving, watcher, verifiedCount } = setUp();
    const message = await signedMessage(alice);
    for (const source of ['a', 'b', 'c', 'a']) void receiving.receive(source, again(message));
    expect(verifiedCount()).toBe(1);
    expect(watcher.delivered).toEqual(['hello']);
    expect(watcher.received[0]).toMatchObject({
      author: peerIdFromPrivateKey(alice).toString(),
      source: 'a',
      sequenceNumber: 1n,
    });
  });

  test('of a topic that is not subscribed is not looked at', async () => {
    const { receiving, watcher, verifiedCount, blamed } = setUp();
    void receiving.receive('a', await signedMessage(alice, { topic: 'other' }));
    expect([verifiedCount(), watcher.received.length, blamed]).toEqual([0, 0, []]);
  });

  test('that is too large is blamed on who brings it before anything is computed', async () => {
    const { receiving, watcher, verifiedCount, blamed } = setUp({ maxMessageBytes: 1_024 });
    void receiving.receive('a', await signedMessage(alice, { data: new Uint8Array(1_025) }));
    expect([verifiedCount(), watcher.dropped, blamed]).toEqual([0, ['tooLarge'], ['a']]);
    void receiving.receive('a', await signedMessage(alice, { data: new Uint8Array(1_024) }));
    expect(watcher.received).toHaveLength(1);
  });

  test('that is forged is blamed on who brings it, and keeps the true one not out', async () => {
    const { receiving, watcher, blamed } = setUp();
    void receiving.receive('liar', await signedMessage(alice, { isForged: true }));
    void receiving.receive('b', await signedMessage(alice));
    expect([blamed, watcher.dropped, watcher.delivered]).toEqual([['liar'], ['malformed'], ['hello']]);
  });

  test('that comes while a forged one of its number is proven is not lost', async () => {
    const first = Promise.withResolvers<boolean>();
    let calls = 0;
    const { receiving, watcher, blamed } = setUp({}, () => {
      const verify = () => (++calls === 1 ? first.promise : true);
      // Keys of some kinds are verified by libp2p, which may take its time.
      return verify as unknown as () => boolean;
    });
    const waiting = receiving.receive('liar', await signedMessage(alice, { isForged: true }));
    const message = await signedMessage(alice);
    for (const source of ['b', 'b', 'c']) void receiving.receive(source, again(message));
    expect(calls).toBe(1);
    first.resolve(false);
    await waiting;
    expect([calls, blamed, watcher.delivered]).toEqual([2, ['liar'], ['hello']]);
  });

  test('that is judged slowly is judged once, and passed on to nobody who has it by then', async () => {
    const { receiving, watcher, gossipsub, verifiedCount } = setUp();
    gossipsub.mesh.set('topic', new Set(['a', 'b', 'c']));
    const verdict = Promise.withResolvers<{ verdict: 'accept' }>();
    let judged = 0;
    watcher.judge = () => {
      judged++;
      return verdict.promise;
    };
    const message = await signedMessage(alice);
    const waiting = receiving.receive('a', again(message));
    void receiving.receive('b', again(message));
    verdict.resolve({ verdict: 'accept' });
    await waiting;
    const { holders } = gossipsub.mcache.msgs.values().next().value!.message;
    expect([judged, verifiedCount(), [...(holders ?? [])]]).toEqual([1, 1, ['b']]);
  });

  test('is ignored when its judge throws or rejects', async () => {
    const { receiving, watcher, gossipsub } = setUp();
    watcher.judge = () => {
      throw new Error('broken');
    };
    void receiving.receive('a', await signedMessage(alice));
    watcher.judge = () => Promise.reject(new Error('broken'));
    await receiving.receive('a', await signedMessage(alice, { seqno: 2n }));
    expect(gossipsub.mcache.size).toBe(0);
  });

  for (const type of ['Ed25519', 'secp256k1', 'RSA'] as const) {
    test(`of an author with an ${type} key has the id that stock nodes give it`, async () => {
      const { receiving, gossipsub } = setUp();
      const author = type === 'RSA' ? await generateKeyPair('RSA', 2_048) : await generateKeyPair(type);
      const { topic, data, from, seqno, signature } = await signedMessage(author, { seqno: 258n });
      const key = publicKeyToProtobuf(author.publicKey);
      const sent = { topic, data, from, seqno, signature };
      await receiving.receive('a', messageOf(type === 'RSA' ? { ...sent, key } : sent));
      const ids = [...gossipsub.mcache.msgs.keys()].map((id) => Buffer.from(id, 'latin1'));
      expect(ids).toEqual([Buffer.concat([key, Buffer.from([0, 0, 0, 0, 0, 0, 1, 2])])]);
    });
  }

  test('is not judged when this node wrote it itself', async () => {
    const { receiving, watcher, blamed } = setUp();
    void receiving.receive('a', await signedMessage(own));
    expect([watcher.received, blamed]).toEqual([[], []]);
  });

  test('is dispatched to who listens to the raw service', async () => {
    const { receiving, gossipsub } = setUp();
    gossipsub.peers.set('a', peerIdFromPrivateKey(own));
    const heard: unknown[] = [];
    gossipsub.addEventListener('message', ({ detail }) => heard.push(detail));
    gossipsub.addEventListener('gossipsub:message', ({ detail }) => heard.push(detail.msg));
    void receiving.receive('a', await signedMessage(alice));
    expect(heard).toHaveLength(2);
    expect(heard[0]).toMatchObject({ type: 'signed', topic: 'topic', sequenceNumber: 1n });
  });
});

describe('the validation mode', () => {
  const unsigned = () => messageOf({ topic: 'topic', data: Buffer.from('bare') });
  test.for([
    ['strict', { signed: 'proven', forged: 'blamed', unsigned: 'blamed' }],
    ['permissive', { signed: 'proven', forged: 'blamed', unsigned: 'taken' }],
    ['anonymous', { signed: 'blamed', forged: 'blamed', unsigned: 'taken' }],
    ['none', { signed: 'proven', forged: 'taken', unsigned: 'taken' }],
  ] as const)('%s takes what it should', async ([validationMode, expected]) => {
    const messages = {
      signed: await signedMessage(alice),
      forged: await signedMessage(alice, { isForged: true, data: Buffer.from('forged') }),
      unsigned: unsigned(),
    };
    for (const [name, message] of Object.entries(messages)) {
      const { receiving, watcher, blamed } = setUp({ validationMode });
      void receiving.receive('a', message);
      void receiving.receive('b', again(message));
      const author = watcher.received[0]?.author;
      const outcome = blamed.length > 0 ? 'blamed' : author === undefined ? 'taken' : 'proven';
      expect([name, outcome]).toEqual([name, expected[name as keyof typeof expected]]);
      expect(watcher.received.length).toBe(outcome === 'blamed' ? 0 : 1);
    }
  });

  test('strict refuses what lacks a number, has one that is too short, or names another key', async () => {
    const { receiving, watcher, blamed } = setUp();
    const { topic, data, from, seqno, signature } = await signedMessage(alice);
    const key = publicKeyToProtobuf(own.publicKey);
    for (const flaw of [
      { seqno: undefined },
      { seqno: seqno!.subarray(1) },
      { key },
      { from: Buffer.from([9, 9]) },
    ])
      void receiving.receive('a', messageOf({ topic, data, from, seqno, signature, ...flaw }));
    expect([blamed.length, watcher.received]).toEqual([4, []]);
  });

  test('an RSA author is proven with the key in its message, and not without', async () => {
    const { receiving, watcher, blamed } = setUp();
    const rsa = await generateKeyPair('RSA', 2_048);
    const { topic, data, from, seqno, signature } = await signedMessage(rsa);
    const key = publicKeyToProtobuf(rsa.publicKey);
    void receiving.receive('a', messageOf({ topic, data, from, seqno, signature }));
    await receiving.receive('b', messageOf({ topic, data, from, seqno, signature, key }));
    expect([watcher.received.map(({ author }) => author?.slice(0, 2)), blamed]).toEqual([['Qm'], ['a']]);
  });
});

describe('messages in another form than everybody writes', () => {
  test('are proven and passed on in the common one, without what was added', async () => {
    const { receiving, watcher, gossipsub } = setUp();
    const message = await signedMessage(alice);
    const plain = encodeMessage(message);
    const padded = Buffer.concat([Buffer.from([0x7a, 0x02, 1, 2]), plain]);
    void receiving.receive('a', new WireMessage(new WireReader(padded)));
    expect(watcher.delivered).toEqual(['hello']);
    const { frame } = gossipsub.mcache.msgs.values().next().value!.message;
    expect(Buffer.from(frame).subarray(-plain.length)).toEqual(plain);
  });
});

test('the keys of so many authors are kept and no more', async () => {
  const { receiving, authors } = setUp({}, () => () => true);
  const from = Buffer.from(peerIdFromPrivateKey(alice).toMultihash().bytes);
  const parts = {
    topic: 'topic',
    data: new Uint8Array(1),
    seqno: new Uint8Array(8),
    signature: new Uint8Array(64),
  };
  for (let i = 0; i < maxAuthors + 10; i++) {
    from.writeUInt32BE(i, from.length - 4);
    void receiving.receive('a', messageOf({ ...parts, from: Buffer.from(from) }));
  }
  expect(authors.size).toBe(maxAuthors);
});
