import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { Libp2pByteStream } from '../src/adapters/byteStream.ts';
import { failure, protocol, question } from './nodes.ts';
import { createPair, pause, readAll, ways } from './simulation.ts';

const mebibyte = 1024 * 1024;
const lingerMs = 2_000;

describe.for(ways)('over $fidelity links by $carrier', (way) => {
  test('a reader that pauses for minutes pauses the executor, and gets everything in the end', async ({
    createNetwork,
  }) => {
    const piece = 'x'.repeat(16 * 1024);
    // More than the largest window that the muxer ever grants.
    const total = 1_300;
    let produced = 0;
    const limits = { maxResponseSizeBytes: 64 * mebibyte, timeoutMs: 3_600_000 };
    const { network, asker, executor } = await createPair(createNetwork, {
      ...way,
      asker: limits,
      executor: {
        ...limits,
        serve: async function* () {
          for (; produced < total; produced++) yield piece;
        },
      },
    });
    const answer = asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity));
    const iterator = answer[Symbol.asyncIterator]();
    await network.run(iterator.next());
    await network.runFor(60_000);
    const ahead = produced;
    expect(ahead).toBeLessThan(total);
    // What was signed before the pause is proven after it: signatures hold for five minutes.
    await network.runFor(200_000);
    expect(produced).toBe(ahead);
    let length = piece.length;
    const rest = async (): Promise<void> => {
      for (let step = await iterator.next(); step.done !== true; step = await iterator.next())
        length += step.value.text.length;
    };
    await network.run(rest());
    expect(length).toBe(total * piece.length);
  });

  test('a slow reader behind a slow link holds the executor back all the way, loses nothing, and does so again', async ({
    createNetwork,
  }) => {
    const piece = 'x'.repeat(16 * 1024);
    const total = 300;
    const runs = new Set<string>();
    for (let time = 0; time < 2; time++) {
      let [produced, read, mostAhead] = [0, 0, 0];
      const { network, asker, executor } = await createPair(createNetwork, {
        ...way,
        link: { delayMs: 50, jitterMs: 5, bandwidthBytesPerSecond: 250_000 },
        executor: {
          serve: async function* () {
            for (; produced < total; produced++) yield piece;
          },
        },
      });
      const answer = asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity));
      const readSlowly = async (): Promise<void> => {
        for await (const _chunk of answer) {
          mostAhead = Math.max(mostAhead, produced - ++read);
          await pause(100);
        }
      };
      await network.run(readSlowly());
      expect(read).toBe(total);
      // A window of 1 MiB as seen from here, as much in the buffers of the system, and what has been taken already.
      expect(mostAhead * piece.length).toBeLessThan(3 * mebibyte);
      await network.runFor(lingerMs);
      asker.expectNothingLeft();
      executor.expectNothingLeft();
      await network.stop();
      runs.add(`${mostAhead} ${network.trace.hash()}`);
    }
    expect(runs.size).toBe(1);
  });

  test('an answer is whole although its reader pauses until long after the executor has said all', async ({
    createNetwork,
  }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      ...way,
      executor: {
        serve: async function* () {
          for (let piece = 0; piece < 12; piece++) yield 'x'.repeat(16 * 1024);
        },
      },
    });
    const answer = asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity));
    const text = await network.run(readAll(answer, 5_000), { timeoutMs: 120_000 });
    expect(text).toHaveLength(12 * 16 * 1024);
    await network.runFor(lingerMs);
    executor.expectNothingLeft();
  });

  test('a write is done when the stream would take more', async ({ createNetwork }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      ...way,
      link: { delayMs: 50, bandwidthBytesPerSecond: 20_000 },
      executor: { misbehave: (stream) => stream.addEventListener('message', () => undefined) },
    });
    const stream = await network.run(asker.node.dialProtocol(executor.node.peerId, protocol));
    const bytes = new Libp2pByteStream(stream);
    await network.run(bytes.write(new Uint8Array(mebibyte)));
    expect({ waits: stream.writableNeedsDrain, left: stream.writeBufferLength }).toEqual({
      waits: false,
      left: 0,
    });
  });

  test('a stream that is paused when its connection is lost gives what has come, and ends', async ({
    createNetwork,
  }) => {
    const far = Promise.withResolvers<Libp2pByteStream>();
    const { network, asker, executor } = await createPair(createNetwork, {
      ...way,
      executor: { misbehave: (stream) => far.resolve(new Libp2pByteStream(stream)) },
    });
    const near = new Libp2pByteStream(
      await network.run(asker.node.dialProtocol(executor.node.peerId, protocol)),
    );
    void near.write(new Uint8Array(mebibyte)).catch(() => undefined);
    await network.runFor(2_000);
    const reader = await far.promise;
    network.crash('asker');
    await network.run(reader.closed);
    let length = 0;
    const readAllOfIt = async (): Promise<void> => {
      for (let bytes = await reader.read(); bytes !== undefined; bytes = await reader.read())
        length += bytes.length;
    };
    expect(await network.run(failure(readAllOfIt()))).toBeInstanceOf(Error);
    // At least what a muxer lets a writer send at first.
    expect(length).toBeGreaterThanOrEqual(256 * 1024);
  });

  test('a writer is stopped while nobody reads, and goes on when somebody does', async ({
    createNetwork,
  }) => {
    const far = Promise.withResolvers<Libp2pByteStream>();
    const { network, asker, executor } = await createPair(createNetwork, {
      ...way,
      executor: { misbehave: (stream) => far.resolve(new Libp2pByteStream(stream)) },
    });
    const size = 40 * mebibyte;
    const near = new Libp2pByteStream(
      await network.run(asker.node.dialProtocol(executor.node.peerId, protocol)),
    );
    let isWritten = false;
    const written = near.write(new Uint8Array(size)).then(() => (isWritten = true));
    await network.runFor(60_000);
    expect(isWritten).toBe(false);
    const reader = await far.promise;
    const readTo = async (): Promise<number> => {
      let length = 0;
      while (length < size) length += (await reader.read())?.length ?? 0;
      return length;
    };
    expect(await network.run(readTo())).toBe(size);
    await network.run(written);
  });
});
