import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { Refusal, type AnswerPiece, type Handler } from '../src/index.ts';
import { createWorld, errorOf, expectBetween, failing, watched } from './callWorld.ts';
import { pause, readAll, textOf, whole, words } from './simulation.ts';

const busy = new Refusal('BUSY', 'not now', { retryAfterMs: 3_000, queueDepth: 7 });
const refuses = (code: 'BUSY' | 'MODEL_UNAVAILABLE' | 'PRICE_EXCEEDED'): Handler =>
  failing(
    Array.from({ length: 99 }, () => (code === 'BUSY' ? busy : new Refusal(code, 'no'))),
    () => undefined,
  );
const done: Handler = () => whole('done');
const roundTripMs = 100;

/** So many words, and then it breaks down. */
const breaking = (count: number): Handler =>
  async function* (request, context): AsyncGenerator<AnswerPiece> {
    yield* words(count, 100)(request, context) as AsyncIterable<AnswerPiece>;
    throw new Error('broken');
  };

/** Goes on behind what others have said, up to so many words. */
const continuing = (count: number): Handler =>
  async function* (_request, { prefix }): AsyncGenerator<AnswerPiece> {
    const said = prefix?.text.split(' ').length ?? 1;
    for (let word = said - 1; word < count; word++) {
      await pause(100);
      yield `word${word} `;
    }
  };

