import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { Refusal, type Handler } from '../src/index.ts';
import { createWorld, errorOf, failing, watched } from './callWorld.ts';
import { outcomeOf, pause, readAll, textOf, whole, words } from './simulation.ts';

/** Answers after so long, whoever gives up meanwhile. */
const stubborn =
  (ms: number): Handler =>
  async () => {
    await pause(ms);
    return whole('done');
  };
const done: Handler = () => whole('done');

describe('an executor that takes its time', () => {
  test('is waited for with retries as without: nobody asks it twice', async ({ createNetwork }) => {
    for (const executors of [{ a: stubborn(20_000) }, { a: stubborn(20_000), b: stubborn(20_000) }]) {
      const handlers = Object.entries(executors).map(([name, serve]) => [name, watched(serve)] as const);
      const world = await createWorld(createNetwork, {
        executors: Object.fromEntries(handlers.map(([name, { serve }]) => [name, { serve }])),
      });
      const { network, asker, id } = world;
      const call = { timeoutMs: 25_000, retry: { maxAttempts: 3 } };
      const answered = asker.rpc.request(id('a'), await world.question('a'), call);
      expect(await network.run(outcomeOf(answered))).toBe('answered');
      expect(handlers.flatMap(([, { calls }]) => calls)).toHaveLength(1);
      await world.end();
    }
  });

  test('and is the only one may take all the time there is to begin a stream', async ({ createNetwork }) => {
    const late: Handler = async function* (request, context) {
      await pause(20_000);
      yield* words(3, 100)(request, context) as AsyncIterable<string>;
    };
    const world = await createWorld(createNetwork, { executors: { a: { serve: late } } });
    const { network, asker, id } = world;
    const call = { timeoutMs: 25_000, retry: { maxAttempts: 3 } };
    const answer = asker.rpc.stream(id('a'), await world.question('a'), call);
    expect(await network.run(readAll(answer))).toBe(textOf(3));
    await world.end();
  });

  test('between its words is waited for when nobody may go on behind them', async ({ createNetwork }) => {
    const executors = { a: { serve: words(2, 10_000) }, b: { serve: words(2, 0) } };
    const world = await createWorld(createNetwork, { executors });
    const { network, asker, id } = world;
    const call = { timeoutMs: 25_000, firstByteTimeoutMs: 0, retry: { failover: 'beforeOutput' } } as const;
    const answer = asker.rpc.stream(id('a'), await world.question('a'), call);
    expect(await network.run(readAll(answer))).toBe(textOf(2));
    expect((await answer.result).peerId).toBe(id('a'));
    await world.end();
  });

  test('and does not hear of a cancel is not asked the same again beside it', async ({ createNetwork }) => {
    let working = 0;
    let most = 0;
    const serve: Handler = async () => {
      most = Math.max(most, ++working);
      await pause(5_000);
      working--;
      return whole('done');
    };
    const world = await createWorld(createNetwork, { executors: { a: { serve } } });
    const { network, asker, id } = world;
    const call = {
      firstByteTimeoutMs: 1_000,
      retry: { maxAttempts: 9, maxDelayMs: 1_000 },
      timeoutMs: 30_000,
    };
    await network.run(outcomeOf(asker.rpc.request(id('a'), await world.question('a'), call)));
    expect(most).toBe(1);
    await network.runFor(10_000);
    await world.end();
  });

  test('and is asked once more by hand runs it once: the second joins the first', async ({
    createNetwork,
  }) => {
    const { serve, calls } = watched(stubborn(5_000));
    const world = await createWorld(createNetwork, { executors: { a: { serve } } });
    const { network, asker, id, outcome } = world;
    const first = asker.rpc.sendRequest(id('a'), await world.question('a'));
    await network.runFor(1_000);
    const second = asker.rpc.retryRequest(first);
    const ends = Promise.all([first, second].map((requestId) => outcomeOf(outcome(requestId))));
    expect(await network.run(ends)).toEqual(['CANCELLED', 'answered']);
    expect(calls).toHaveLength(1);
    await world.end();
  });
});

