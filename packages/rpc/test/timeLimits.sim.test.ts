import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import type { AnswerPiece, Handler } from '../src/index.ts';
import { failure, question } from './nodes.ts';
import { createPair, ends, outcomeOf, readAll, textOf, ways, whole, words } from './simulation.ts';

const ping = { type: 'ping' } as const;
/** Streams of requests are closed two seconds after their last word at the latest. */
const lingerMs = 2_000;
const waits = { timeoutMs: 300_000 };

/** Never answers; notes when it is told to stop. */
function silent(stops: number[], nowMs: () => number): Handler {
  return (_request, { signal }) =>
    new Promise((resolve) =>
      signal.addEventListener('abort', () => {
        stops.push(nowMs());
        resolve(undefined);
      }),
    );
}

describe.for(ways)('over $fidelity links by $carrier', (way) => {
  test('a connection that takes too long ends a request as not sent, to the millisecond, and the next one gets through', async ({
    createNetwork,
  }) => {
    let handled = 0;
    const { network, asker, executor } = await createPair(createNetwork, {
      ...way,
      asker: { dialTimeoutMs: 2_000 },
      executor: {
        serve: () => {
          handled++;
          return whole('late');
        },
      },
    });
    network.hold('asker', 'executor');
    const message = await question(asker.identity, executor.identity);
    const startMs = network.clock.elapsed();
    const thrown = await network.run(failure(asker.rpc.request(executor.peerId, message)));
    expect(thrown).toMatchObject({
      code: 'DIAL_TIMEOUT',
      retryable: true,
      data: { peerId: executor.peerId, limitMs: 2_000 },
    });
    expect(network.clock.elapsed() - startMs).toBe(2_000);
    const own = failure(asker.rpc.request(executor.peerId, ping, { dialTimeoutMs: 500 }));
    expect(await network.run(own)).toMatchObject({ code: 'DIAL_TIMEOUT', data: { limitMs: 500 } });
    expect(network.clock.elapsed() - startMs).toBe(2_500);
    network.release('asker', 'executor');
    await expect(network.run(asker.rpc.request(executor.peerId, ping))).resolves.toEqual({ type: 'pong' });
    await network.runFor(lingerMs);
    expect(handled).toBe(0);
    asker.expectNothingLeft();
    executor.expectNothingLeft();
  });

  test('the limit of the connection ends none of the requests that are sent', async ({ createNetwork }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      ...way,
      asker: { dialTimeoutMs: 2_000 },
      executor: { serve: words(5, 1_000) },
    });
    const answer = asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity));
    expect(await network.run(readAll(answer))).toBe(textOf(5));
  });

  test('a request that one gives up while others wait for the same connection ends alone', async ({
    createNetwork,
  }) => {
    const { network, asker, executor } = await createPair(createNetwork, { ...way, link: { delayMs: 500 } });
    const ask = (dialTimeoutMs: number) =>
      outcomeOf(asker.rpc.request(executor.peerId, ping, { dialTimeoutMs }));
    const outcomes = [300, 20_000, 700, 20_000].map(ask);
    expect(await network.run(Promise.all(outcomes))).toEqual([
      'DIAL_TIMEOUT',
      'answered',
      'DIAL_TIMEOUT',
      'answered',
    ]);
    expect(asker.node.getConnections()).toHaveLength(1);
    await network.runFor(2 * lingerMs);
    asker.expectNothingLeft();
    executor.expectNothingLeft();
  });

  test('a peer that begins no answer in time ends a request as sent, and its handler is told to stop', async ({
    createNetwork,
  }) => {
    const stops: number[] = [];
    const { network, asker, executor } = await createPair(createNetwork, {
      ...way,
      asker: { firstByteTimeoutMs: 3_000 },
      executor: { serve: silent(stops, () => network.clock.elapsed()) },
    });
    await network.run(asker.rpc.request(executor.peerId, ping));
    for (const [limitMs, call] of [
      [3_000, {}],
      [700, { firstByteTimeoutMs: 700 }],
    ] as const) {
      const startMs = network.clock.elapsed();
      const message = await question(asker.identity, executor.identity);
      const thrown = await network.run(failure(asker.rpc.request(executor.peerId, message, call)));
      expect(thrown).toMatchObject({ code: 'FIRST_BYTE_TIMEOUT', retryable: true, data: { limitMs } });
      const tookMs = network.clock.elapsed() - startMs;
      // A stream of its own is opened first.
      expect(tookMs - limitMs).toBeLessThanOrEqual(way.carrier === 'sessions' ? 0 : 4 * 50);
      await network.runFor(50);
      expect(stops.at(-1)! - startMs - tookMs).toBeLessThanOrEqual(50);
    }
    const patient = asker.rpc.request(executor.peerId, await question(asker.identity, executor.identity), {
      firstByteTimeoutMs: 0,
      timeoutMs: 10_000,
    });
    expect(await network.run(outcomeOf(patient))).toBe('TIMEOUT');
    await network.runFor(lingerMs);
    expect(stops).toHaveLength(3);
    asker.expectNothingLeft();
    executor.expectNothingLeft();
  });

  test('an answer that begins in time may take as long as it likes', async ({ createNetwork }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      ...way,
      asker: { firstByteTimeoutMs: 1_500 },
      executor: { serve: words(10, 1_000) },
    });
    const answer = asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity));
    expect(await network.run(readAll(answer))).toBe(textOf(10));
  });

  test('an answer that stands still is given up, with the text that has come', async ({ createNetwork }) => {
    const stops: number[] = [];
    const { network, asker, executor } = await createPair(createNetwork, {
      ...way,
      asker: { idleTimeoutMs: 4_000 },
      executor: {
        serve: async function* (request, context): AsyncGenerator<AnswerPiece> {
          yield* words(4, 1_000)(request, context) as AsyncIterable<AnswerPiece>;
          await silent(stops, () => network.clock.elapsed())(request, context);
        },
      },
    });
    const answer = asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity));
    let text = '';
    const read = async (): Promise<void> => {
      for await (const chunk of answer) text += chunk.text;
    };
    const startMs = network.clock.elapsed();
    expect(await network.run(failure(read()))).toMatchObject({
      code: 'IDLE_TIMEOUT',
      retryable: true,
      data: { limitMs: 4_000 },
    });
    expect(text).toBe(textOf(4));
    // Four seconds behind the last word, or behind the signature that follows it within another second.
    const tookMs = network.clock.elapsed() - startMs;
    expect(tookMs).toBeGreaterThan(4 * 1_000 + 4_000);
    expect(tookMs).toBeLessThanOrEqual(4 * 1_000 + 1_000 + 4_000 + 12 * 50);
    await network.runFor(lingerMs);
    expect(stops).toHaveLength(1);
    asker.expectNothingLeft();
    executor.expectNothingLeft();
  });

  test('an answer in one piece that stands still on its way is given up', async ({ createNetwork }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      ...way,
      link: { delayMs: 50, bandwidthBytesPerSecond: 500_000 },
      executor: { serve: () => whole('x'.repeat(4_000_000)) },
    });
    const message = await question(asker.identity, executor.identity);
    const request = asker.rpc.request(executor.peerId, message, { idleTimeoutMs: 1_000 });
    const outcome = failure(request);
    await network.runFor(4_000);
    expect(asker.rpc.pendingRequests()).toHaveLength(1);
    network.hold('asker', 'executor');
    expect(await network.run(outcome)).toMatchObject({ code: 'IDLE_TIMEOUT', data: { limitMs: 1_000 } });
    network.release('asker', 'executor');
    await network.runFor(20_000);
    asker.expectNothingLeft();
    executor.expectNothingLeft();
  });

  test('a reader that pauses is not taken for a peer that stands still', async ({ createNetwork }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      ...way,
      asker: { idleTimeoutMs: 1_000 },
      executor: {
        serve: async function* () {
          for (let piece = 0; piece < 100; piece++) yield 'x'.repeat(16 * 1024);
        },
      },
    });
    const answer = asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity));
    const iterator = answer[Symbol.asyncIterator]();
    let length = 0;
    const take = async (chunks: number): Promise<void> => {
      for (let count = 0; count < chunks; count++) {
        const step = await iterator.next();
        if (step.done === true) return;
        length += step.value.text.length;
      }
    };
    for (let round = 0; round < 4; round++) {
      await network.run(take(10));
      await network.runFor(10_000);
    }
    await network.run(take(Infinity));
    expect(length).toBe(100 * 16 * 1024);
    await network.runFor(lingerMs);
    asker.expectNothingLeft();
  });

  for (const stage of ['dialing', 'sending', 'awaiting', 'receiving', 'verifying'] as const)
    test(`a request that runs out of time while ${stage} says so`, async ({ createNetwork }) => {
      const { network, asker, executor } = await createPair(createNetwork, {
        ...way,
        link: { delayMs: 50, bandwidthBytesPerSecond: 500_000 },
        asker: { verifyMs: stage === 'verifying' ? 30_000 : 0 },
        executor: {
          serve:
            stage === 'awaiting'
              ? silent([], () => 0)
              : stage === 'receiving'
                ? words(100, 100)
                : words(1, 10),
        },
      });
      if (stage === 'dialing') network.hold('asker', 'executor');
      else await network.run(asker.rpc.request(executor.peerId, ping));
      const prompt = stage === 'sending' ? 'x'.repeat(8_000_000) : 'Hello';
      const message = await question(asker.identity, executor.identity, { prompt });
      const startMs = network.clock.elapsed();
      const answer = asker.rpc.stream(executor.peerId, message, { timeoutMs: 5_000 });
      const read = failure(readAll(answer));
      expect(await network.run(failure(answer.result))).toMatchObject({
        code: 'TIMEOUT',
        data: { stage, waitedMs: 5_000, limitMs: 5_000 },
      });
      expect(network.clock.elapsed() - startMs).toBe(5_000);
      expect(await network.run(read)).toMatchObject({ code: 'TIMEOUT', data: { stage } });
      network.release('asker', 'executor');
      await network.runFor(60_000);
      expect(ends(asker).at(-1)).toBe('TIMEOUT');
      asker.expectNothingLeft();
      executor.expectNothingLeft();
    });

  test('what a slow connection takes is taken off the time of the handler', async ({ createNetwork }) => {
    const stops: number[] = [];
    const { network, asker, executor } = await createPair(createNetwork, {
      ...way,
      // Until the request is there, as much passes for each way that its connection takes.
      link: { delayMs: 400 },
      executor: {
        serve: (request, context) => {
          // So that the handler hears of its deadline, and not of a client that gave up.
          network.hold('asker', 'executor');
          return silent(stops, () => network.clock.elapsed())(request, context);
        },
      },
    });
    const message = await question(asker.identity, executor.identity);
    const startMs = network.clock.elapsed();
    const outcome = failure(asker.rpc.request(executor.peerId, message, { timeoutMs: 15_000 }));
    expect(await network.run(outcome, waits)).toMatchObject({ code: 'TIMEOUT', data: { stage: 'awaiting' } });
    await network.runFor(10_000);
    expect(stops).toHaveLength(1);
    // The request was on its way when its time was read.
    expect(stops[0]! - startMs).toBeGreaterThanOrEqual(15_000);
    expect(stops[0]! - startMs).toBeLessThanOrEqual(15_000 + 400 + 1);
    expect(executor.ledger.inboundEnds).toEqual(['omitted']);
    network.release('asker', 'executor');
    await network.runFor(20_000);
    asker.expectNothingLeft();
    executor.expectNothingLeft();
  });

  test('a handler is stopped by its node’s own limit when its client would wait longer', async ({
    createNetwork,
  }) => {
    const stops: number[] = [];
    const { network, asker, executor } = await createPair(createNetwork, {
      ...way,
      executor: { timeoutMs: 5_000, serve: silent(stops, () => network.clock.elapsed()) },
    });
    await network.run(asker.rpc.request(executor.peerId, ping));
    const message = await question(asker.identity, executor.identity);
    const startMs = network.clock.elapsed();
    expect(await network.run(outcomeOf(asker.rpc.request(executor.peerId, message)))).toBe('OMITTED');
    expect(stops[0]! - startMs).toBeGreaterThanOrEqual(5_000);
    expect(stops[0]! - startMs).toBeLessThanOrEqual(5_000 + 4 * 50);
    await network.runFor(lingerMs);
    asker.expectNothingLeft();
    executor.expectNothingLeft();
  });
});