describe('a request that a peer cannot take', () => {
  test('goes at once to another provider, which it is signed for', async ({ createNetwork }) => {
    for (const code of ['BUSY', 'MODEL_UNAVAILABLE', 'PRICE_EXCEEDED', 'NO_HANDLER'] as const) {
      const a = code === 'NO_HANDLER' ? {} : { serve: refuses(code) };
      const { serve, calls } = watched(done);
      const world = await createWorld(createNetwork, { executors: { a, b: { serve } } });
      const { network, asker, directory, retries, id, elapsed } = world;
      const message = await world.question('a');
      const answered = asker.rpc.request(id('a'), message, { retry: {} });
      expect(await network.run(answered)).toMatchObject({
        response: {
          signer: network.node('b').identity.evmAddress.toLowerCase(),
          payload: { content: 'done' },
        },
      });
      expectBetween(elapsed(), 2 * roundTripMs, 2 * roundTripMs + 1);
      expect(calls).toHaveLength(1);
      expect(retries).toMatchObject([{ peerId: id('a'), attempt: 1, delayMs: 0, error: { code } }]);
      // Who would be behind the first, who is in its place, still so when it is asked, and who would be behind that one.
      const query = { peerId: id('a'), model: 'demo-small' };
      const excluded = [[id('a')], [id('a')], [id('a')], [id('a'), id('b')]];
      expect(directory.queries).toEqual(excluded.map((exclude) => ({ ...query, exclude })));
      await world.end();
    }
  });

  test('goes to another provider when this node itself has as many with the first as it may', async ({
    createNetwork,
  }) => {
    const slow: Handler = async () => {
      await pause(5_000);
      return whole('slow');
    };
    const world = await createWorld(createNetwork, {
      asker: { maxPendingRequestsPerPeer: 1 },
      executors: { a: { serve: slow }, b: { serve: done } },
    });
    const { network, asker, id } = world;
    const first = asker.rpc.request(id('a'), await world.question('a'));
    const second = asker.rpc.request(id('a'), await world.question('a'), { retry: {} });
    const { response } = await network.run(second);
    expect(response.payload.content).toBe('done');
    const stays = { retry: { failover: 'none' } } as const;
    const third = asker.rpc.request(id('a'), await world.question('a'), stays);
    expect((await network.run(third)).response.payload.content).toBe('slow');
    await network.run(first);
    await world.end();
  });

  test('goes from one to the next as long as it may, and to nobody twice', async ({ createNetwork }) => {
    const asked: string[] = [];
    const noting =
      (name: string, handler: Handler): Handler =>
      (request, context) => {
        asked.push(name);
        return handler(request, context);
      };
    const world = await createWorld(createNetwork, {
      executors: {
        a: { serve: noting('a', refuses('MODEL_UNAVAILABLE')) },
        b: { serve: noting('b', refuses('MODEL_UNAVAILABLE')) },
        c: { serve: noting('c', done) },
      },
    });
    const { network, asker, id } = world;
    for (const [maxAttempts, outcome] of [
      [2, 'MODEL_UNAVAILABLE'],
      [3, 'done'],
    ] as const) {
      const request = asker.rpc.request(id('a'), await world.question('a'), { retry: { maxAttempts } });
      const ended = request.then(
        ({ response }) => response.payload.content,
        (error: { readonly code: string }) => error.code,
      );
      expect(await network.run(ended)).toBe(outcome);
    }
    expect(asked).toEqual(['a', 'b', 'a', 'b', 'c']);
    await world.end();
  });

  test('waits for the same peer when nobody else is known', async ({ createNetwork }) => {
    const { serve, calls } = watched(failing([busy], done));
    const world = await createWorld(createNetwork, { executors: { a: { serve } } });
    const { network, asker, directory, id } = world;
    await network.run(asker.rpc.request(id('a'), await world.question('a'), { retry: {} }));
    expectBetween(calls[1]! - calls[0]!, 3_000, 3_750 + roundTripMs);
    // Before each of two attempts, and between them.
    expect([directory.queries.length, directory.searches.length]).toEqual([3, 1]);
    await world.end();
  });

  test('stays with its peer when it is told to', async ({ createNetwork }) => {
    const a = watched(failing([busy], done));
    const b = watched(done);
    const world = await createWorld(createNetwork, {
      executors: { a: { serve: a.serve }, b: { serve: b.serve } },
    });
    const { network, asker, directory, id } = world;
    const retry = { failover: 'none' } as const;
    await network.run(asker.rpc.request(id('a'), await world.question('a'), { retry }));
    expect([a.calls.length, b.calls.length, directory.queries.length]).toEqual([2, 0, 0]);
    await world.end();
  });

  test('does not go to one that has said that it has no room, as long as that holds', async ({
    createNetwork,
  }) => {
    const c = watched(done);
    const world = await createWorld(createNetwork, {
      executors: {
        a: { serve: refuses('MODEL_UNAVAILABLE') },
        b: { serve: failing([busy], done) },
        c: { serve: c.serve },
      },
    });
    const { network, asker, id } = world;
    await network.run(errorOf(asker.rpc.request(id('b'), await world.question('b'))));
    const ask = async (): Promise<void> => {
      await network.run(asker.rpc.request(id('a'), await world.question('a'), { retry: {} }));
    };
    expect(asker.rpc.findAlternativePeer(id('a'))).toBe(id('c'));
    await ask();
    expect(c.calls).toHaveLength(1);
    await network.runFor(3_000);
    expect(asker.rpc.findAlternativePeer(id('a'))).toBe(id('b'));
    await ask();
    expect(c.calls).toHaveLength(1);
    await world.end();
  });
});

test('another provider is named for a model, for a request, or for whatever a peer serves', async ({
  createNetwork,
}) => {
  const world = await createWorld(createNetwork, { executors: { a: {}, b: {} } });
  const { network, asker, directory, id } = world;
  const requestId = asker.rpc.sendRequest(id('a'), await world.question('a'));
  await network.run(errorOf(world.outcome(requestId)));
  const { peerId } = network.node('a').node;
  for (const about of [undefined, { model: 'other' }, { requestId }, { requestId, model: 'other' }])
    expect(asker.rpc.findAlternativePeer(peerId, about)).toBe(id('b'));
  expect(directory.queries.map(({ model }) => model)).toEqual([undefined, 'other', 'demo-small', 'other']);
  directory.known = [id('a')];
  expect(asker.rpc.findAlternativePeer(id('a'))).toBeUndefined();
  const unknown = expect.objectContaining({ code: 'UNKNOWN_REQUEST' });
  const wrong = { requestId: 'nothing' as typeof requestId };
  expect(() => asker.rpc.findAlternativePeer(id('a'), wrong)).toThrow(unknown);
  await world.end();
});

