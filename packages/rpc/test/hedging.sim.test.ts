import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import type { AnswerPiece, AnswerStream, CallConfig, Handler } from '../src/index.ts';
import { createWorld, errorOf, silent, watched } from './callWorld.ts';
import { pause, readAll, whole, type SimNodeConfig } from './simulation.ts';

const roundTripMs = 100;

/** Answers in one piece or in words, as it is asked, so long after it was asked. */
function after(delayMs: number, text: string): Handler {
  return async (_request, { stream, signal }) => {
    await pause(delayMs);
    signal.throwIfAborted();
    if (!stream) return whole(text);
    return (async function* (): AsyncGenerator<AnswerPiece> {
      for (const word of text.split(' ')) {
        await pause(100);
        signal.throwIfAborted();
        yield { text: `${word} `, tokens: 1 };
      }
      yield { totalCost: '7' };
    })();
  };
}

const failsAfter =
  (delayMs: number): Handler =>
  async () => {
    await pause(delayMs);
    throw new Error('broken');
  };

const kinds = ['a stream', 'an answer in one piece'] as const;

/** Executors that begin as late as they are told, and a client that asks the first of them. */
async function race(
  createNetwork: Parameters<typeof createWorld>[0],
  handlers: readonly Handler[],
  asker: SimNodeConfig = {},
) {
  const executors = handlers.map((handler) => watched(handler));
  const names = ['a', 'b', 'c', 'd'].slice(0, executors.length);
  const world = await createWorld(createNetwork, {
    asker,
    executors: Object.fromEntries(names.map((name, index) => [name, { serve: executors[index]!.serve }])),
  });
  /** The text of the answer. */
  const ask = async (kind: (typeof kinds)[number], call: CallConfig): Promise<string> => {
    const message = await world.question('a');
    if (kind === 'a stream')
      return (await readAll(world.asker.rpc.stream(world.id('a'), message, call))).trim();
    return (await world.asker.rpc.request(world.id('a'), message, call)).response.payload.content;
  };
  return { ...world, executors, ask };
}

for (const kind of kinds)
  describe(`${kind} that is hedged`, () => {
    test('comes from whoever begins first, and the other one is told to stop', async ({ createNetwork }) => {
      const world = await race(createNetwork, [silent, after(300, 'from b')]);
      const { network, executors, ask, elapsed } = world;
      expect(await network.run(ask(kind, { hedge: { delayMs: 1_000 } }))).toBe('from b');
      const [a, b] = executors;
      expect([a!.calls.length, b!.calls.length]).toEqual([1, 1]);
      expect(b!.calls[0]! - a!.calls[0]!).toBe(1_000);
      expect(elapsed()).toBeLessThan(1_000 + 300 + 2 * roundTripMs + 500);
      await network.runFor(roundTripMs);
      expect([a!.stops.length, b!.stops.length]).toEqual([1, 0]);
      await world.end();
    });

    test('comes from the first one when that is the first to begin after all', async ({ createNetwork }) => {
      const world = await race(createNetwork, [after(1_500, 'from a'), after(3_000, 'from b')]);
      const { network, executors, ask } = world;
      expect(await network.run(ask(kind, { hedge: { delayMs: 1_000 } }))).toBe('from a');
      await network.runFor(roundTripMs);
      const [a, b] = executors;
      expect([a!.calls.length, b!.calls.length]).toEqual([1, 1]);
      expect([a!.stops.length, b!.stops.length]).toEqual([0, 1]);
      await world.end();
    });

    test('asks nobody else when the first one is fast', async ({ createNetwork }) => {
      const world = await race(createNetwork, [after(300, 'from a'), after(0, 'from b')]);
      const { network, executors, ask, directory } = world;
      expect(await network.run(ask(kind, { hedge: { delayMs: 1_000 } }))).toBe('from a');
      await network.runFor(10_000);
      expect(executors.map(({ calls }) => calls.length)).toEqual([1, 0]);
      expect(directory.queries).toEqual([]);
      await world.end();
    });

    test('asks one more after each delay, and as many as it is told', async ({ createNetwork }) => {
      const world = await race(createNetwork, [silent, silent, after(10_000, 'from c'), after(0, 'from d')]);
      const { network, executors, ask } = world;
      expect(await network.run(ask(kind, { hedge: { delayMs: 700, maxExtra: 2 } }))).toBe('from c');
      const begun = executors.map(({ calls }) => calls[0]);
      expect([begun[1]! - begun[0]!, begun[2]! - begun[1]!, begun[3]]).toEqual([700, 700, undefined]);
      await network.runFor(roundTripMs);
      expect(executors.map(({ stops }) => stops.length)).toEqual([1, 1, 0, 0]);
      await world.end();
    });

    test('fails when all have failed, and waits for those that have not', async ({ createNetwork }) => {
      const world = await race(createNetwork, [failsAfter(1_500), failsAfter(4_000)]);
      const { network, ask, retries, elapsed } = world;
      expect(await network.run(errorOf(ask(kind, { hedge: { delayMs: 1_000 } })))).toMatchObject({
        code: 'REMOTE',
        data: { peerId: world.id('b') },
      });
      expect([elapsed(), retries.length]).toEqual([1_000 + 4_000 + roundTripMs, 0]);
      await world.end();
    });

    test('is made again when all have failed, if it is told to', async ({ createNetwork }) => {
      let calls = 0;
      const flaky: Handler = (request, context) =>
        ++calls > 2 ? after(0, 'third time')(request, context) : failsAfter(1_500)(request, context);
      const world = await race(createNetwork, [flaky, flaky]);
      const { network, ask, retries } = world;
      const call = { hedge: { delayMs: 1_000 }, retry: { maxAttempts: 2, initialDelayMs: 100 } };
      expect(await network.run(ask(kind, call))).toBe('third time');
      expect([calls, retries.length]).toEqual([3, 1]);
      await world.end();
    });

    test('is asked of the first one alone when there is nobody else, or no budget', async ({
      createNetwork,
    }) => {
      for (const asker of [{ retryRatio: 0, retryBurst: 0 }, undefined]) {
        const world = await race(createNetwork, [after(3_000, 'from a'), after(0, 'from b')], asker);
        const { network, ask, directory, executors } = world;
        if (asker === undefined) directory.known = [];
        expect(await network.run(ask(kind, { hedge: { delayMs: 1_000 } }))).toBe('from a');
        expect(executors.map(({ calls }) => calls.length)).toEqual([1, 0]);
        await world.end();
      }
    });

    test('can be cancelled while several are asked, and all are told to stop', async ({ createNetwork }) => {
      const world = await race(createNetwork, [silent, silent]);
      const { network, ask, executors } = world;
      const call = { hedge: { delayMs: 1_000 }, signal: AbortSignal.timeout(3_000) };
      expect(await network.run(errorOf(ask(kind, call)))).toMatchObject({ code: 'CANCELLED' });
      await network.runFor(roundTripMs);
      expect(executors.map(({ stops }) => stops.length)).toEqual([1, 1]);
      await world.end();
    });

    test('ends with its time while several are asked, and all are told to stop', async ({
      createNetwork,
    }) => {
      const world = await race(createNetwork, [silent, silent]);
      const { network, ask, executors, elapsed } = world;
      const failed = errorOf(ask(kind, { hedge: { delayMs: 1_000 }, timeoutMs: 3_000 }));
      expect(await network.run(failed)).toMatchObject({ code: 'TIMEOUT', data: { stage: 'awaiting' } });
      expect(elapsed()).toBe(3_000);
      await network.runFor(roundTripMs);
      expect(executors.map(({ stops }) => stops.length)).toEqual([1, 1]);
      await world.end();
    });
  });

