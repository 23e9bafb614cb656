import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import type { AnswerPiece, Handler } from '../src/index.ts';
import { createWorld, errorOf, expectBetween, watched } from './callWorld.ts';
import { pause } from './simulation.ts';

/** Words that cost a wei each. */
const saying = (words: readonly string[], everyMs = 200): Handler =>
  async function* (): AsyncGenerator<AnswerPiece> {
    for (const [index, word] of words.entries()) {
      await pause(everyMs);
      yield { totalCost: String(index + 1) };
      yield { text: `${word} `, tokens: 1 };
    }
  };

/** Another handler each time; the last one for good. */
function inTurn(...handlers: readonly Handler[]): Handler {
  let calls = 0;
  return (request, context) => handlers[Math.min(calls++, handlers.length - 1)]!(request, context);
}

const words = ['one', 'two', 'three', 'four', 'five', 'six'];
const text = 'one two three four five six ';

/** One executor that has shown three words, of which it has signed each. */
async function begun(createNetwork: Parameters<typeof createWorld>[0], serve: Handler) {
  const executor = watched(serve);
  const world = await createWorld(createNetwork, {
    executors: { a: { serve: executor.serve, segmentTokens: 1, rejoinTimeoutMs: 10_000 } },
  });
  const { network, asker, id } = world;
  const retry = { maxAttempts: 3, initialDelayMs: 500, maxDelayMs: 500 };
  const answer = asker.rpc.stream(id('a'), await world.question('a'), { retry });
  const shown: string[] = [];
  const read = (async (): Promise<void> => {
    for await (const chunk of answer) {
      expect(chunk.sequence).toBe(shown.length);
      shown.push(chunk.text.trim());
    }
  })();
  read.catch(() => undefined);
  await network.runUntil(() => shown.length === 3);
  return { ...world, answer, read, shown, executor };
}

describe('an answer whose connection is lost', () => {
  test('goes on where it broke off when its executor is reached again, and is run and paid once', async ({
    createNetwork,
  }) => {
    const world = await begun(createNetwork, saying(words));
    const { network, asker, answer, read, shown, executor } = world;
    for (const connection of asker.node.getConnections()) connection.abort(new Error('gone'));
    await network.run(read);
    expect([shown, executor.calls.length, executor.stops.length]).toEqual([words, 1, 0]);
    const { content, shares, totalCost } = await network.run(answer.result);
    expect([content, totalCost]).toEqual([text, '6']);
    expect(shares).toMatchObject([{ tokens: 6, unsignedTokens: 0 }]);
    await world.end();
  });

  test('goes on where it broke off, however often that happens', async ({ createNetwork }) => {
    const world = await begun(createNetwork, saying(words, 1_000));
    const { network, asker, read, shown, executor } = world;
    for (let time = 0; time < 2; time++) {
      for (const connection of asker.node.getConnections()) connection.abort(new Error('gone'));
      await network.runFor(1_200);
    }
    await network.run(read);
    expect([shown, executor.calls.length]).toEqual([words, 1]);
    await world.end();
  });
});

describe('an executor that has forgotten the request', () => {
  /** It dies, and is there again at once with an empty memory. */
  async function forgetful(createNetwork: Parameters<typeof createWorld>[0], second: Handler) {
    const world = await begun(createNetwork, inTurn(saying(words), second));
    const { network } = world;
    network.crash('a');
    await network.restart('a');
    return world;
  }

  test('goes on where it broke off when it says the same again', async ({ createNetwork }) => {
    const world = await forgetful(createNetwork, saying(words));
    const { network, answer, read, shown, executor } = world;
    await network.run(read);
    expect([shown, executor.calls.length]).toEqual([words, 2]);
    expect((await network.run(answer.result)).content).toBe(text);
    await world.end();
  });

  test('goes on where it broke off when it says the same again in other pieces', async ({
    createNetwork,
  }) => {
    const world = await forgetful(createNetwork, saying(['one two', 'three four five', 'six']));
    const { network, answer, read, shown } = world;
    await network.run(read);
    expect(shown).toEqual(['one', 'two', 'three', 'four five', 'six']);
    const { content, totalCost } = await network.run(answer.result);
    expect([content, totalCost]).toEqual([text, '3']);
    await world.end();
  });

  for (const [how, second] of [
    ['something else', saying(['one', 'two', 'many', 'more'])],
    ['less', saying(['one', 'two'])],
    ['nothing', saying([])],
  ] as const)
    test(`has not answered when it says ${how} the second time, and is owed what it had signed`, async ({
      createNetwork,
    }) => {
      const world = await forgetful(createNetwork, second);
      const { network, answer, read, shown } = world;
      const failed = await network.run(errorOf(read));
      expect(failed).toMatchObject({
        code: 'PARTIAL_ANSWER',
        data: { failure: 'INVALID_RESPONSE', tokens: 3 },
      });
      expect(shown).toEqual(words.slice(0, 3));
      const { content, totalCost } = answer.soFar;
      expect(content).toBe('one two three ');
      expectBetween(Number(totalCost), 2, 3);
      await world.end();
    });
});
