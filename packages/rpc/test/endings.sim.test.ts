import { seededRandom } from '@lloom/simkit';
import { test, type NetworkFixture } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { failure, question } from './nodes.ts';
import { createPair, ends, outcomeOf, pause, readAll, ways, words, type Way } from './simulation.ts';

const ping = { type: 'ping' } as const;
/** How long a service waits for the other side to close a stream. */
const lingerMs = 2_000;

/** Streams that begin every 5 ms and are given up at random; fails unless each ends once and leaves nothing. */
async function giveUpMany(
  createNetwork: NetworkFixture['createNetwork'],
  { how, streams, isInspected, ...way }: Many,
) {
  const random = seededRandom('give up');
  const [givenUpAt, stoppedAt] = [new Map<string, number>(), new Map<string, number>()];
  let handled = 0;
  const { network, asker, executor } = await createPair(createNetwork, {
    ...way,
    link: { delayMs: 5 },
    asker: { isInspected },
    executor: {
      isInspected,
      maxInboundRequests: 1_000,
      maxInboundRequestsPerPeer: 1_000,
      serve: async function* ({ request }, { signal }) {
        handled++;
        const { idempotencyKey } = request.payload;
        signal.addEventListener('abort', () => stoppedAt.set(idempotencyKey, network.clock.elapsed()));
        for (let piece = 0; piece < 30; piece++) {
          yield 'piece ';
          await pause(20);
        }
      },
    },
  });
  await network.run(asker.rpc.request(executor.peerId, ping));
  const outcomes: Promise<string>[] = [];
  const ask = async (): Promise<string> => {
    const message = await question(asker.identity, executor.identity);
    const afterMs = Math.ceil(random.float() * 700);
    givenUpAt.set(message.request.payload.idempotencyKey, network.clock.elapsed() + afterMs);
    const call = how === 'deadline' ? { timeoutMs: afterMs } : { signal: AbortSignal.timeout(afterMs) };
    return outcomeOf(readAll(asker.rpc.stream(executor.peerId, message, call)));
  };
  const startMs = network.clock.elapsed();
  for (let count = 0; count < streams; count++) network.at(startMs + count * 5, () => outcomes.push(ask()));
  if (how === 'disconnect') network.at(startMs + streams * 5, () => network.crash('asker'));
  await network.runFor(10_000);
  const codes = await Promise.all(outcomes);
  expect(codes).toHaveLength(streams);
  expect(handled).toBeLessThanOrEqual(streams);
  asker.expectNothingLeft();
  executor.expectNothingLeft();
  const hash = network.trace.hash();
  await network.stop();
  const crashedAt = how === 'disconnect' ? startMs + streams * 5 : Infinity;
  const lateBy = [...stoppedAt].map(([key, atMs]) => atMs - Math.min(givenUpAt.get(key)!, crashedAt));
  return { codes, hash, lateBy };
}

interface Many extends Way {
  readonly how: 'cancel' | 'deadline' | 'disconnect';
  readonly streams: number;
  readonly isInspected: boolean;
}

const [byObjects, overStreams, asInProduction] = ways;

for (const many of [
  { ...byObjects, how: 'cancel', streams: 300, isInspected: false },
  { ...overStreams, how: 'cancel', streams: 200, isInspected: false },
  { ...asInProduction, how: 'cancel', streams: 200, isInspected: true },
  { ...byObjects, how: 'deadline', streams: 200, isInspected: false },
  { ...overStreams, how: 'deadline', streams: 200, isInspected: true },
  { ...byObjects, how: 'disconnect', streams: 200, isInspected: true },
  { ...overStreams, how: 'disconnect', streams: 200, isInspected: false },
  { ...asInProduction, how: 'disconnect', streams: 200, isInspected: false },
] satisfies Many[])
  test(`over ${many.fidelity} links by ${many.carrier}, ${many.streams} streams that end by ${many.how} at random stop their handlers within 100 ms`, async ({
    createNetwork,
  }) => {
    const { codes, lateBy } = await giveUpMany(createNetwork, many);
    const wanted = {
      cancel: ['CANCELLED', 'answered'],
      // Both sides have the same deadline: either may be the first to say so.
      deadline: ['OMITTED', 'TIMEOUT', 'answered'],
      disconnect: ['CANCELLED', 'STOPPED', 'answered'],
    }[many.how];
    expect(wanted).toEqual(expect.arrayContaining([...new Set(codes)]));
    expect(lateBy.length).toBeGreaterThan(many.streams / 2);
    expect(Math.max(...lateBy)).toBeLessThan(100);
  });