test('whoever loses a race is owed nothing, also when it has begun its answer', async ({ createNetwork }) => {
  for (let seed = 1; seed <= 4; seed++) {
    // Both begin in the same moment; who is heard first depends on the links.
    const executors = [after(1_000, 'one two three'), after(0, 'one two three')].map((handler) =>
      watched(handler),
    );
    const world = await createWorld(createNetwork, {
      seed,
      link: { delayMs: 50, jitterMs: 40 },
      executors: { a: { serve: executors[0]!.serve }, b: { serve: executors[1]!.serve } },
    });
    const { network, asker, id } = world;
    const answer: AnswerStream = asker.rpc.stream(id('a'), await world.question('a'), {
      hedge: { delayMs: 1_000 },
    });
    expect((await network.run(readAll(answer))).trim()).toBe('one two three');
    const { shares, totalCost, peerId } = await network.run(answer.result);
    expect([shares, totalCost]).toMatchObject([[{ peerId, totalCost: '7' }], '7']);
    const loser = world.nameOf(peerId) === 'a' ? 1 : 0;
    await network.runFor(1_000);
    expect(executors[loser]!.stops).toHaveLength(1);
    await world.end();
  }
});

test('a stream whose leader fails in mid-answer goes on elsewhere, and nobody is asked beside that one', async ({
  createNetwork,
}) => {
  const breaking: Handler = async function* (): AsyncGenerator<AnswerPiece> {
    yield { text: 'one ', tokens: 1 };
    await pause(2_500);
    throw new Error('broken');
  };
  const goingOn: Handler = async function* (_request, { prefix }): AsyncGenerator<AnswerPiece> {
    await pause(2_500);
    yield { text: prefix === undefined ? 'wrong' : 'two', tokens: 1 };
  };
  const [b, c] = [watched(goingOn), watched(goingOn)];
  const world = await createWorld(createNetwork, {
    executors: {
      a: { serve: breaking },
      b: { serve: b.serve, canContinue: true },
      c: { serve: c.serve, canContinue: true },
    },
  });
  const { network, asker, id } = world;
  const call = { hedge: { delayMs: 1_000 }, retry: {} };
  const answer = asker.rpc.stream(id('a'), await world.question('a'), call);
  expect(await network.run(readAll(answer))).toBe('one two');
  expect([b.calls.length, c.calls.length]).toEqual([1, 0]);
  await world.end();
});
