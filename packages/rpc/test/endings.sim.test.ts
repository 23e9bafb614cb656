import { seededRandom, type Fidelity } from '@lloom/simkit';
import { test, type NetworkFixture } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { failure, question } from './nodes.ts';
import { createPair, ends, fidelities, outcomeOf, pause, readAll, words } from './simulation.ts';

const ping = { type: 'ping' } as const;
/** How long a service waits for the other side to close a stream. */
const lingerMs = 2_000;

/** Streams that begin every 5 ms and are cancelled at random; fails unless each ends once and leaves nothing. */
async function cancelMany(createNetwork: NetworkFixture['createNetwork'], { fidelity, streams }: Many) {
  const random = seededRandom('cancel');
  const [cancelledAt, stoppedAt] = [new Map<string, number>(), new Map<string, number>()];
  const { network, asker, executor } = await createPair(createNetwork, {
    fidelity,
    link: { delayMs: 5 },
    executor: {
      maxInboundRequests: 1_000,
      maxInboundRequestsPerPeer: 1_000,
      serve: async function* ({ request }, { signal }) {
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
    const { signal, abort } = cancellation();
    setTimeout(() => {
      cancelledAt.set(message.request.payload.idempotencyKey, network.clock.elapsed());
      abort();
    }, random.float() * 700);
    return outcomeOf(readAll(asker.rpc.stream(executor.peerId, message, { signal })));
  };
  for (let count = 0; count < streams; count++)
    network.at(network.clock.elapsed() + count * 5, () => outcomes.push(ask()));
  await network.runFor(10_000);
  const codes = await Promise.all(outcomes);
  expect(codes).toHaveLength(streams);
  expect(executor.ledger.inboundEnds).toHaveLength(streams + 1);
  asker.expectNothingLeft();
  executor.expectNothingLeft();
  const hash = network.trace.hash();
  await network.stop();
  return { codes, hash, lateBy: [...stoppedAt].map(([key, atMs]) => atMs - cancelledAt.get(key)!) };
}

interface Many {
  readonly fidelity: Fidelity;
  readonly streams: number;
}

function cancellation(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}

for (const many of [
  { fidelity: 'fast', streams: 1_000 },
  { fidelity: 'full', streams: 200 },
] satisfies Many[])
  test(`over ${many.fidelity} links, ${many.streams} streams that are cancelled at random stop their handlers within 100 ms`, async ({
    createNetwork,
  }) => {
    const { codes, lateBy } = await cancelMany(createNetwork, many);
    expect([...new Set(codes)].toSorted()).toEqual(['CANCELLED', 'answered']);
    expect(lateBy.length).toBeGreaterThan(many.streams / 2);
    expect(Math.max(...lateBy)).toBeLessThan(100);
  });

for (const fidelity of fidelities)
  test(`the same cancellations over ${fidelity} links give the same run`, async ({ createNetwork }) => {
    const many = { fidelity, streams: 20 };
    expect(await cancelMany(createNetwork, many)).toEqual(await cancelMany(createNetwork, many));
  });

describe.for(fidelities)('over %s links', (fidelity) => {
  for (const how of ['timeoutMs', 'signal'] as const)
    test(`whenever ${how} ends a request, it ends once, and the connection goes on working`, async ({
      createNetwork,
    }) => {
      const { network, asker, executor } = await createPair(createNetwork, {
        fidelity,
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
        fidelity,
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