for (const way of ways)
  test(`the same cancellations over ${way.fidelity} links by ${way.carrier} give the same run`, async ({
    createNetwork,
  }) => {
    const many = { ...way, how: 'cancel', streams: 20, isInspected: false } as const;
    const first = await giveUpMany(createNetwork, many);
    expect(await giveUpMany(createNetwork, many)).toEqual(first);
    // Whether somebody watches changes nothing.
    expect(await giveUpMany(createNetwork, { ...many, isInspected: true })).toEqual(first);
  });

describe.for(ways)('over $fidelity links by $carrier', (way) => {
  for (const how of ['timeoutMs', 'signal'] as const)
    test(`whenever ${how} ends a request, it ends once, and the connection goes on working`, async ({
      createNetwork,
    }) => {
      const { network, asker, executor } = await createPair(createNetwork, {
        ...way,
        link: { delayMs: 10 },
        executor: { serve: words(3, 10) },
      });
      await network.run(asker.rpc.request(executor.peerId, ping));
      const connections = asker.node.getConnections();
      const seen = new Set<string>();
      for (let afterMs = 1; afterMs <= 80; afterMs++) {
        const message = await question(asker.identity, executor.identity);
        const call = how === 'signal' ? { signal: AbortSignal.timeout(afterMs) } : { timeoutMs: afterMs };
        const answer = asker.rpc.stream(executor.peerId, message, call);
        const outcomes = network.run(Promise.all([outcomeOf(readAll(answer)), outcomeOf(answer.result)]));
        const [read, result] = await outcomes;
        expect(read, `after ${afterMs} ms`).toBe(result);
        seen.add(result);
      }
      await network.runFor(lingerMs + 1_000);
      expect([...seen].toSorted()).toEqual(
        ['answered', how === 'signal' ? 'CANCELLED' : 'TIMEOUT'].toSorted(),
      );
      expect(asker.node.getConnections()).toEqual(connections);
      expect(ends(asker)).toHaveLength(81);
      asker.expectNothingLeft();
      executor.expectNothingLeft();
    });

  for (const [stage, code, end] of [
    ['sending', 'BUSY', 'stopped'],
    ['verifying', 'BUSY', 'stopped'],
    ['handling', 'REMOTE', 'interrupted'],
    ['responding', 'REMOTE', 'interrupted'],
  ] as const)
    test(`an executor that stops while it is ${stage} tells its client ${code}: whether the request may have run`, async ({
      createNetwork,
    }) => {
      const { network, asker, executor } = await createPair(createNetwork, {
        ...way,
        // A body of 3 MB is on its way for 6 s.
        link: { delayMs: 50, bandwidthBytesPerSecond: 500_000 },
        executor: {
          verifyMs: stage === 'verifying' ? 5_000 : 0,
          serve: words(100, stage === 'handling' ? 5_000 : 100),
        },
      });
      await network.run(asker.rpc.request(executor.peerId, ping));
      const prompt = stage === 'sending' ? 'x'.repeat(3_000_000) : 'Hello';
      const message = await question(asker.identity, executor.identity, { prompt });
      const outcome = failure(readAll(asker.rpc.stream(executor.peerId, message)));
      await network.runFor(3_000);
      await network.run(executor.stop());
      expect(await network.run(outcome)).toMatchObject({ code });
      expect(executor.ledger.inboundEnds).toEqual(['answered', end]);
      await network.runFor(lingerMs);
      executor.expectNothingLeft();
      asker.expectNothingLeft();
    });
});
