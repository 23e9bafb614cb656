import { Uint8ArrayList } from 'uint8arraylist';
import { describe, expect, test } from 'vitest';
import type { MessageStream, StreamCloseEvent } from '@libp2p/interface';

import { drained, pattern } from './support/nodes.ts';
import { pure, securedPair, stock, take, tuned } from './support/secured.ts';

/** Bytes that Noise adds to a record: its length and its tag. */
const added = 18;

const closed = (stream: MessageStream): Promise<StreamCloseEvent> =>
  new Promise((resolve) => stream.addEventListener('close', resolve));

describe('records of every size', () => {
  const sizes = [0, 1, 495, 496, 511, 512, 1_183, 1_184, 1_199, 1_200, 16_367, 16_368, 16_383, 16_384];
  const large = [65_502, 65_503, 65_519, 65_520, 131_038, 131_039, 1_000_000];

  test.for([
    ['tuned', tuned, 'stock', stock],
    ['stock', stock, 'tuned', tuned],
    ['pure', pure, 'stock', stock],
    ['stock', stock, 'pure', pure],
    ['tuned', tuned, 'pure', pure],
  ] as const)('of a %s side are read by a %s one', async ([, sender, , reader]) => {
    const { client, server } = await securedPair(sender, reader);
    for (const size of [...sizes, ...large]) {
      const arrived = take(server.secured, size);
      client.secured.send(pattern(size));
      expect(Buffer.compare(await arrived, pattern(size))).toBe(0);
    }
  });
});

test('lengths of records are read without an exception, as long as Noise is built as it is', async () => {
  const short = (side: { readonly secured: MessageStream }): number => {
    const { decoder } = side.secured as unknown as {
      readonly decoder: { lengthDecoder(data: Uint8ArrayList): number };
    };
    return decoder.lengthDecoder(new Uint8ArrayList());
  };
  const { client, server } = await securedPair(tuned, stock);
  expect(short(client)).toBe(65_535);
  expect(() => short(server)).toThrow(RangeError);
});

describe('what is sent within a turn', () => {
  test('leaves as one record and one write when the turn ends', async () => {
    const { client, server } = await securedPair(tuned, stock);
    const arrived = take(server.secured, 3_000);
    for (const size of [1_000, 1, 1_999]) expect(client.secured.send(pattern(size))).toBe(true);
    expect(client.writes).toEqual([]);
    const bytes = await arrived;
    expect(client.writes).toEqual([3_000 + added]);
    expect(Buffer.compare(bytes, Buffer.concat([1_000, 1, 1_999].map(pattern)))).toBe(0);
  });

  test('includes what promises send that settle in it', async () => {
    const { client, server } = await securedPair(tuned, stock);
    const arrived = take(server.secured, 300);
    await Promise.all(
      [1, 2, 3].map(async (waits) => {
        for (let count = 0; count < waits; count++) await Promise.resolve();
        client.secured.send(pattern(100));
      }),
    );
    await arrived;
    expect(client.writes).toEqual([300 + added]);
  });

  test('never waits for more than a record is full', async () => {
    const { client, server } = await securedPair(tuned, stock);
    const arrived = take(server.secured, 200_000);
    for (let sent = 0; sent < 200_000; sent += 1_000) client.secured.send(pattern(1_000));
    // Three times a record's worth has gone; less than another waits.
    expect(client.writes.reduce((sum, size) => sum + size, 0)).toBeGreaterThan(198_000 - 65_519);
    await arrived;
    expect(client.writes.length).toBe(4);
  });

  test('is told to wait when the other side takes nothing, and goes on where it stopped', async () => {
    const { client, server, wire } = await securedPair(tuned, tuned);
    wire.hold();
    let sent = 0;
    while (client.secured.send(pattern(1_000))) {
      sent += 1_000;
      if (sent % 10_000 === 0) await new Promise(setImmediate);
    }
    // What the kernel and the wire hold, and no more: nothing piles up in this process.
    expect(client.raw.writableNeedsDrain).toBe(true);
    expect(client.raw.writeBufferLength + client.secured.writeBufferLength).toBeLessThan(2 * 65_519);
    expect(client.secured.send(pattern(7))).toBe(false);
    const arrived = take(server.secured, sent + 1_000 + 7);
    wire.release();
    await drained(client.secured);
    const bytes = await arrived;
    expect(bytes.byteLength).toBe(sent + 1_007);
    expect(Buffer.compare(bytes.subarray(-1_007), Buffer.concat([pattern(1_000), pattern(7)]))).toBe(0);
  });
});

describe('the end of a connection', () => {
  test.for(['raw', 'secured'] as const)('by closing its %s side comes after what was sent', async (side) => {
    const { client, server } = await securedPair(tuned, stock);
    const arrived = take(server.secured, 500);
    const ended = closed(server.secured);
    client.secured.send(pattern(500));
    await client[side].close();
    expect(Buffer.compare(await arrived, pattern(500))).toBe(0);
    expect((await ended).error).toBeUndefined();
  });

  test.for(['raw', 'secured'] as const)(
    'by aborting its %s side still hands over what was sent',
    async (side) => {
      const { client, server } = await securedPair(tuned, stock);
      const ended = closed(server.raw);
      client.secured.send(pattern(500));
      client[side].abort(new Error('enough'));
      expect(client.writes).toEqual([500 + added]);
      expect((await ended).error).toBeInstanceOf(Error);
    },
  );

  test('by a reset refuses what is sent after it', async () => {
    const { client, wire } = await securedPair(tuned, stock);
    const ended = closed(client.secured);
    client.secured.send(pattern(500));
    wire.cut();
    expect((await ended).error).toBeInstanceOf(Error);
    expect(() => client.secured.send(pattern(1))).toThrow('Cannot write to a stream that is closed');
  });

  test('by a changed record is the same for every cipher', async () => {
    for (const reader of [tuned, pure, stock]) {
      for (const size of [100, 5_000, 60_000]) {
        const { client, server, wire } = await securedPair(tuned, reader);
        const read: unknown[] = [];
        server.secured.addEventListener('message', (message) => void read.push(message));
        const ended = closed(server.secured);
        wire.corruptNext();
        client.secured.send(pattern(size));
        expect((await ended).error).toBeInstanceOf(Error);
        expect(read).toEqual([]);
      }
    }
  });
});