describe('another provider that is not known yet', () => {
  /** One that refuses, and one that has to be looked for. */
  async function hidden(createNetwork: Parameters<typeof createWorld>[0], serve: Handler, searchMs: number) {
    const world = await createWorld(createNetwork, { executors: { a: { serve }, b: { serve: done } } });
    const { directory, id } = world;
    Object.assign(directory, { known: [id('a')], hidden: [id('b')], searchMs });
    return world;
  }

  test('is looked for, and asked as soon as it is found', async ({ createNetwork }) => {
    const world = await hidden(createNetwork, refuses('MODEL_UNAVAILABLE'), 1_500);
    const { network, asker, directory, id, elapsed } = world;
    const answered = asker.rpc.request(id('a'), await world.question('a'), { retry: {} });
    expect(await network.run(answered)).toMatchObject({ response: { payload: { content: 'done' } } });
    expectBetween(elapsed(), 1_500 + 2 * roundTripMs, 1_501 + 2 * roundTripMs);
    expect(directory.searches).toEqual([{ peerId: id('a'), model: 'demo-small', exclude: [id('a')] }]);
    await world.end();
  });

  test('is looked for while the first one is waited for, and asked in its place', async ({
    createNetwork,
  }) => {
    const { serve, calls } = watched(refuses('BUSY'));
    const world = await hidden(createNetwork, serve, 1_500);
    const { network, asker, id, elapsed } = world;
    await network.run(asker.rpc.request(id('a'), await world.question('a'), { retry: {} }));
    expectBetween(elapsed(), 3_000, 3_750 + 2 * roundTripMs);
    expect(calls).toHaveLength(1);
    await world.end();
  });

  test('is looked for during five seconds, and no longer', async ({ createNetwork }) => {
    const world = await hidden(createNetwork, refuses('MODEL_UNAVAILABLE'), 3_600_000);
    const { network, asker, id, elapsed } = world;
    const failed = errorOf(asker.rpc.request(id('a'), await world.question('a'), { retry: {} }));
    expect(await network.run(failed)).toMatchObject({ code: 'MODEL_UNAVAILABLE' });
    expectBetween(elapsed(), 5_000 + roundTripMs, 5_001 + roundTripMs);
    await world.end();
  });

  test('is not looked for any more when the request is cancelled', async ({ createNetwork }) => {
    const world = await hidden(createNetwork, refuses('MODEL_UNAVAILABLE'), 3_600_000);
    const { network, asker, id, elapsed } = world;
    const call = { signal: AbortSignal.timeout(1_000), retry: {} };
    const failed = errorOf(asker.rpc.request(id('a'), await world.question('a'), call));
    expect(await network.run(failed)).toMatchObject({ code: 'CANCELLED' });
    expect(elapsed()).toBe(1_000);
    await world.end();
  });

  test('that cannot be reached is one failure more, and the next one is asked', async ({ createNetwork }) => {
    const world = await createWorld(createNetwork, {
      executors: { a: { serve: refuses('MODEL_UNAVAILABLE') }, b: { serve: done } },
    });
    const { network, asker, directory, retries, id } = world;
    // Its id holds a key that signs nothing for a marketplace, and nobody knows its address.
    const stranger = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5';
    directory.known = [stranger, id('b')];
    await network.run(asker.rpc.request(id('a'), await world.question('a'), { retry: {} }));
    expect(retries.map(({ peerId, error }) => [peerId, error.code])).toEqual([
      [id('a'), 'MODEL_UNAVAILABLE'],
      [stranger, 'DIAL_FAILED'],
    ]);
    await world.end();
  });
});

