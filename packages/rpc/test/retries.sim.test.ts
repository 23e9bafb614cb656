import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { Refusal, type RetryStrategy } from '../src/index.ts';
import { createWorld, errorOf, expectBetween, failing, silent, watched } from './callWorld.ts';
import { ends, readAll, textOf, whole, words } from './simulation.ts';

const broken = new Error('broken');
const brokenTimes = (count: number): Error[] => Array.from({ length: count }, () => broken);
/** There and back. */
const roundTripMs = 100;
const alone = { failover: 'none' } as const;

describe('a request that is retried', () => {
  test('is asked again after longer and longer waits, each between half and all of what the strategy says', async ({
    createNetwork,
  }) => {
    const first: number[] = [];
    for (let seed = 1; seed <= 5; seed++) {
      const { serve, calls } = watched(failing(brokenTimes(5), () => whole('done')));
      const world = await createWorld(createNetwork, { seed, executors: { a: { serve } } });
      const { network, asker, retries, id } = world;
      const strategy = { maxAttempts: 6, initialDelayMs: 400, maxDelayMs: 5_000, exponentialBase: 3 };
      const message = await world.question('a');
      const requestId = asker.rpc.sendRequestWithRetry(id('a'), message, { ...strategy, ...alone });
      expect(await network.run(world.outcome(requestId))).toMatchObject({ type: 'llmResponse' });
      const caps = [400, 1_200, 3_600, 5_000, 5_000];
      for (const [index, retry] of retries.entries()) {
        expectBetween(retry.delayMs, caps[index]! / 2, caps[index]!);
        expect(retry).toMatchObject({ requestId, peerId: id('a'), attempt: index + 1 });
        expect(retry.error).toMatchObject({ code: 'REMOTE' });
        expect(calls[index + 1]! - calls[index]!).toBeCloseTo(retry.delayMs + roundTripMs, 3);
      }
      expect([retries.length, calls.length]).toEqual([5, 6]);
      first.push(retries[0]!.delayMs);
      expect(ends(asker).at(-1)).toBe('answered');
      await world.end();
    }
    // Those that fail together do not come back together.
    expect(new Set(first).size).toBeGreaterThan(3);
  });

  test('is made as often as the strategy says and no more, and fails as the last time', async ({
    createNetwork,
  }) => {
    for (const maxAttempts of [1, 2, 3, 7]) {
      const { serve, calls } = watched(failing(brokenTimes(9), () => whole('late')));
      const world = await createWorld(createNetwork, { executors: { a: { serve } } });
      const { network, asker, retries, id } = world;
      const message = await world.question('a');
      const request = asker.rpc.request(id('a'), message, { retry: { maxAttempts, ...alone } });
      expect(await network.run(errorOf(request))).toMatchObject({ code: 'REMOTE' });
      expect([calls.length, retries.length]).toEqual([maxAttempts, maxAttempts - 1]);
      await world.end();
    }
  });

  test('by a strategy that is none is not made, and takes nothing from others', async ({ createNetwork }) => {
    const { serve, calls } = watched(() => whole('done'));
    const config = { maxPendingRequestsPerPeer: 1 };
    const world = await createWorld(createNetwork, { asker: config, executors: { a: { serve } } });
    const { network, asker, id } = world;
    const message = await world.question('a');
    const wrong = [{ maxAttempts: 0 }, { initialDelayMs: -1 }, { exponentialBase: 0.5 }, { failover: 'no' }];
    for (const strategy of wrong as RetryStrategy[]) {
      const invalid = expect.objectContaining({ code: 'INVALID_CONFIG' });
      expect(() => asker.rpc.sendRequestWithRetry(id('a'), message, strategy)).toThrow(invalid);
      await expect(asker.rpc.request(id('a'), message, { retry: strategy })).rejects.toEqual(invalid);
    }
    await expect(
      asker.rpc.request(id('a'), message, { hedge: { delayMs: 1, maxExtra: 9 } }),
    ).rejects.toMatchObject({ code: 'INVALID_CONFIG' });
    expect(asker.rpc.pendingRequests()).toEqual([]);
    expect(await network.run(asker.rpc.request(id('a'), message, { retry: alone }))).toBeTruthy();
    expect(calls).toHaveLength(1);
    await world.end();
  });

  test('without a retry is made once', async ({ createNetwork }) => {
    const { serve, calls } = watched(failing([broken], () => whole('late')));
    const world = await createWorld(createNetwork, { executors: { a: { serve }, b: { serve } } });
    const { network, asker, id } = world;
    const request = asker.rpc.request(id('a'), await world.question('a'));
    expect(await network.run(errorOf(request))).toMatchObject({ code: 'REMOTE' });
    expect(calls).toHaveLength(1);
    await world.end();
  });

  test('gives a stream its text once, whatever failed before it', async ({ createNetwork }) => {
    const { serve, calls } = watched(failing([broken, broken], words(5, 100)));
    const world = await createWorld(createNetwork, { executors: { a: { serve } } });
    const { network, asker, retries, id } = world;
    const answer = asker.rpc.stream(id('a'), await world.question('a'), { retry: alone });
    expect(await network.run(readAll(answer))).toBe(textOf(5));
    expect([calls.length, retries.length]).toEqual([3, 2]);
    await world.end();
  });

  test('leaves a peer that has no room alone for as long as that wants, and up to a quarter longer', async ({
    createNetwork,
  }) => {
    for (let seed = 1; seed <= 5; seed++) {
      const busy = new Refusal('BUSY', 'not now', { retryAfterMs: 8_000, queueDepth: 3 });
      const { serve, calls } = watched(failing([busy], () => whole('done')));
      const world = await createWorld(createNetwork, { seed, executors: { a: { serve } } });
      const { network, asker, retries, id } = world;
      await network.run(asker.rpc.request(id('a'), await world.question('a'), { retry: {} }));
      expectBetween(retries[0]!.delayMs, 8_000, 10_000);
      expect(retries[0]!.error).toMatchObject({ code: 'BUSY', data: { retryAfterMs: 8_000, queueDepth: 3 } });
      expectBetween(calls[1]! - calls[0]!, 8_000, 10_000 + roundTripMs);
      await world.end();
    }
  });

  test('is not made again by the same peer when that would refuse it again', async ({ createNetwork }) => {
    for (const code of [
      'INVALID_REQUEST',
      'IDEMPOTENCY_CONFLICT',
      'MODEL_UNAVAILABLE',
      'SIGNATURE_REFUSED',
    ] as const) {
      const { serve, calls } = watched(failing([new Refusal(code, 'no')], () => whole('late')));
      const world = await createWorld(createNetwork, { executors: { a: { serve } } });
      const { network, asker, retries, id } = world;
      const request = asker.rpc.request(id('a'), await world.question('a'), { retry: alone });
      expect(await network.run(errorOf(request))).toMatchObject({ code });
      expect([calls.length, retries.length]).toEqual([1, 0]);
      await world.end();
    }
  });

  test('fails with what says that it may have run, whatever came after it', async ({ createNetwork }) => {
    const world = await createWorld(createNetwork, { executors: { a: { serve: silent } } });
    const { network, asker, retries, id } = world;
    const [peerId, message] = [id('a'), await world.question('a')];
    const failed = errorOf(
      asker.rpc.request(peerId, message, { retry: { maxAttempts: 4, maxDelayMs: 500 } }),
    );
    await network.runFor(1_000);
    network.crash('a');
    expect(await network.run(failed)).toMatchObject({
      code: 'CONNECTION_CLOSED',
      data: { outcome: 'unknown', stage: 'awaiting' },
    });
    expect(retries.map(({ error }) => error.code)).toEqual([
      'CONNECTION_CLOSED',
      'DIAL_FAILED',
      'DIAL_FAILED',
    ]);
    await world.end();
  });
});

