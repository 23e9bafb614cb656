import { describe, expect, test } from 'vitest';
import { internalsOf } from '../src/adapters/internals.ts';
import { LocalAddresses } from '../src/adapters/localPeers.ts';
import { idText, MessageCache } from '../src/adapters/messageCache.ts';
import { Outbox, Turn } from '../src/adapters/outbox.ts';
import { messageOf } from '../src/adapters/wireMessage.ts';

const message = (size = 1_000) => messageOf({ topic: 'topic', data: new Uint8Array(size) });

describe('the cache of messages', () => {
  test('tells of a message for two heartbeats, and gives it for three', () => {
    const cache = new MessageCache(2, 3);
    const id = Buffer.from([0, 200, 255]);
    cache.put({ msgIdStr: idText(id) }, message());
    const topics = new Set(['topic']);
    const told: boolean[] = [];
    for (let i = 0; i < 4; i++) {
      told.push(
        cache
          .getGossipIDs(topics)
          .get('topic')
          ?.some((known) => Buffer.compare(known, id) === 0) === true,
      );
      expect(cache.get(id) !== undefined).toBe(i < 3);
      cache.shift();
    }
    expect(told).toEqual([true, true, false, false]);
    expect([cache.size, cache.bytes]).toEqual([0, 0]);
  });

  test('forgets the oldest first when it is full', () => {
    const cache = new MessageCache(2, 3, 10_000);
    for (let i = 0; i < 20; i++) cache.put({ msgIdStr: `${i}` }, message());
    expect(cache.bytes).toBeLessThanOrEqual(10_000);
    expect([...cache.msgs.keys()]).toEqual(['14', '15', '16', '17', '18', '19']);
    expect(cache.put({ msgIdStr: '19' }, message())).toBe(false);
  });

  test('tells who comes of what it gives for two heartbeats more, the latest first', () => {
    const cache = new MessageCache(1, 5);
    for (let at = 0; at < 5; at++) {
      for (const id of [`a${at}`, `b${at}`]) cache.put({ msgIdStr: id }, message());
      if (at < 4) cache.shift();
    }
    const told = ['b4', 'a4', 'b3', 'a3', 'b2', 'a2'];
    expect(cache.latest('topic', 100)).toEqual(told);
    expect(cache.latest('topic', 100, 'b3')).toEqual(['b4', 'a4']);
    expect(cache.latest('topic', 3)).toEqual(['b4', 'a4', 'b3']);
    expect([...cache.msgs.keys()].filter((id) => cache.isLasting(id)).toSorted()).toEqual(told.toSorted());
    expect([cache.has('topic'), cache.has('other'), cache.latest('other', 100)]).toEqual([true, false, []]);
    cache.shift();
    cache.shift();
    expect(told.every((id) => cache.msgs.has(id))).toBe(true);
  });

  test('counts how often each neighbour asks', () => {
    const cache = new MessageCache(2, 3);
    cache.put({ msgIdStr: 'a' }, message());
    const counts = ['p', 'p', 'q'].map((peer) => cache.getWithIWantCount('a', peer)?.count);
    expect([counts, cache.getWithIWantCount('b', 'p')]).toEqual([[1, 2, 1], null]);
  });
});

describe('what is sent to a neighbour', () => {
  const limits = { messageBytes: 5_000, controlBytes: 1_000 };

  function setUp() {
    const written: Uint8Array[] = [];
    const stream = Object.assign(new EventTarget(), {
      protocol: '/meshsub/1.2.0',
      status: 'open',
      writeStatus: 'writable',
      writableNeedsDrain: false,
      send: (bytes: Uint8Array) => written.push(bytes) > 0,
      abort: () => {
        stream.status = 'aborted';
      },
    });
    const outbox = new Outbox('p', stream as never, { turn: new Turn(() => undefined), limits });
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    return { outbox, stream, written, turn };
  }

  test('in one turn leaves in one write, but for what it has meanwhile', async () => {
    const { outbox, written, turn } = setUp();
    const [a, b] = [message(10), message(20)];
    outbox.message(a);
    outbox.message(b);
    outbox.push(Buffer.from([1, 2, 3]));
    a.holders = new Set(['p']);
    await turn();
    expect(written).toEqual([Buffer.concat([Buffer.from([3, 1, 2, 3]), b.frame])]);
    expect([a.queued, b.queued, outbox.waitingBytes]).toEqual([0, 0, 0]);
  });

  test('waits while it does not read: the oldest messages are dropped, hearsay is not kept at all', async () => {
    const { outbox, stream, written, turn } = setUp();
    stream.writableNeedsDrain = true;
    const messages = Array.from({ length: 600 }, () => message());
    for (const one of messages) outbox.message(one);
    outbox.hearsay(Buffer.alloc(100));
    outbox.pushPrefixed(Buffer.alloc(100));
    expect(outbox.waitingBytes).toBeLessThanOrEqual(limits.messageBytes);
    stream.writableNeedsDrain = false;
    stream.dispatchEvent(new Event('drain'));
    await turn();
    const last = messages.slice(-4).map(({ frame }) => frame);
    expect(written).toEqual([Buffer.concat(last)]);
    expect(messages.every(({ queued }) => queued === 0)).toBe(true);
  });

  test('that cannot be dropped ends the stream when there is too much of it', () => {
    const { outbox, stream } = setUp();
    stream.writableNeedsDrain = true;
    for (let i = 0; i < 20; i++) outbox.push(Buffer.alloc(100));
    expect([stream.status, outbox.waitingBytes]).toEqual(['aborted', 0]);
  });
});

test('addresses of a house, an office or a provider may be shared by any number', () => {
  const shared = new LocalAddresses();
  const four = ['127.0.0.1', '10.1.2.3', '172.31.0.1', '192.168.1.1', '169.254.1.1', '100.64.0.1'];
  const local = [...four, '::1', 'fd00::1', 'fe80::1', '::ffff:10.0.0.1'];
  expect(local.filter((ip) => !shared.has(ip))).toEqual([]);
  const others = ['1.2.3.4', '172.32.0.1', '100.128.0.1', '2001:db8::1', 'nonsense', ''];
  expect(others.filter((ip) => shared.has(ip))).toEqual([]);
});

test('a gossipsub of another version is refused by name', () => {
  expect(() => internalsOf({ peers: new Map() } as never)).toThrow(
    /"streamsInbound" is not there; want version 17\.1\.1/,
  );
});
