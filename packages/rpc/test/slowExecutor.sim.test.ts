import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import type { AnswerPiece, Handler } from '../src/index.ts';
import { createWorld, watched } from './callWorld.ts';
import { ends, pause, readAll, whole } from './simulation.ts';

/** Words whose cost is a wei each, with pauses before them; goes on whatever its signal says. */
const stubborn = (pauses: readonly number[]): Handler =>
  async function* (_request, { prefix }): AsyncGenerator<AnswerPiece> {
    const said = prefix?.tokens ?? 0;
    for (const [index, pauseMs] of pauses.entries()) {
      await pause(pauseMs);
      yield { totalCost: String(index + 1) };
      yield { text: `word${said + index} `, tokens: 1 };
    }
  };

const times = (count: number, ms: number): number[] => Array.from({ length: count }, () => ms);

describe('an executor that is silent for too long', () => {
  const call = { firstByteTimeoutMs: 2_000, retry: {} };
  /** Answers as it was asked, behind everybody's patience. */
  const late: Handler = async (request, context) => {
    await pause(5_000);
    return context.stream ? stubborn([0, 0])(request, context) : whole('late');
  };

  test('is left for another one, and a stream takes nothing of what it says later, and owes nothing', async ({
    createNetwork,
  }) => {
    const [a, b] = [watched(late), watched(stubborn(times(6, 1_000)))];
    const executors = { a: { serve: a.serve }, b: { serve: b.serve } };
    const world = await createWorld(createNetwork, { executors });
    const { network, asker, retries, id } = world;
    const answer = asker.rpc.stream(id('a'), await world.question('a'), call);
    expect(await network.run(readAll(answer))).toBe('word0 word1 word2 word3 word4 word5 ');
    const { shares, totalCost } = await network.run(answer.result);
    expect([shares.length, shares[0]!.peerId, totalCost]).toEqual([1, id('b'), '6']);
    expect(retries).toMatchObject([{ peerId: id('a'), delayMs: 0, error: { code: 'FIRST_BYTE_TIMEOUT' } }]);
    await network.runFor(10_000);
    expect([a.stops.length, b.calls.length]).toEqual([1, 1]);
    await world.end();
  });

  test('is left for another one, whose answer in one piece counts, and no later one', async ({
    createNetwork,
  }) => {
    const a = watched(late);
    const inTime: Handler = async () => {
      await pause(1_500);
      return whole('in time');
    };
    const executors = { a: { serve: a.serve }, b: { serve: inTime } };
    const world = await createWorld(createNetwork, { executors });
    const { network, asker, id } = world;
    const { response } = await network.run(asker.rpc.request(id('a'), await world.question('a'), call));
    expect(response.payload.content).toBe('in time');
    await network.runFor(10_000);
    expect([a.stops.length, ends(asker).at(-1)]).toEqual([1, 'answered']);
    await world.end();
  });
});

describe('an executor that stands still in mid-answer', () => {
  test('is left for another one, and goes on for nothing', async ({ createNetwork }) => {
    for (const carrier of ['sessions', 'streams'] as const) {
      // Two words, then silence, then all the rest at once.
      const [a, b] = [watched(stubborn([100, 100, 5_000, 0, 0, 0])), watched(stubborn(times(4, 700)))];
      const sessions = carrier === 'sessions';
      const world = await createWorld(createNetwork, {
        asker: { sessions, segmentTokens: 1 },
        executors: {
          a: { serve: a.serve, sessions, segmentTokens: 1 },
          b: { serve: b.serve, sessions, segmentTokens: 1, canContinue: true },
        },
      });
      const { network, asker, retries, id } = world;
      const call = { idleTimeoutMs: 2_000, retry: {} };
      const answer = asker.rpc.stream(id('a'), await world.question('a'), call);
      expect(await network.run(readAll(answer))).toBe('word0 word1 word2 word3 word4 word5 ');
      const result = await network.run(answer.result);
      expect(result.shares).toMatchObject([
        { peerId: id('a'), tokens: 2, unsignedTokens: 0, totalCost: '2' },
        { peerId: id('b'), tokens: 4, unsignedTokens: 0, totalCost: '4' },
      ]);
      expect([result.totalCost, result.outboundTokens, result.peerId]).toEqual(['6', 6, id('b')]);
      expect(retries).toMatchObject([{ peerId: id('a'), attempt: 1, error: { code: 'IDLE_TIMEOUT' } }]);
      await network.runFor(10_000);
      expect((await answer.result).content).toBe('word0 word1 word2 word3 word4 word5 ');
      expect([a.stops.length, b.calls.length]).toEqual([1, 1]);
      await world.end();
    }
  });

  test('may take as long as it likes when nobody says otherwise', async ({ createNetwork }) => {
    const b = watched(stubborn([0]));
    const world = await createWorld(createNetwork, {
      executors: { a: { serve: stubborn([30_000, 0, 30_000]) }, b: { serve: b.serve, canContinue: true } },
    });
    const { network, asker, id } = world;
    const answer = asker.rpc.stream(id('a'), await world.question('a'), { retry: { maxAttempts: 2 } });
    expect(await network.run(readAll(answer), { timeoutMs: 300_000 })).toBe('word0 word1 word2 ');
    expect(b.calls).toHaveLength(0);
    await world.end();
  });
});