describe('the time of a request', () => {
  test('that is over while it is made again says how far it had come before', async ({ createNetwork }) => {
    const world = await createWorld(createNetwork, { executors: { a: { serve: silent } } });
    const { network, asker, id } = world;
    const call = { timeoutMs: 9_000, firstByteTimeoutMs: 60_000, retry: { maxAttempts: 2, maxDelayMs: 0 } };
    const failed = errorOf(asker.rpc.request(id('a'), await world.question('a'), call));
    await network.runFor(6_000);
    network.hold('asker', 'a');
    for (const connection of asker.node.getConnections()) connection.abort(new Error('gone'));
    await network.runFor(1_000);
    expect(asker.rpc.pendingRequests()).toMatchObject([{ attempt: 2 }]);
    // Not `dialing`: that would say that it was not run.
    const data = { stage: 'awaiting' };
    expect(await network.run(failed)).toMatchObject({ code: 'TIMEOUT', data });
    network.release('asker', 'a');
    await network.runFor(20_000);
    await world.end();
  });

  const strategies: readonly RetryStrategy[] = [
    { maxAttempts: 100, initialDelayMs: 2_000, ...alone },
    { maxAttempts: 100, initialDelayMs: 0, maxDelayMs: 0, ...alone },
  ];
  test('is for all its attempts together, to the millisecond', async ({ createNetwork }) => {
    for (const retry of strategies) {
      const { serve, calls } = watched(failing([broken, broken], silent));
      const config = { retryBurst: 1_000 };
      const world = await createWorld(createNetwork, { asker: config, executors: { a: { serve } } });
      const { network, asker, id, elapsed } = world;
      const [message, startMs] = [await world.question('a'), elapsed()];
      const error = await network.run(
        errorOf(asker.rpc.request(id('a'), message, { timeoutMs: 10_000, retry })),
      );
      expect(error).toMatchObject({ code: 'TIMEOUT', data: { waitedMs: 10_000, limitMs: 10_000 } });
      expect(elapsed() - startMs).toBe(10_000);
      expect(calls).toHaveLength(3);
      await world.end();
    }
  });

  test('is told to the executor less what earlier attempts have used up', async ({ createNetwork }) => {
    const { serve, calls, stops } = watched(failing([broken], silent));
    const world = await createWorld(createNetwork, { executors: { a: { serve } } });
    const { network, asker, id } = world;
    const message = await world.question('a');
    const retry = { maxAttempts: 2, initialDelayMs: 4_000, ...alone };
    const call = { timeoutMs: 9_000, firstByteTimeoutMs: 60_000, retry };
    const failed = errorOf(asker.rpc.request(id('a'), message, call));
    await network.runFor(7_000);
    // What the client says when it gives up does not arrive: the executor has to know by itself.
    network.hold('asker', 'a');
    expect(await network.run(failed)).toMatchObject({ code: 'TIMEOUT' });
    await network.runFor(2_000);
    network.release('asker', 'a');
    expect(stops.at(-1)! - calls[0]!).toBeCloseTo(9_000, -2);
    await world.end();
  });

  test('that a silent peer may use up leaves some for the others', async ({ createNetwork }) => {
    const executors = { a: { serve: silent }, b: { serve: words(3, 0) } };
    const world = await createWorld(createNetwork, { executors });
    const { network, asker, id, elapsed } = world;
    const message = await world.question('a');
    const startMs = elapsed();
    const answer = asker.rpc.stream(id('a'), message, { timeoutMs: 30_000, retry: {} });
    expect(await network.run(readAll(answer))).toBe(textOf(3));
    expectBetween(elapsed() - startMs, 10_000, 10_000 + 2 * roundTripMs);
    await world.end();
  });
});