describe('a peer that wants no more for an hour', () => {
  const refusal = new Refusal('RATE_LIMITED', 'enough', { retryAfterMs: 3_600_000 });
  const refusing: Handler = failing(
    Array.from({ length: 9 }, () => refusal),
    () => undefined,
  );

  test('is not waited for where there is another one', async ({ createNetwork }) => {
    const { serve, calls } = watched(refusing);
    const world = await createWorld(createNetwork, { executors: { a: { serve }, b: { serve: done } } });
    const { network, asker, id, elapsed } = world;
    for (let count = 0; count < 3; count++) {
      const call = { retry: {}, timeoutMs: 60_000 };
      const answered = asker.rpc.request(id('a'), await world.question('a'), call);
      expect(await network.run(outcomeOf(answered))).toBe('answered');
    }
    expect(calls).toHaveLength(1);
    expect(elapsed()).toBeLessThan(1_000);
    await world.end();
  });

  test('is told of at once where there is none, and holds nobody else up', async ({ createNetwork }) => {
    const world = await createWorld(createNetwork, { executors: { a: { serve: refusing } } });
    const { network, asker, id, elapsed } = world;
    for (const retry of [undefined, {}, undefined]) {
      const call = retry === undefined ? {} : { retry };
      const asked = asker.rpc.request(id('a'), await world.question('a'), call);
      expect(await network.run(errorOf(asked))).toMatchObject({ code: 'RATE_LIMITED' });
    }
    expect(elapsed()).toBeLessThan(1_000);
    expect(asker.rpc.pendingRequests()).toEqual([]);
    await world.end();
  });

  test('is sent none of those that wait behind the one it has refused', async ({ createNetwork }) => {
    const { serve, calls } = watched(refusing);
    const world = await createWorld(createNetwork, {
      asker: { maxPendingRequestsPerPeer: 1 },
      executors: { a: { serve } },
    });
    const { network, asker, id } = world;
    const messages = [await world.question('a'), await world.question('a'), await world.question('a')];
    const asked = messages.map((message) =>
      outcomeOf(asker.rpc.request(id('a'), message, { timeoutMs: 10_000 })),
    );
    const codes = await network.run(Promise.all(asked));
    expect(codes[0]).toBe('RATE_LIMITED');
    expect(calls).toHaveLength(1);
    await world.end();
  });
});

test('an error that is known is told at once when there is no time to try again', async ({
  createNetwork,
}) => {
  const busy = new Refusal('BUSY', 'not now', { retryAfterMs: 30_000 });
  const world = await createWorld(createNetwork, {
    executors: { a: { serve: failing([busy], () => undefined) } },
  });
  const { network, asker, id, elapsed } = world;
  const asked = asker.rpc.request(id('a'), await world.question('a'), { timeoutMs: 3_000, retry: {} });
  expect(await network.run(errorOf(asked))).toMatchObject({ code: 'BUSY', data: { retryAfterMs: 30_000 } });
  expect(elapsed()).toBeLessThan(1_000);
  await world.end();
});

test('a middleware that gives metadata that cannot travel fails its request, and not the peer', async ({
  createNetwork,
}) => {
  const world = await createWorld(createNetwork, {
    asker: { avoidAfterFailures: 1 },
    executors: { a: { serve: done } },
  });
  const { network, asker, id } = world;
  const remove = asker.rpc.use({
    outbound: async (_, next) => void (await next({ n: 5 as unknown as string })),
  });
  const asked = asker.rpc.request(id('a'), { type: 'ping' });
  expect(await network.run(errorOf(asked))).toMatchObject({ code: 'MIDDLEWARE_FAILED' });
  remove();
  expect(await network.run(outcomeOf(asker.rpc.request(id('a'), { type: 'ping' })))).toBe('answered');
  await world.end();
});