describe('a request that somebody else has signed', () => {
  /** A question of a third party, for one executor or for anybody. */
  async function foreign(createNetwork: Parameters<typeof createWorld>[0], a: Handler, to?: 'a') {
    const b = watched(continuing(5));
    const world = await createWorld(createNetwork, {
      executors: { a: { serve: a }, b: { serve: b.serve, canContinue: true }, signer: {} },
    });
    const { network, directory, id } = world;
    directory.known = [id('a'), id('b')];
    const address = to && network.node(to).identity.evmAddress;
    const { identity } = network.node('signer');
    const request = await identity.sign(
      { model: 'demo-small', prompt: 'Hello' },
      address ? { to: address } : {},
    );
    return { ...world, message: { type: 'llmRequest', request } as const, b };
  }

  test('for one executor is made of nobody else', async ({ createNetwork }) => {
    const world = await foreign(createNetwork, refuses('MODEL_UNAVAILABLE'), 'a');
    const { network, asker, message, retries, directory, b, id } = world;
    const failed = errorOf(asker.rpc.request(id('a'), message, { retry: {} }));
    expect(await network.run(failed)).toMatchObject({ code: 'MODEL_UNAVAILABLE' });
    expect([retries.length, directory.queries.length, b.calls.length]).toEqual([0, 0, 0]);
    const misled = errorOf(asker.rpc.request(id('b'), message, { retry: {} }));
    expect(await network.run(misled)).toMatchObject({ code: 'AUDIENCE_MISMATCH' });
    await world.end();
  });

  test('for anybody goes to others as it is', async ({ createNetwork }) => {
    const world = await foreign(createNetwork, refuses('MODEL_UNAVAILABLE'));
    const { network, asker, message, id } = world;
    const answer = asker.rpc.stream(id('a'), message, { retry: {} });
    expect(await network.run(readAll(answer))).toBe(textOf(5));
    await world.end();
  });

  test('for anybody goes to nobody once its answer has begun', async ({ createNetwork }) => {
    const world = await foreign(createNetwork, breaking(2));
    const { network, asker, message, b, id } = world;
    const answer = asker.rpc.stream(id('a'), message, { retry: {} });
    expect(await network.run(errorOf(readAll(answer)))).toMatchObject({
      code: 'PARTIAL_ANSWER',
      data: { failure: 'REMOTE', tokens: 2 },
    });
    expect([answer.soFar.content, b.calls.length]).toEqual([textOf(2), 0]);
    await world.end();
  });
});

describe('an answer that breaks off', () => {
  test('goes on with the next one that can, behind what was shown', async ({ createNetwork }) => {
    const b = watched(words(5, 100));
    const world = await createWorld(createNetwork, {
      executors: {
        a: { serve: breaking(2) },
        b: { serve: b.serve },
        c: { serve: continuing(5), canContinue: true },
      },
    });
    const { network, asker, retries, id } = world;
    const answer = asker.rpc.stream(id('a'), await world.question('a'), { retry: {} });
    expect(await network.run(readAll(answer))).toBe(textOf(5));
    expect(retries.map(({ error }) => error.code)).toEqual(['REMOTE', 'CANNOT_CONTINUE']);
    expect(b.calls).toHaveLength(0);
    const { shares } = await network.run(answer.result);
    expect(shares.map(({ peerId }) => world.nameOf(peerId))).toEqual(['a', 'c']);
    await world.end();
  });

  for (const failover of ['beforeOutput', 'none'] as const)
    test(`goes nowhere else when failover is "${failover}"`, async ({ createNetwork }) => {
      const b = watched(continuing(5));
      const world = await createWorld(createNetwork, {
        executors: { a: { serve: breaking(2) }, b: { serve: b.serve, canContinue: true } },
      });
      const { network, asker, directory, id } = world;
      const answer = asker.rpc.stream(id('a'), await world.question('a'), { retry: { failover } });
      const failed = await network.run(errorOf(readAll(answer)));
      expect(failed).toMatchObject({ code: 'PARTIAL_ANSWER', data: { failure: 'REMOTE', tokens: 2 } });
      expect([answer.soFar.content, b.calls.length]).toEqual([textOf(2), 0]);
      // Before each of two attempts, for their shares of the time; and not for who goes on.
      expect(directory.queries).toHaveLength(failover === 'none' ? 0 : 2);
      await world.end();
    });

  test('may begin elsewhere as long as nothing was shown', async ({ createNetwork }) => {
    const world = await createWorld(createNetwork, {
      executors: { a: { serve: refuses('BUSY') }, b: { serve: words(3, 100) } },
    });
    const { network, asker, id } = world;
    const retry = { failover: 'beforeOutput' } as const;
    const answer = asker.rpc.stream(id('a'), await world.question('a'), { retry });
    expect(await network.run(readAll(answer))).toBe(textOf(3));
    await world.end();
  });
});