describe('while a request waits for its next attempt', () => {
  const retry = { maxAttempts: 5, initialDelayMs: 10_000, maxDelayMs: 10_000, ...alone };

  test('it can be cancelled, and nothing more is asked', async ({ createNetwork }) => {
    const { serve, calls } = watched(failing([broken], () => whole('late')));
    const world = await createWorld(createNetwork, { executors: { a: { serve } } });
    const { network, asker, id, elapsed } = world;
    const controller = new AbortController();
    const call = { signal: controller.signal, retry };
    const failed = errorOf(asker.rpc.request(id('a'), await world.question('a'), call));
    await network.runFor(2_000);
    const cancelMs = elapsed();
    controller.abort();
    expect(await network.run(failed)).toMatchObject({ code: 'CANCELLED', data: { stage: 'awaiting' } });
    expect(elapsed()).toBe(cancelMs);
    await network.runFor(60_000);
    expect(calls).toHaveLength(1);
    await world.end();
  });

  test('its reader can leave, and nothing more is asked', async ({ createNetwork }) => {
    const { serve, calls } = watched(failing([broken], words(3, 10)));
    const world = await createWorld(createNetwork, { executors: { a: { serve } } });
    const { network, asker, id } = world;
    const answer = asker.rpc.stream(id('a'), await world.question('a'), { retry });
    const iterator = answer[Symbol.asyncIterator]();
    const step = iterator.next();
    await network.runFor(2_000);
    await network.run(iterator.return!());
    expect(await network.run(step)).toMatchObject({ done: true });
    await network.runFor(60_000);
    expect([calls.length, ends(asker).at(-1)]).toEqual([1, 'CANCELLED']);
    await world.end();
  });

  test('its node can stop, and it ends at once', async ({ createNetwork }) => {
    const { serve, calls } = watched(failing([broken], () => whole('late')));
    const world = await createWorld(createNetwork, { executors: { a: { serve } } });
    const { network, asker, id } = world;
    const failed = errorOf(asker.rpc.request(id('a'), await world.question('a'), { retry }));
    await network.runFor(2_000);
    await network.run(asker.stop());
    expect(await network.run(failed)).toMatchObject({ code: 'STOPPED' });
    await network.runFor(60_000);
    expect(calls).toHaveLength(1);
    await world.end();
  });

  test('it is still under way, with its attempt and its peer', async ({ createNetwork }) => {
    const world = await createWorld(createNetwork, {
      executors: { a: { serve: failing([broken, broken], () => whole('done')) } },
    });
    const { network, asker, id } = world;
    const startedAt = network.clock.now();
    const done = asker.rpc.request(id('a'), await world.question('a'), { timeoutMs: 90_000, retry });
    const seen = new Set<number>();
    for (let second = 0; second < 25; second++) {
      for (const { attempt, requestId, ...pending } of asker.rpc.pendingRequests()) {
        seen.add(attempt);
        const deadlineAt = startedAt + 90_000;
        expect(pending).toEqual({ peerId: id('a'), method: 'llmRequest', startedAt, deadlineAt });
      }
      await network.runFor(1_000);
    }
    await network.run(done);
    expect([...seen]).toEqual([1, 2]);
    await world.end();
  });
});
