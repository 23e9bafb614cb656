import { test } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import { wholeAnswer } from './misbehaviour.ts';
import { failure, question } from './nodes.ts';
import { createPair, ends, outcomeOf, pause, readAll, textOf, ways, whole, words } from './simulation.ts';

/** How long a service waits for the other side to close a stream, when all is said. */
const lingerMs = 2_000;
const ping = { type: 'ping' } as const;
const waits = { timeoutMs: 300_000 };

describe.for(ways)('over $fidelity links by $carrier', (way) => {
  test('a request that nobody answers ends after 120 s to the millisecond, and leaves nothing', async ({
    createNetwork,
  }) => {
    const serve = async () => new Promise<undefined>(() => undefined);
    const { network, asker, executor } = await createPair(createNetwork, { ...way, executor: { serve } });
    const message = await question(asker.identity, executor.identity);
    const startMs = network.clock.elapsed();
    const error = await network.run(failure(asker.rpc.request(executor.peerId, message)), waits);
    expect(error).toMatchObject({
      code: 'TIMEOUT',
      retryable: true,
      data: { stage: 'awaiting', waitedMs: 120_000, limitMs: 120_000 },
    });
    expect(network.clock.elapsed() - startMs).toBe(120_000);
    await network.runFor(lingerMs + 1_000);
    asker.expectNothingLeft();
    executor.expectNothingLeft();
    expect(ends(asker)).toEqual(['TIMEOUT']);
  });

  test('an answer that comes after the timeout is delivered to nobody, and its connection goes on working', async ({
    createNetwork,
  }) => {
    const { network, asker, executor } = await createPair(createNetwork, {
      ...way,
      executor: { serve: words(3, 100) },
    });
    await network.run(asker.rpc.request(executor.peerId, ping));
    const connections = asker.node.getConnections();
    const message = await question(asker.identity, executor.identity);
    const answer = asker.rpc.stream(executor.peerId, message);
    const outcome = failure(readAll(answer));
    await network.runFor(200);
    network.hold('asker', 'executor');
    expect(await network.run(outcome, waits)).toMatchObject({ code: 'TIMEOUT', data: { waitedMs: 120_000 } });
    expect(executor.ledger.inboundEnds).toEqual(['answered', 'answered']);
    network.release('asker', 'executor');
    await network.run(asker.rpc.request(executor.peerId, ping));
    await network.runFor(lingerMs);
    expect(ends(asker)).toEqual(['answered', 'TIMEOUT', 'answered']);
    expect(asker.node.getConnections()).toEqual(connections);
    asker.expectNothingLeft();
    executor.expectNothingLeft();
  });

  test('an answer after the executor’s own deadline is dropped with a reason, and the client is told', async ({
    createNetwork,
  }) => {
    const late = Promise.withResolvers<unknown>();
    const { network, asker, executor } = await createPair(createNetwork, {
      ...way,
      executor: {
        timeoutMs: 30_000,
        serve: async (_request, { channel }) => {
          await pause(60_000);
          late.resolve(await failure(channel.respond(whole('late'))));
        },
      },
    });
    await network.run(asker.rpc.request(executor.peerId, ping));
    const message = await question(asker.identity, executor.identity);
    const startMs = network.clock.elapsed();
    const error = await network.run(failure(asker.rpc.request(executor.peerId, message)));
    expect(error).toMatchObject({ code: 'OMITTED', data: { peerId: executor.peerId } });
    expect(network.clock.elapsed() - startMs).toBeLessThan(30_000 + 5 * 50);
    expect(await network.run(late.promise)).toMatchObject({
      code: 'CHANNEL_CLOSED',
      data: { reason: 'deadline' },
    });
    await network.runFor(lingerMs);
    executor.expectNothingLeft();
  });
});

test('a request that is given up while its answer is verified fails for who reads it, too', async ({
  createNetwork,
}) => {
  const { network, asker, executor } = await createPair(createNetwork, {
    asker: { verifyMs: 1_000 },
    executor: { serve: words(3, 100) },
  });
  const message = await question(asker.identity, executor.identity);
  const answer = asker.rpc.stream(executor.peerId, message, { signal: AbortSignal.timeout(1_000) });
  const outcomes = Promise.all([failure(readAll(answer)), failure(answer.result)]);
  for (const error of await network.run(outcomes))
    expect(error).toMatchObject({ code: 'CANCELLED', data: { stage: 'verifying' } });
  await network.runFor(lingerMs);
  expect(ends(asker)).toEqual(['CANCELLED']);
  asker.expectNothingLeft();
});

test('an answer in one piece whose request is given up while it is verified is shown to nobody', async ({
  createNetwork,
}) => {
  const { network, asker, executor } = await createPair(createNetwork, {
    asker: { verifyMs: 1_000 },
    executor: {
      misbehave: async (stream) => void stream.send(await wholeAnswer(stream, executor.identity)),
    },
  });
  const message = await question(asker.identity, executor.identity);
  const answer = asker.rpc.stream(executor.peerId, message, { timeoutMs: 700 });
  const seen: string[] = [];
  const read = async (): Promise<void> => {
    for await (const { text } of answer) seen.push(text);
  };
  expect(await network.run(failure(read()))).toMatchObject({ code: 'TIMEOUT', data: { stage: 'verifying' } });
  expect(seen).toEqual([]);
});

test('nobody is told of a request whose client left while it was verified', async ({ createNetwork }) => {
  let served = 0;
  const { network, asker, executor } = await createPair(createNetwork, {
    executor: { verifyMs: 1_000, serve: () => whole(`answer ${++served}`) },
  });
  let told = 0;
  executor.rpc.addEventListener('request:received', () => told++);
  await network.run(asker.rpc.request(executor.peerId, ping));
  const message = await question(asker.identity, executor.identity);
  const outcome = outcomeOf(
    asker.rpc.request(executor.peerId, message, { signal: AbortSignal.timeout(500) }),
  );
  expect(await network.run(outcome)).toBe('CANCELLED');
  await network.runFor(5_000);
  expect({ told, served }).toEqual({ told: 1, served: 0 });
  expect(executor.ledger.inboundEnds).toEqual(['answered', 'abandoned']);
  executor.expectNothingLeft();
});

for (const way of ways)
  test(`the same answer over the same ${way.fidelity} links by ${way.carrier} takes the same run`, async ({
    createNetwork,
  }) => {
    const hashes = new Set<string>();
    for (let time = 0; time < 2; time++) {
      const { network, asker, executor } = await createPair(createNetwork, {
        ...way,
        link: { delayMs: 50, jitterMs: 20, lossRatio: 0.05 },
        executor: { serve: words(20, 50) },
      });
      const answer = asker.rpc.stream(executor.peerId, await question(asker.identity, executor.identity));
      expect(await network.run(readAll(answer))).toBe(textOf(20));
      await network.stop();
      hashes.add(network.trace.hash());
    }
    expect(hashes.size).toBe(1);
  });
