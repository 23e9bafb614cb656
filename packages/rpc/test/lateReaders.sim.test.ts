import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { RpcError, type AnswerPiece } from '../src/index.ts';
import { question } from './nodes.ts';
import { createPair, ends, outcomeOf, pause, readAll, textOf, ways, whole, words } from './simulation.ts';

const mebibyte = 1024 * 1024;
const lingerMs = 2_000;
const waits = { timeoutMs: 300_000 };
/** A moment, a while, and longer than anybody waits for a stream to close. */
const waitsMs = [50, 1_500, 10_000];
const piece = 'x'.repeat(16 * 1024);

describe.for(ways)('over $fidelity links by $carrier', (way) => {
  for (const waitMs of waitsMs) {
    test(`a handler that begins after ${waitMs} ms answers as one that begins at once`, async ({
      createNetwork,
    }) => {
      const { network, asker, executor } = await createPair(createNetwork, {
        ...way,
        executor: {
          serve: async (request, context) => {
            await pause(waitMs);
            return context.stream ? words(5, 10)(request, context) : whole(textOf(5));
          },
        },
      });
      const message = () => question(asker.identity, executor.identity, { prompt: 'x'.repeat(200_000) });
      expect(await network.run(readAll(asker.rpc.stream(executor.peerId, await message())))).toBe(textOf(5));
      const { response } = await network.run(asker.rpc.request(executor.peerId, await message()));
      expect(response.payload.content).toBe(textOf(5));
      await network.runFor(lingerMs);
      asker.expectNothingLeft();
      executor.expectNothingLeft();
    });

    test(`a reader that begins ${waitMs} ms after everything has come gets every byte and the end`, async ({
      createNetwork,
    }) => {
      const { network, asker, executor } = await createPair(createNetwork, {
        ...way,
        executor: {
          serve: async function* () {
            for (let count = 0; count < 10; count++) yield piece;
          },
        },
      });
      const answer = asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity));
      await network.runFor(1_000);
      // All of it fits into what a reader grants at first, so the executor is done.
      expect(executor.ledger.inboundEnds).toEqual(['answered']);
      await network.runFor(waitMs);
      expect(await network.run(readAll(answer))).toHaveLength(10 * piece.length);
      await network.runFor(lingerMs);
      expect(ends(asker)).toEqual(['answered']);
      asker.expectNothingLeft();
      executor.expectNothingLeft();
    });

    test(`a reader that begins ${waitMs} ms after the executor has stopped gets every byte, or is told what is missing`, async ({
      createNetwork,
    }) => {
      const { network, asker, executor } = await createPair(createNetwork, {
        ...way,
        executor: {
          serve: async function* () {
            for (let count = 0; count < 10; count++) yield piece;
          },
        },
      });
      const answer = asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity));
      await network.runFor(1_000);
      await network.run(executor.rpc.drain(5_000));
      await network.run(executor.stop());
      await network.runFor(waitMs);
      let length = 0;
      const read = async (): Promise<void> => {
        for await (const { text } of answer) length += text.length;
      };
      const outcome = await network.run(outcomeOf(read()));
      if (outcome === 'answered') expect(length).toBe(10 * piece.length);
      else expect(outcome).toBe('CONNECTION_CLOSED');
      expect(ends(asker)).toEqual([outcome]);
      await network.runFor(lingerMs);
      asker.expectNothingLeft();
    });
  }

  for (const [name, everyMs] of [
    ['never pauses', 0],
    ['is ten times as fast as its reader', 5],
  ] as const)
    test(`a writer that ${name} is held back within the window, and its reader sees every byte and the end`, async ({
      createNetwork,
    }) => {
      let [written, read, mostAhead] = [0, 0, 0];
      const { network, asker, executor } = await createPair(createNetwork, {
        ...way,
        link: { delayMs: 10 },
        executor: {
          serve: async function* (): AsyncGenerator<AnswerPiece> {
            for (; written < 400; written++) {
              if (everyMs > 0) await pause(everyMs);
              yield piece;
            }
          },
        },
      });
      const answer = asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity));
      const readSlowly = async (): Promise<void> => {
        for await (const { text } of answer) {
          if (text !== '') read++;
          mostAhead = Math.max(mostAhead, written - read);
          await pause(50);
        }
      };
      await network.run(readSlowly(), waits);
      expect(read).toBe(400);
      const aheadBytes = mostAhead * piece.length;
      expect(aheadBytes).toBeGreaterThan(128 * 1024);
      // The window of a session. That of a stream is 1 MiB as seen from here, and as much is in the buffers of the system.
      expect(aheadBytes).toBeLessThan(way.carrier === 'sessions' ? 1.1 * mebibyte : 3 * mebibyte);
      await network.runFor(lingerMs);
      asker.expectNothingLeft();
      executor.expectNothingLeft();
    });

  test('a reader that never reads holds its own answer back, and nobody else’s', async ({
    createNetwork,
  }) => {
    let written = 0;
    const { network, asker, executor } = await createPair(createNetwork, {
      ...way,
      asker: { timeoutMs: 20_000 },
      executor: {
        serve: async function* ({ request }): AsyncGenerator<AnswerPiece> {
          const isLong = request.payload.messages[0]?.content === 'long';
          for (let count = 0; count < (isLong ? 400 : 20); count++) {
            if (isLong) written++;
            yield piece;
          }
        },
      },
    });
    const ask = async (prompt: string) =>
      asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity, { prompt }));
    const unread = await ask('long');
    await network.runFor(2_000);
    for (let count = 0; count < 5; count++)
      expect(await network.run(ask('short').then((answer) => readAll(answer)))).toHaveLength(
        20 * piece.length,
      );
    expect(written * piece.length).toBeLessThan(2.5 * mebibyte);
    await network.runFor(20_000);
    // Nobody reads it: it ends all the same.
    expect(ends(asker).at(-1)).toBe('TIMEOUT');
    const error: unknown = await unread.result.catch((thrown: unknown) => thrown);
    expect(RpcError.is(error, 'TIMEOUT')).toBe(true);
    await network.runFor(lingerMs);
    asker.expectNothingLeft();
    executor.expectNothingLeft();
  });
});
