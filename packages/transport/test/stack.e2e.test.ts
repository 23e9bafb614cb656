import { describe, expect, test } from 'vitest';

import {
  connectNodes,
  drained,
  echo,
  endOf,
  pairs,
  pattern,
  protocol,
  readAll,
  writeAll,
} from './support/nodes.ts';

describe.each(pairs)('a $client client and a $server server', (pair) => {
  // Around what ciphers, records and windows are bounded by, without and with the 12 bytes of a frame's head.
  test.for([
    0, 1, 499, 500, 511, 512, 1_187, 1_199, 1_200, 16_383, 16_384, 65_507, 65_519, 65_536, 10_485_760,
  ])('echo %i bytes, and each sees the other end', async (length) => {
    const { near } = await connectNodes(pair, echo);
    const stream = await near.newStream(protocol);
    const answer = readAll(stream);
    await writeAll(stream, pattern(length));
    await stream.close();
    expect(Buffer.compare(await answer, pattern(length))).toBe(0);
  });

  test('keep thousands of small writes of many streams in order', async () => {
    const { near } = await connectNodes(pair, echo);
    const one = async (seed: number): Promise<void> => {
      const stream = await near.newStream(protocol);
      const answer = readAll(stream);
      const written: Uint8Array[] = [];
      for (let count = 0; count < 2_000; count++) {
        const piece = pattern((count * seed) % 41);
        written.push(piece);
        if (!stream.send(piece)) await drained(stream);
        // Some writes share a turn, and some do not.
        if (count % 97 === 0) await new Promise(setImmediate);
      }
      await stream.close();
      expect(Buffer.compare(await answer, Buffer.concat(written))).toBe(0);
    };
    await Promise.all([1, 7, 13, 29].map(one));
  });

  test('refuse a record that was changed on its way, and nobody reads a byte of it', async () => {
    const read: number[] = [];
    const { near, far, wire } = await connectNodes(pair, (stream) => {
      stream.addEventListener('message', ({ data }) => void read.push(data.byteLength));
    });
    const ends = [endOf(near), endOf(far)];
    const stream = await near.newStream(protocol);
    wire.corruptNext();
    stream.send(pattern(5_000));
    const [, refusal] = await Promise.all(ends);
    expect(refusal).toBeInstanceOf(Error);
    expect(read).toEqual([]);
  });

  test('end together when the connection is reset while writes wait', async () => {
    const { near, far, wire } = await connectNodes(pair, echo);
    const ends = Promise.all([endOf(near), endOf(far)]);
    const stream = await near.newStream(protocol);
    const answer = readAll(stream);
    stream.send(pattern(1_000));
    wire.cut();
    stream.send(pattern(1_000));
    await ends;
    // libp2p ends the streams of a broken connection without an error.
    expect((await answer).byteLength).toBe(0);
    expect(() => stream.send(pattern(1))).toThrow('Cannot write to a stream that is closed');
  });

  test('lose nothing that is written in the turn in which the connection is closed', async () => {
    const { promise, resolve } = Promise.withResolvers<Uint8Array>();
    const { near, far } = await connectNodes(pair, (stream) => void readAll(stream).then(resolve));
    const ended = endOf(far);
    const stream = await near.newStream(protocol);
    stream.send(pattern(3_000));
    void stream.close();
    void near.close();
    expect(Buffer.compare(await promise, pattern(3_000))).toBe(0);
    expect(await ended).toBeUndefined();
  });

  test('stop a writer whose reader pauses, and go on where it stopped', async () => {
    const { promise: read, resolve } = Promise.withResolvers<Uint8Array>();
    const { promise: resumed, resolve: resume } = Promise.withResolvers<void>();
    const { near } = await connectNodes(pair, (stream) => {
      stream.pause();
      resolve(readAll(stream));
      void resumed.then(() => stream.resume());
    });
    const stream = await near.newStream(protocol);
    const body = pattern(8 * 1024 * 1024);
    let sent = 0;
    while (sent < body.byteLength) {
      const canSendMore = stream.send(body.subarray(sent, sent + 16_384));
      sent += 16_384;
      if (!canSendMore) break;
    }
    // A window of 256 KiB, and what was sent in one go.
    expect(sent).toBeLessThanOrEqual(512 * 1024);
    expect(stream.writeBufferLength).toBeLessThanOrEqual(16_384);
    resume();
    await drained(stream);
    await writeAll(stream, body.subarray(sent));
    await stream.close();
    expect(Buffer.compare(await read, body)).toBe(0);
  });
});

test.for(['tuned', 'pure'] as const)(
  'a stream that is opened as its connection ends fails, and nothing else does (%s)',
  async (client) => {
    const { near } = await connectNodes({ client, server: 'stock' }, echo);
    // Yamux knows the round trip by then, which has it write for streams that have ended too.
    const first = await near.newStream(protocol);
    const answer = readAll(first);
    first.send(pattern(1));
    await first.close();
    await answer;
    const second = near.newStream(protocol);
    near.abort(new Error('enough'));
    await expect(second).rejects.toThrow('closed');
    await new Promise(setImmediate);
    expect([near.status, near.streams]).toEqual(['aborted', []]);
  },
);
